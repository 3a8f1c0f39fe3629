#include "files/manifests.h"

#include <algorithm>
#include <cerrno>
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

/// Goes through what is below directories, in the order of names.
class Walk {
  public:
    std::function<void(const fs::path&)> onFile = [](const fs::path&) {};
    std::function<void(const fs::path&)> onDirectory = [](const fs::path&) {};
    std::function<void(const fs::path&, const std::error_code&)> onFault = [](const fs::path&, const std::error_code&) {
    };

    explicit Walk(const std::vector<std::string>& leftOut) {
        for (const std::string& path : leftOut) {
            std::error_code error;
            const fs::path real = fs::canonical(path, error);
            if (!error) {
                leftOut_.insert(real.string());
            }
        }
    }

    void through(const fs::path& directory) {
        std::error_code error;
        if (!leftOut_.empty() && leftOut_.contains(fs::canonical(directory, error).string())) {
            return;
        }
        onDirectory(directory);
        std::vector<fs::path> entries;
        fs::directory_iterator entry(directory, error);
        for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
            entries.push_back(entry->path());
        }
        if (error) {
            onFault(directory, error);
        }
        std::sort(entries.begin(), entries.end());
        for (const fs::path& path : entries) {
            visit(path);
        }
    }

  private:
    void visit(const fs::path& path) {
        std::error_code ignored;
        if (isHidden(path)) {
            return;
        }
        const fs::file_type type = fs::status(path, ignored).type();
        if (type == fs::file_type::directory) {
            // A linked directory is not followed: it may lead back to where it is.
            if (!fs::is_symlink(path, ignored)) {
                through(path);
            }
        } else if (isManifestName(path) && (type == fs::file_type::regular || type == fs::file_type::not_found)) {
            onFile(path);  // a link to nothing is told as a file that cannot be read
        }
    }

    std::set<std::string> leftOut_;
};

/// Adds the entries by which a path is found: its last part, each link on the way and what it leads to, or the first
/// part that is missing, whose coming matters.
void addTrail(const fs::path& path, std::map<std::string, std::set<std::string>>& entries, int linksLeft = 40) {
    std::error_code error;
    const fs::path whole = fs::absolute(path, error).lexically_normal();
    fs::path at;
    for (auto part = whole.begin(); part != whole.end(); ++part) {
        const fs::path parent = at;
        at /= *part;
        if (part->empty() || *part == "/") {
            continue;
        }
        const fs::file_type type = fs::symlink_status(at, error).type();
        const bool last = std::next(part) == whole.end();
        if (last || type == fs::file_type::symlink || type == fs::file_type::not_found) {
            entries[parent.string()].insert(part->string());
        }
        if (type == fs::file_type::not_found) {
            return;
        }
        if (type == fs::file_type::symlink && linksLeft > 0) {
            fs::path target = parent / fs::read_symlink(at, error);
            for (auto rest = std::next(part); rest != whole.end(); ++rest) {
                target /= *rest;
            }
            return addTrail(target, entries, linksLeft - 1);
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
                                        std::to_string(document::kMostYamlBytes / 1024 / 1024) +
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
            out_.bindings[*key] = {std::make_shared<const Value>(std::move(object)), file_};
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
                add({position, path,
                     "is not base64; encode the value, or move it to stringData, which takes it plain"});
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
        if (const Value& data = object["data"]; !data.isNull() && !data.isObject()) {
            fault(data, "data", "must be a map of strings");
            sound = false;
        }
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
            fault(
                object, "metadata.name",
                kind + " " + key.toString() + " is declared already, in " + origin->second + "; remove one of the two");
        }
        return fresh;
    }

    Manifests& out_;
    std::string file_;
};

