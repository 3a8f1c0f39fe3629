#include "files/manifests.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <system_error>

#include "api/certificate_binding.h"
#include "base/digest.h"
#include "base/text.h"
#include "schema/schema.h"

namespace certbinder::files {
namespace {

namespace fs = std::filesystem;
using document::Fault;
using document::Position;
using document::Value;

constexpr const char* kStandardInput = "-";

bool isManifestName(const fs::path& path) {
    const std::string extension = path.extension().string();
    return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool isHidden(const fs::path& path) {
    const std::string name = path.filename().string();
    return !name.empty() && name.front() == '.';
}

/// Calls `onFile` and `onDirectory` for what is below a directory, in the order of names.
void walk(const fs::path& directory, const std::function<void(const fs::path&)>& onFile,
          const std::function<void(const fs::path&)>& onDirectory, std::error_code& error) {
    onDirectory(directory);
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
        entries.push_back(entry->path());
    }
    std::sort(entries.begin(), entries.end());
    for (const fs::path& path : entries) {
        std::error_code ignored;
        if (isHidden(path)) {
            continue;
        }
        // A linked directory is not followed: it may lead back to where it is.
        if (fs::is_directory(path, ignored) && !fs::is_symlink(path, ignored)) {
            std::error_code inner;
            walk(path, onFile, onDirectory, inner);
        } else if (isManifestName(path)) {
            onFile(path);
        }
    }
}

base::Expected<std::string> readText(std::istream& stream, const std::string& name) {
    std::string text;
    char buffer[65536];
    while (stream.read(buffer, sizeof buffer) || stream.gcount() > 0) {
        text.append(buffer, static_cast<std::size_t>(stream.gcount()));
        if (text.size() > document::kMostYamlBytes) {
            base::wipe(text);
            return base::unexpected(base::Reason::kInvalidSpec,
                                    "the file is larger than " +
                                        std::to_string(document::kMostYamlBytes / (1024 * 1024)) +
                                        " MiB; no manifest is: name the right file, or split it");
        }
    }
    if (stream.bad()) {
        return base::unexpected(base::Reason::kInvalidSpec, "reading " + name + " failed");
    }
    return text;
}

/// Puts the documents of one file into the manifests.
class FileReader {
  public:
    FileReader(Manifests& out, std::string file) : out_(out), file_(std::move(file)) {}

    void read(std::string text) {
        document::YamlDocuments parsed = document::parseYaml(text);
        base::wipe(text);  // it may hold Secrets
        for (Fault& fault : parsed.faults) {
            add(std::move(fault));
        }
        for (Value& object : parsed.documents) {
            readObject(object, "");
        }
    }

    void add(Fault fault) { out_.faults.push_back({file_, std::move(fault)}); }

  private:
    void fault(const Value& at, std::string path, std::string message) {
        add({at.position(), std::move(path), std::move(message)});
    }

    void readObject(Value& object, const std::string& path) {
        const std::string& kind = object["kind"].asString();
        const std::string& version = object["apiVersion"].asString();
        if (!object.isObject() || kind.empty() || version.empty()) {
            fault(object, path, "this is no Kubernetes object: it needs apiVersion and kind");
            return;
        }
        const std::string group = version.substr(0, version.find('/'));
        if (kind == "List" && version == "v1") {
            readList(object);
        } else if (group == "certbinder.io") {
            readBinding(object);
        } else if (kind == "Secret" && version == "v1") {
            readSecret(object);
        } else if (kind == "ConfigMap" && version == "v1") {
            readConfigMap(object);
        }
    }

    void readList(Value& object) {
        Value* items = object.find("items");
        if (items == nullptr || !items->isList()) {
            fault(object, "items", "a List needs items");
            return;
        }
        for (std::size_t i = 0; i < items->list().size(); ++i) {
            readObject(items->list()[i], "items[" + std::to_string(i) + "]");
        }
    }

    void readBinding(Value& object) {
        std::vector<Fault> faults = schema::Schema::certificateBinding().defaultAndValidate(object);
        for (Fault& fault : faults) {
            add(std::move(fault));
        }
        const auto key = keyOf(object, faults.empty());
        if (faults.empty() && key && claim(api::kKind, *key, object)) {
            setNamespace(object, key->ns);
            out_.bindings[*key] = {std::move(object), file_};
        }
    }

    void readSecret(Value& object) {
        const auto key = keyOf(object, true);
        auto data = std::make_shared<api::SecretData>();
        data->type = object["type"].asString();
        // A fault never shows a Secret's value, only where it stands.
        const bool sound = readEntries(object, "data", *data, true) && readEntries(object, "stringData", *data, false);
        if (!key || !sound || !claim("Secret", *key, object)) {
            return;
        }
        base::SecretBytes all;
        for (const auto& [name, bytes] : data->entries) {
            all.append(name + "=" + std::to_string(bytes.size()) + ":");
            all.append(bytes.reveal());
        }
        data->version = base::toHex(base::sha256(all.reveal()));
        out_.secrets[*key] = std::move(data);
    }

