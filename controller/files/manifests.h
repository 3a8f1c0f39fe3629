#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/object_key.h"
#include "api/secret_data.h"
#include "base/expected.h"
#include "document/value.h"
#include "document/yaml.h"

namespace certbinder::files {

/// A mistake in a file; the file is named as the user named it.
struct FileFault {
    std::string file;
    document::Fault fault;

    /// `file:line:column: path: message`, as compilers and editors know it.
    std::string toString() const;
};

/// A sound CertificateBinding with the schema's defaults filled in.
struct BindingManifest {
    std::shared_ptr<const document::Value> object;  ///< never null; shared, since many rounds of reading keep it
    std::string file;
};

/// What a set of files declares.
struct Manifests {
    std::map<api::ObjectKey, BindingManifest> bindings;
    std::map<api::ObjectKey, std::shared_ptr<const api::SecretData>> secrets;
    std::map<api::ObjectKey, std::map<std::string, std::string>> configMaps;
    std::vector<FileFault> faults;

    /// Which file each object (kind and key) came from, to find what a file that broke had declared when it was sound.
    using Identity = std::pair<std::string, api::ObjectKey>;
    std::map<Identity, std::string> origins;

    bool sound() const { return faults.empty(); }
};

/// A directory in which a change may change what is read.
struct WatchedDirectory {
    std::string path;
    std::set<std::string> names;  ///< the only entries that matter; empty: all do

    bool operator==(const WatchedDirectory&) const = default;
};

/// Reads CertificateBindings, Secrets and ConfigMaps from files and from the `.yaml`, `.yml` and `.json` files of
/// directories, deeply; hidden ones and linked directories are left out. A file that is reached by two ways is read
/// once.
/// `-` is standard input; it and pipes are read once and remembered. Objects of other kinds are passed over. A document
/// with a fault does not keep the others from being read. Not thread-safe.
class ManifestReader {
  public:
    /// `leftOut` are directories that hold no manifests although they may lie below `paths` (the state directory).
    explicit ManifestReader(std::vector<std::string> paths, std::vector<std::string> leftOut = {})
        : paths_(std::move(paths)), leftOut_(std::move(leftOut)) {}

    /// Reads everything anew. What a file declared in `lastGood` stays in force where the file, or a directory above
    /// it, has a fault now.
    Manifests read(const Manifests* lastGood = nullptr);

    /// Where changes may change what is read: the directories themselves, and the entries by which each path and each
    /// linked file is found, down to the first that is missing.
    std::vector<WatchedDirectory> watchedDirectories() const;

  private:
    std::vector<std::string> paths_;
    std::vector<std::string> leftOut_;
    std::map<std::string, std::string> streams_;  ///< what came from standard input and pipes, by path
};

}  // namespace certbinder::files