/// Whether the file, or a directory above it, is one of these.
bool isBelow(const std::set<std::string>& places, const std::string& file) {
    if (places.contains(file)) {
        return true;
    }
    for (std::size_t slash = file.rfind('/'); slash != std::string::npos && slash > 0;
         slash = file.rfind('/', slash - 1)) {
        if (places.contains(file.substr(0, slash)) || places.contains(file.substr(0, slash + 1))) {
            return true;
        }
    }
    return false;
}

/// Puts back what the files that have a fault now had declared, where nothing took its place.
void keepLastGood(Manifests& now, const Manifests& lastGood) {
    std::set<std::string> broken;
    for (const FileFault& fault : now.faults) {
        broken.insert(fault.file);
    }
    if (broken.empty()) {
        return;
    }
    for (const auto& [identity, file] : lastGood.origins) {
        if (!isBelow(broken, file) || !now.origins.emplace(identity, file).second) {
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
    std::set<std::string> seen;
    const auto fault = [&](const fs::path& path, const std::string& message) {
        FileReader(out, path.string()).add({{}, "", message});
    };
    const auto readFile = [&](const fs::path& path) {
        std::error_code ignored;
        if (const fs::path real = fs::canonical(path, ignored); !real.empty() && !seen.insert(real.string()).second) {
            return;
        }
        errno = 0;
        std::ifstream stream(path, std::ios::binary);
        if (!stream) {
            return fault(path, "cannot be read: " + std::error_code(errno, std::generic_category()).message());
        }
        auto text = readText(stream, path.string());
        if (text) {
            FileReader(out, path.string()).read(std::move(*text));
        } else {
            fault(path, text.error().message());
        }
    };
    const auto readOnce = [&](const std::string& path, const std::string& name, std::istream& stream) {
        if (!streams_.contains(path)) {
            auto text = readText(stream, name);
            if (!text) {
                return fault(name, text.error().message());
            }
            streams_.emplace(path, std::move(*text));
        }
        FileReader(out, name).read(streams_.at(path));
    };
    Walk walk(leftOut_);
    walk.onFile = readFile;
    walk.onFault = [&](const fs::path& path, const std::error_code& error) {
        fault(path, "cannot be listed: " + error.message());
    };
    std::set<std::string> given;
    for (const std::string& path : paths_) {
        std::error_code error;
        if (!given.insert(path).second) {
            continue;
        }
        const fs::file_type type = fs::status(path, error).type();
        if (path == kStandardInput) {
            readOnce(path, "<standard input>", std::cin);
        } else if (type == fs::file_type::directory) {
            walk.through(path);
        } else if (type == fs::file_type::fifo || type == fs::file_type::character || streams_.contains(path)) {
            std::ifstream stream;
            if (!streams_.contains(path)) {
                stream.open(path, std::ios::binary);
            }
            readOnce(path, path, stream);
        } else {
            readFile(path);
        }
    }
    if (lastGood != nullptr) {
        keepLastGood(out, *lastGood);
    }
    return out;
}

std::vector<WatchedDirectory> ManifestReader::watchedDirectories() const {
    std::map<std::string, std::set<std::string>> entries;
    std::set<std::string> whole;
    Walk walk(leftOut_);
    walk.onDirectory = [&](const fs::path& directory) { whole.insert(directory.string()); };
    walk.onFile = [&](const fs::path& path) {
        std::error_code ignored;
        if (fs::is_symlink(path, ignored)) {
            addTrail(path, entries);
        }
    };
    for (const std::string& path : paths_) {
        std::error_code error;
        if (path == kStandardInput || streams_.contains(path)) {
            continue;
        }
        addTrail(path, entries);
        if (fs::is_directory(path, error)) {
            walk.through(path);
        }
    }
    std::vector<WatchedDirectory> directories;
    directories.reserve(entries.size() + whole.size());
    for (auto& [path, names] : entries) {
        directories.push_back({path, std::move(names)});
    }
    for (const std::string& path : whole) {
        directories.push_back({path, {}});
    }
    return directories;
}

}  // namespace certbinder::files
