#pragma once

#include <optional>
#include <string>

#include "api/certificate_binding.h"
#include "base/expected.h"
#include "base/unique_fd.h"

namespace certbinder::files {

/// What is kept of a binding in file mode, where the API server would keep it in a cluster.
struct StoredBinding {
    std::int64_t generation = 1;  ///< counts changes of the spec
    std::string specDigest;
    base::WallTime creationTimestamp;  ///< when certbinder first saw it
    api::Status status;
};

/// One JSON file per binding, `status/<namespace>/<name>.json`, replaced by rename so that a crash leaves the old or
/// the new one. Holds no secret. Not thread-safe.
class StateDirectory {
  public:
    /// kExclusive makes the directory where it is missing and takes its lock: two processes that change things must not
    /// work from one state. kShared is for readers: it touches nothing, and a directory that is missing holds nothing.
    /// Reasons: kInvalidSpec (cannot be written, locked by another process).
    enum class Access { kShared, kExclusive };
    static base::Expected<StateDirectory> open(const std::string& path, Access access);

    /// Nothing where nothing is stored; what cannot be read is reported and taken as not there, since every status can
    /// be made again.
    std::optional<StoredBinding> load(const api::ObjectKey& key) const;
    base::Expected<void> save(const api::ObjectKey& key, const StoredBinding& stored) const;
    /// Forgets a binding; nothing happens where nothing is stored.
    void remove(const api::ObjectKey& key) const;

  private:
    StateDirectory(std::string path, base::UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string fileOf(const api::ObjectKey& key) const;

    std::string path_;
    base::UniqueFd lock_;
};

/// Where statuses go unless --state-dir says otherwise: /var/lib/certbinder for root, else below XDG_STATE_HOME.
std::string defaultStateDirectory();

}  // namespace certbinder::files
