#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ssh/remote_host.h"

namespace certbinder::test {

/// A machine in memory: a file system with links, modes and owners as POSIX has them, commands, and the faults of a
/// network. Several sessions (FakeRemoteHost) look at one machine, also from several threads. Answers are those of
/// OpenSSH's sftp-server, so a loop of links "does not exist" here as there.
class FakeMachine {
  public:
    using CommandHandler =
        std::function<base::Expected<ssh::CommandResult>(FakeMachine&, const std::vector<std::string>& command)>;

    FakeMachine();

    // --- What a test prepares and looks at. No permissions, no faults, no journal. ---

    /// Writes a file through links, creating its parents (0755, root) where they are missing.
    void put(const std::string& path, std::string_view bytes, std::uint32_t mode = 0644, ssh::Owner owner = {});
    void putDirectory(const std::string& path, std::uint32_t mode = 0755, ssh::Owner owner = {});
    void putLink(const std::string& target, const std::string& path);
    /// Removes whatever is at the path itself, with everything below it.
    void erase(const std::string& path);

    std::optional<std::string> contents(const std::string& path) const;        ///< through links
    std::optional<ssh::FileStatus> status(const std::string& path) const;      ///< through links
    std::optional<ssh::FileStatus> linkStatus(const std::string& path) const;  ///< of the path itself
    std::optional<std::string> linkTarget(const std::string& path) const;
    std::optional<ssh::Owner> owner(const std::string& path) const;  ///< through links
    bool exists(const std::string& path) const;                      ///< through links
    /// Every path but `/`, sorted; the name alone, links as `/a -> b`, directories with a `/` at the end.
    std::vector<std::string> tree() const;

    /// Who logs in under a name; names that were not added are root. Uid 0 may do everything.
    void addUser(const std::string& name, ssh::Owner ids);
    /// Without a handler every command answers status 127, as a shell does for what it does not find. The handler runs
    /// without the machine's lock and may change the machine.
    void onCommand(CommandHandler handler);

    // --- Operations: whatever changes the machine or might (each command), counted from 1 over all sessions. ---

    /// What happened, in order: `createFile 0600 /a`, `rename /a /b`, `run nginx -t`. Never a file's bytes.
    std::vector<std::string> journal() const;
    void clearJournal();  ///< also counts from 1 again
    std::size_t operations() const;

    /// `count` more operations happen; the next one does not, and from then on nothing answers (kUnreachable), logins
    /// included, until recover().
    void loseConnectionAfter(std::size_t count);
    /// The `number`-th operation from now happens, but its answer and everything behind it is lost until recover().
    void loseAnswerOf(std::size_t number);
    /// Reachable for new logins; the sessions of before stay dead, as after a lost connection. Ends all planned faults.
    void recover();
    /// Asked before each operation, with its line of the journal: an error is the answer instead, and nothing happens.
    /// Called with the lock held, so it must not look at the machine.
    void interpose(std::function<std::optional<base::Error>(const std::string& operation)> judge);
    /// Called after each operation that happened, without the lock: for what must hold in every state between.
    void observe(std::function<void(const FakeMachine&)> observer);

  private:
    friend class FakeRemoteHost;
    friend class FakeConnector;

    struct Node {
        ssh::FileStatus::Kind kind = ssh::FileStatus::Kind::kFile;
        std::uint32_t mode = 0;
        ssh::Owner owner;
        std::string bytes;  // of a file; the target of a link
    };

    struct Place {
        std::string path;            // canonical; parents exist
        const Node* node = nullptr;  // none: free
    };

    struct Ticket {
        bool answered = true;
    };

    enum class Last { kFollow, kItself };

    base::Expected<Place> find(const std::string& path, Last last, ssh::Owner who) const;
    base::Expected<Place> parentOf(const std::string& path, Last last, ssh::Owner who) const;
    bool may(const Node& node, std::uint32_t bit, ssh::Owner who) const;
    bool hasChildren(const std::string& path) const;
    void makeParents(const std::string& path);
    ssh::FileStatus statusOf(const Node& node) const;

    base::Expected<void> reachable(std::size_t generation) const;
    base::Expected<void> perform(std::size_t generation, const std::string& operation,
                                 const std::function<base::Expected<void>()>& change);
    base::Expected<Ticket> begin(std::size_t generation, const std::string& operation);
    base::Expected<void> finish(const Ticket& ticket);

    mutable std::mutex mutex_;
    std::map<std::string, Node> nodes_;  // by canonical path
    std::map<std::string, ssh::Owner> users_;
    CommandHandler commands_;
    std::vector<std::string> journal_;
    std::function<std::optional<base::Error>(const std::string&)> judge_;
    std::function<void(const FakeMachine&)> observer_;
    std::size_t operations_ = 0;
    std::optional<std::size_t> loseConnectionAt_;
    std::optional<std::size_t> loseAnswerAt_;
    bool down_ = false;
    std::size_t generation_ = 0;
};

/// A session on a FakeMachine.
class FakeRemoteHost final : public ssh::RemoteHost {
  public:
    explicit FakeRemoteHost(std::shared_ptr<FakeMachine> machine, ssh::Owner who = {});

    void setContext(const base::CallContext& context) override;
    base::Expected<std::optional<ssh::FileStatus>> stat(const std::string& path) override;
    base::Expected<std::optional<ssh::FileStatus>> lstat(const std::string& path) override;
    base::Expected<std::string> readLink(const std::string& path) override;
    base::Expected<base::SecretBytes> readFile(const std::string& path, std::size_t mostBytes) override;
    base::Expected<std::vector<std::string>> list(const std::string& path) override;
    base::Expected<void> createDirectory(const std::string& path, std::uint32_t mode) override;
    base::Expected<void> createFile(const std::string& path, std::string_view bytes, std::uint32_t mode) override;
    base::Expected<void> setOwner(const std::string& path, ssh::Owner owner) override;
    base::Expected<void> setMode(const std::string& path, std::uint32_t mode) override;
    base::Expected<void> createLink(const std::string& target, const std::string& path) override;
    base::Expected<void> rename(const std::string& from, const std::string& to) override;
    base::Expected<void> removeFile(const std::string& path) override;
    base::Expected<void> removeDirectory(const std::string& path) override;
    base::Expected<ssh::CommandResult> run(const std::vector<std::string>& command) override;

  private:
    base::Expected<void> ready() const;
    base::Expected<void> perform(const std::string& operation, const std::function<base::Expected<void>()>& change);
    base::Expected<std::optional<ssh::FileStatus>> look(const std::string& path, FakeMachine::Last last) const;
    base::Expected<void> remove(const std::string& path, bool directory);

    std::shared_ptr<FakeMachine> machine_;
    ssh::Owner who_;
    std::size_t generation_;
    base::CallContext context_;
};

/// Logs in to machines by `address:port`; an address without a machine is unreachable.
class FakeConnector final : public ssh::Connector {
  public:
    void add(const std::string& address, std::uint16_t port, std::shared_ptr<FakeMachine> machine);
    /// Every login there fails with this error, until it is taken back with nothing.
    void refuse(const std::string& address, std::uint16_t port, std::optional<base::Error> error);
    /// `user@address:port` of each attempt, refused ones included.
    std::vector<std::string> logins() const;

    base::Expected<std::unique_ptr<ssh::RemoteHost>> connect(const ssh::Login& login,
                                                             const base::CallContext& context) override;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<FakeMachine>> machines_;
    std::map<std::string, base::Error> refusals_;
    std::vector<std::string> logins_;
};

}  // namespace certbinder::test
