#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "ssh/remote_host.h"
#include "targets/nginx/layout.h"

namespace certbinder::targets::nginx {

/// How one file of a version is to be written.
struct FileSpec {
    std::string_view bytes;
    std::uint32_t mode = 0644;
    std::optional<ssh::Owner> owner;  ///< nothing: whoever logs in
    std::string labelFrom;            ///< the file whose SELinux label it gets; "" for the directory's default
};

/// What a version holds; a file that was not there when a version was kept is not there either.
struct Contents {
    std::optional<FileSpec> certificate;
    std::optional<FileSpec> privateKey;
};

/// Writes versions and links of one pair. Every method may be repeated after a crash or a lost answer: it finds what is
/// done and goes on. Not thread-safe; host and layout outlive it.
class RoomKeeper {
  public:
    RoomKeeper(ssh::RemoteHost& host, const Layout& layout) : host_(&host), layout_(layout) {}

    void use(ssh::RemoteHost& host) { host_ = &host; }  ///< another session on the same host

    /// Makes the room's directories. Others than root may pass through them: the certificate is public, and an nginx
    /// that runs as a plain user reads its key here; the key is guarded by its own mode.
    base::Expected<void> open();

    /// Brings about a version of these contents and returns its name: `name`, or `name-2`, … where a version of that
    /// name holds something else and is in force or kept (`keep`). A version in use is never rewritten; at most its
    /// key's mode is narrowed.
    base::Expected<std::string> stage(const std::string& name, const Contents& contents,
                                      const std::vector<std::string>& keep);

    /// Makes a link say `target`, by one rename over whatever is there.
    base::Expected<void> point(const std::string& link, const std::string& target);

    base::Expected<void> unlink(const std::string& link);

    /// Whether a version has both files of a pair.
    base::Expected<bool> isComplete(const std::string& version);

    /// Whether a version has exactly these contents.
    base::Expected<bool> holds(const std::string& version, const Contents& contents);

    /// Takes rights that others than the owner have been given to a version's key away from them.
    base::Expected<void> narrow(const std::string& version, const Contents& contents);

    /// Removes all versions but those in `keep`, and links that were made but not renamed.
    base::Expected<void> prune(const std::vector<std::string>& keep);

    /// What did not work but does not stop a deployment: SELinux labels that could not be set.
    const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    enum class State { kAbsent, kSame, kOther };

    base::Expected<State> compare(const std::string& directory, const Contents& contents);
    base::Expected<bool> isSame(const std::string& path, const std::optional<FileSpec>& file);
    base::Expected<void> write(const std::string& directory, const Contents& contents);
    base::Expected<void> writeFile(const std::string& path, const FileSpec& file);
    base::Expected<void> label(const std::string& path, const std::string& from);
    base::Expected<void> remove(const std::string& version);

    ssh::RemoteHost* host_;
    const Layout& layout_;
    std::optional<bool> hasSeLinux_;
    std::vector<std::string> warnings_;
};

}  // namespace certbinder::targets::nginx
