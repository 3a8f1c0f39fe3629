#pragma once

#include <functional>
#include <map>
#include <memory>
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
    document::Value object;
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

/// Reads CertificateBindings, Secrets and ConfigMaps from files and from the `.yaml`, `.yml` and `.json` files of
/// directories, deeply, hidden ones left out; `-` is standard input, which is read once. Objects of other kinds are
/// passed over. A document with a fault does not keep the others from being read. Not thread-safe.
class ManifestReader {
  public:
    explicit ManifestReader(std::vector<std::string> paths) : paths_(std::move(paths)) {}

    /// Reads everything anew. What a file declared in `lastGood` stays in force where the file has a fault now.
    Manifests read(const Manifests* lastGood = nullptr);

    /// The directories in which a change may change what is read.
    std::vector<std::string> watchedDirectories() const;

  private:
    std::vector<std::string> paths_;
    std::string standardInput_;
    bool standardInputRead_ = false;
};

}  // namespace certbinder::files
