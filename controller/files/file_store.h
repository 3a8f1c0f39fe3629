#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "files/manifests.h"
#include "files/state_directory.h"
#include "objects/object_store.h"

namespace certbinder::files {

/// Objects from YAML files, statuses in a state directory, events into the log.
class FileStore final : public objects::ObjectStore {
  public:
    FileStore(ManifestReader reader, StateDirectory state, const base::Clock& clock);

    /// Reads the files, and what is stored of their bindings. Once, before anything else; faults are returned, and what
    /// is sound is there all the same.
    std::vector<FileFault> load();

    /// The manifest of a binding, with defaults; null where there is none.
    std::shared_ptr<const document::Value> manifest(const api::ObjectKey& key) const;

    std::vector<std::shared_ptr<const api::CertificateBinding>> bindings() const override;
    std::shared_ptr<const api::CertificateBinding> binding(const api::ObjectKey& key) const override;
    base::Expected<std::shared_ptr<const api::SecretData>> secret(const api::ObjectKey& key) override;
    base::Expected<std::optional<std::string>> configMapEntry(const api::ObjectKey& key,
                                                              const std::string& entry) override;
    base::Expected<void> writeStatus(const api::ObjectKey& key, const api::Status& status) override;
    /// Watches the directories (inotify) and reads anew as soon as their files are at rest.
    void watch(const std::function<void(const std::vector<objects::Change>&)>& onChanges,
               std::stop_token stop) override;
    void emit(const objects::Event& event) override;

  private:
    struct Entry {
        std::shared_ptr<const api::CertificateBinding> binding;
        std::shared_ptr<const document::Value> manifest;
        std::string specDigest;
        bool saved = true;  ///< whether the status is on disk as it is here
    };

    struct Contents {
        Manifests manifests;
        std::map<api::ObjectKey, Entry> bindings;
    };

    std::vector<objects::Change> apply(Manifests manifests);
    /// Tells the faults that were not told before.
    void tellNews(const std::vector<FileFault>& faults);
    Entry makeEntry(const api::ObjectKey& key, const std::shared_ptr<const document::Value>& manifest,
                    const Entry* before);

    ManifestReader reader_;       ///< used by one thread at a time: by load, then by watch
    std::set<std::string> told_;  ///< faults that are known; likewise
    StateDirectory state_;
    const base::Clock& clock_;
    mutable base::Guarded<Contents> contents_;
};

}  // namespace certbinder::files