    bool readEntries(Value& object, const char* field, api::SecretData& data, bool encoded) {
        Value* entries = object.find(field);
        if (entries == nullptr || entries->isNull()) {
            return true;
        }
        if (!entries->isObject()) {
            fault(*entries, field, "must be a map of strings");
            return false;
        }
        bool sound = true;
        for (document::Member& entry : entries->object()) {
            const Position position = entry.value.position();
            const std::string path = std::string(field) + "." + entry.name;
            if (!entry.value.isString()) {
                add({position, path,
                     entry.value.isNull() ? "the value is missing" : "must be a string; put it into quotes"});
                sound = false;
                continue;
            }
            std::string text = entry.value.takeString();
            auto bytes = encoded ? base::fromBase64(text) : std::optional(base::SecretBytes(text));
            base::wipe(text);
            if (!bytes) {
                add({position, path, "is not base64; encode the value, or move it to stringData, which takes it plain"});
                sound = false;
                continue;
            }
            data.entries[entry.name] = std::move(*bytes);
        }
        return sound;
    }

    void readConfigMap(const Value& object) {
        const auto key = keyOf(object, true);
        std::map<std::string, std::string> entries;
        bool sound = true;
        for (const document::Member& entry : object["data"].asObject()) {
            if (!entry.value.isString()) {
                fault(entry.value, "data." + entry.name, "must be a string; put it into quotes");
                sound = false;
            }
            entries[entry.name] = entry.value.asString();
        }
        if (key && sound && claim("ConfigMap", *key, object)) {
            out_.configMaps[*key] = std::move(entries);
        }
    }

    /// Name and namespace; a missing namespace means `default`.
    std::optional<api::ObjectKey> keyOf(const Value& object, bool tell) {
        const Value& metadata = object["metadata"];
        api::ObjectKey key{metadata["namespace"].asString(), metadata["name"].asString()};
        if (key.ns.empty()) {
            key.ns = "default";
        }
        if (key.name.empty()) {
            if (tell) {
                fault(metadata.isNull() ? object : metadata, "metadata.name", "is required");
            }
            return std::nullopt;
        }
        return key;
    }

    static void setNamespace(Value& object, const std::string& ns) {
        if (Value* metadata = object.find("metadata")) {
            metadata->set("namespace", ns);
        }
    }

    /// Takes the name for this document; the same object twice is a fault of the second.
    bool claim(const std::string& kind, const api::ObjectKey& key, const Value& object) {
        const auto [origin, fresh] = out_.origins.emplace(Manifests::Identity{kind, key}, file_);
        if (!fresh) {
            fault(object, "metadata.name",
                  kind + " " + key.toString() + " is declared already, in " + origin->second + "; remove one of the two");
        }
        return fresh;
    }

    Manifests& out_;
    std::string file_;
};

/// Puts back what the files that have a fault now had declared, where nothing took its place.
void keepLastGood(Manifests& now, const Manifests& lastGood) {
    std::set<std::string> broken;
    for (const FileFault& fault : now.faults) {
        broken.insert(fault.file);
    }
    for (const auto& [identity, file] : lastGood.origins) {
        if (broken.count(file) == 0 || !now.origins.emplace(identity, file).second) {
            continue;
        }
        const auto& [kind, key] = identity;
        if (kind == "Secret") {
            now.secrets[key] = lastGood.secrets.at(key);
        } else if (kind == "ConfigMap") {
            now.configMaps[key] = lastGood.configMaps.at(key);
        } else {
            now.bindings[key] = lastGood.bindings.at(key);
        }
    }
}

}  // namespace

std::string FileFault::toString() const {
    std::string text = file;
    if (fault.position.line > 0) {
        text += ":" + std::to_string(fault.position.line) + ":" + std::to_string(std::max(fault.position.column, 1));
    }
    return text + ": " + (fault.path.empty() ? "" : fault.path + ": ") + fault.message;
}

Manifests ManifestReader::read(const Manifests* lastGood) {
    Manifests out;
    const auto readStream = [&](std::istream& stream, const std::string& name) {
        FileReader reader(out, name);
        auto text = readText(stream, name);
        if (text) {
            reader.read(std::move(*text));
        } else {
            reader.add({{}, "", text.error().message()});
        }
    };
    const auto readFile = [&](const fs::path& path) {
        std::ifstream stream(path, std::ios::binary);
        if (!stream) {
            FileReader(out, path.string())
                .add({{}, "", "cannot be read: " + std::error_code(errno, std::generic_category()).message()});
            return;
        }
        readStream(stream, path.string());
    };
    for (const std::string& path : paths_) {
        std::error_code error;
        if (path == kStandardInput) {
            if (!standardInputRead_) {
                standardInput_.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
                standardInputRead_ = true;
            }
            FileReader(out, "<standard input>").read(standardInput_);
        } else if (fs::is_directory(path, error)) {
            walk(path, readFile, [](const fs::path&) {}, error);
            if (error) {
                FileReader(out, path).add({{}, "", "cannot be listed: " + error.message()});
            }
        } else {
            readFile(path);
        }
    }
    if (lastGood != nullptr) {
        keepLastGood(out, *lastGood);
    }
    return out;
}

std::vector<std::string> ManifestReader::watchedDirectories() const {
    std::set<std::string> directories;
    std::error_code error;
    const auto addParent = [&](const fs::path& path) {
        const fs::path parent = path.parent_path();
        directories.insert(parent.empty() ? "." : parent.string());
    };
    const auto addFile = [&](const fs::path& path) {
        std::error_code ignored;
        if (fs::is_symlink(path, ignored)) {
            addParent(fs::canonical(path, ignored));
        }
    };
    for (const std::string& path : paths_) {
        if (path == kStandardInput) {
            continue;
        }
        if (fs::is_directory(path, error)) {
            walk(path, addFile, [&](const fs::path& directory) { directories.insert(directory.string()); }, error);
        } else {
            addParent(path);
            addFile(path);
        }
    }
    directories.erase("");
    return {directories.begin(), directories.end()};
}

}  // namespace certbinder::files
