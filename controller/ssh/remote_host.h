#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::ssh {

struct FileStatus {
    enum class Kind { kFile, kDirectory, kLink, kOther };
    Kind kind = Kind::kOther;
    std::uint32_t mode = 0;  ///< permission bits, 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t size = 0;
};

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

struct CommandResult {
    /// -1: ended by a signal. A server that closes the channel without a status, as OpenSSH never does, cannot be told
    /// from one that says 0: libssh2 has no call for it.
    int exitStatus = -1;
    std::string signal;  ///< `KILL`, where it was one
    std::string output;  ///< standard output and error as they came, at most 16 KiB
    bool ok() const { return exitStatus == 0 && signal.empty(); }
};

/// A host that one is logged in to. Paths are absolute. Every method ends within the context that was set last; errors
/// have reason kUnreachable (connection), kPermissionDenied or kInternalError (an answer of the file system, with its
/// words: "no space left on device"). Not thread-safe; the connection ends with the object.
class RemoteHost {
  public:
    virtual ~RemoteHost() = default;

    virtual void setContext(const base::CallContext& context) = 0;

    /// Nothing where the path does not exist. `stat` follows links, `lstat` does not.
    virtual base::Expected<std::optional<FileStatus>> stat(const std::string& path) = 0;
    virtual base::Expected<std::optional<FileStatus>> lstat(const std::string& path) = 0;
    virtual base::Expected<std::string> readLink(const std::string& path) = 0;
    virtual base::Expected<base::SecretBytes> readFile(const std::string& path, std::size_t mostBytes) = 0;
    /// Names in a directory without `.` and `..`, sorted.
    virtual base::Expected<std::vector<std::string>> list(const std::string& path) = 0;

    virtual base::Expected<void> createDirectory(const std::string& path, std::uint32_t mode) = 0;
    /// Creates a file that must not exist, with `mode` before its first byte is written; on disk when it returns.
    virtual base::Expected<void> createFile(const std::string& path, std::string_view bytes, std::uint32_t mode) = 0;
    virtual base::Expected<void> setOwner(const std::string& path, Owner owner) = 0;
    virtual base::Expected<void> setMode(const std::string& path, std::uint32_t mode) = 0;
    virtual base::Expected<void> createLink(const std::string& target, const std::string& path) = 0;
    /// Atomic; replaces what is at `to` (posix-rename@openssh.com).
    virtual base::Expected<void> rename(const std::string& from, const std::string& to) = 0;
    /// Removing what is not there succeeds.
    virtual base::Expected<void> removeFile(const std::string& path) = 0;
    virtual base::Expected<void> removeDirectory(const std::string& path) = 0;

    /// Runs an argument vector; each argument reaches the program as it is, whatever characters it has.
    virtual base::Expected<CommandResult> run(const std::vector<std::string>& command) = 0;
};

/// The keys of an SSH credentials Secret, as in the contract: ssh-privatekey, passphrase, ssh-certificate, password,
/// known_hosts.
using Credentials = std::map<std::string, base::SecretBytes, std::less<>>;

struct Login {
    std::string address;
    std::uint16_t port = 22;
    std::string user;
    const Credentials* credentials = nullptr;  ///< outlives the call
};

/// Logs in. Thread-safe.
class Connector {
  public:
    virtual ~Connector() = default;

    /// Verifies the host key against `known_hosts` before anything is sent to authenticate. Reasons: kUnreachable,
    /// kHostKeyMismatch (also an unknown or revoked key), kAuthenticationFailed, kCredentialsInvalid (a key that does
    /// not parse, a missing entry).
    virtual base::Expected<std::unique_ptr<RemoteHost>> connect(const Login& login,
                                                                const base::CallContext& context) = 0;
};

}  // namespace certbinder::ssh
