#include "files/file_store.h"

#include <algorithm>

#include "api/codec.h"
#include "base/digest.h"
#include "base/log.h"
#include "document/json.h"
#include "files/inotify.h"

namespace certbinder::files {
namespace {

constexpr std::chrono::milliseconds kQuiet{40};
constexpr std::chrono::milliseconds kMostUnrest{2000};

/// The value with the fields of every object in the order of their names, so that equal specs have equal digests.
document::Value canonical(const document::Value& value) {
    if (value.isList()) {
        document::List items;
        for (const document::Value& item : value.asList()) {
            items.push_back(canonical(item));
        }
        return items;
    }
    if (!value.isObject()) {
        return value;
    }
    document::Object members;
    for (const document::Member& member : value.asObject()) {
        members.push_back({member.name, canonical(member.value), {}});
    }
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return members;
}

template <typename Map, typename Same>
void findChanges(const Map& before, const Map& now, objects::Kind kind, std::vector<objects::Change>& changes,
                 Same same) {
    for (const auto& [key, value] : now) {
        const auto known = before.find(key);
        if (known == before.end() || !same(known->second, value)) {
            changes.push_back({kind, key});
        }
    }
    for (const auto& [key, value] : before) {
        if (now.find(key) == now.end()) {
            changes.push_back({kind, key});
        }
    }
}

}  // namespace

FileStore::FileStore(ManifestReader reader, StateDirectory state, const base::Clock& clock)
    : reader_(std::move(reader)), state_(std::move(state)), clock_(clock) {}

std::vector<FileFault> FileStore::load() {
    Manifests manifests = reader_.read();
    std::vector<FileFault> faults = manifests.faults;
    for (const FileFault& fault : faults) {
        told_.insert(fault.toString());
    }
    apply(std::move(manifests));
    return faults;
}

FileStore::Entry FileStore::makeEntry(const api::ObjectKey& key, const std::shared_ptr<const document::Value>& manifest,
                                      const Entry* before) {
    Entry entry;
    entry.specDigest = base::toHex(base::sha256(document::toJson(canonical((*manifest)["spec"]))));
    api::CertificateBinding binding = api::decodeBinding(*manifest);
    // What a cluster's API server keeps has no meaning here, also where a manifest was exported from one.
    binding.status = {};
    binding.metadata.deletionTimestamp.reset();
    binding.metadata.finalizers.clear();
    StoredBinding stored;
    if (before != nullptr) {
        stored = {before->binding->metadata.generation, before->specDigest,
                  before->binding->metadata.creationTimestamp.value_or(clock_.wallNow()), before->binding->status};
    } else if (auto loaded = state_.load(key)) {
        stored = std::move(*loaded);
    } else {
        stored = {1, entry.specDigest, clock_.wallNow(), {}};
    }
    binding.metadata.key = key;
    binding.metadata.generation = stored.generation + (stored.specDigest == entry.specDigest ? 0 : 1);
    binding.metadata.creationTimestamp = stored.creationTimestamp;
    binding.status = std::move(stored.status);
    entry.binding = std::make_shared<const api::CertificateBinding>(std::move(binding));
    entry.manifest = manifest;
    return entry;
}

std::vector<objects::Change> FileStore::apply(Manifests manifests) {
    auto contents = contents_.lock();
    std::vector<objects::Change> changes;
    findChanges(contents->manifests.bindings, manifests.bindings, objects::Kind::kBinding, changes,
                [](const BindingManifest& a, const BindingManifest& b) {
                    return a.object == b.object || *a.object == *b.object;
                });
    findChanges(contents->manifests.secrets, manifests.secrets, objects::Kind::kSecret, changes,
                [](const auto& a, const auto& b) { return a->version == b->version && a->type == b->type; });
    findChanges(contents->manifests.configMaps, manifests.configMaps, objects::Kind::kConfigMap, changes,
                [](const auto& a, const auto& b) { return a == b; });
    for (const objects::Change& change : changes) {
        if (change.kind != objects::Kind::kBinding) {
            continue;
        }
        const auto declared = manifests.bindings.find(change.key);
        if (declared == manifests.bindings.end()) {
            contents->bindings.erase(change.key);
            state_.remove(change.key);  // one of that name that comes later is another binding
            continue;
        }
        const auto known = contents->bindings.find(change.key);
        Entry entry = makeEntry(change.key, declared->second.object,
                                known == contents->bindings.end() ? nullptr : &known->second);
        contents->bindings[change.key] = std::move(entry);
    }
    contents->manifests = std::move(manifests);
    return changes;
}

std::shared_ptr<const document::Value> FileStore::manifest(const api::ObjectKey& key) const {
    auto contents = contents_.lock();
    const auto known = contents->bindings.find(key);
    return known == contents->bindings.end() ? nullptr : known->second.manifest;
}

std::vector<std::shared_ptr<const api::CertificateBinding>> FileStore::bindings() const {
    auto contents = contents_.lock();
    std::vector<std::shared_ptr<const api::CertificateBinding>> all;
    all.reserve(contents->bindings.size());
    for (const auto& [key, entry] : contents->bindings) {
        all.push_back(entry.binding);
    }
    return all;
}

std::shared_ptr<const api::CertificateBinding> FileStore::binding(const api::ObjectKey& key) const {
    auto contents = contents_.lock();
    const auto known = contents->bindings.find(key);
    return known == contents->bindings.end() ? nullptr : known->second.binding;
}

base::Expected<std::shared_ptr<const api::SecretData>> FileStore::secret(const api::ObjectKey& key) {
    auto contents = contents_.lock();
    const auto known = contents->manifests.secrets.find(key);
    return known == contents->manifests.secrets.end() ? nullptr : known->second;
}

base::Expected<std::optional<std::string>> FileStore::configMapEntry(const api::ObjectKey& key,
                                                                     const std::string& entry) {
    auto contents = contents_.lock();
    const auto known = contents->manifests.configMaps.find(key);
    if (known == contents->manifests.configMaps.end()) {
        return std::nullopt;
    }
    const auto value = known->second.find(entry);
    return value == known->second.end() ? std::nullopt : std::optional(value->second);
}

base::Expected<void> FileStore::writeStatus(const api::ObjectKey& key, const api::Status& status) {
    StoredBinding stored;
    {
        auto contents = contents_.lock();
        const auto known = contents->bindings.find(key);
        if (known == contents->bindings.end() || (known->second.binding->status == status && known->second.saved)) {
            return {};
        }
        api::CertificateBinding fresh = *known->second.binding;
        fresh.status = status;
        stored = {fresh.metadata.generation, known->second.specDigest,
                  fresh.metadata.creationTimestamp.value_or(base::WallTime()), status};
        known->second.binding = std::make_shared<const api::CertificateBinding>(std::move(fresh));
        known->second.saved = false;
    }
    auto saved = state_.save(key, stored);
    if (saved) {
        auto contents = contents_.lock();
        const auto known = contents->bindings.find(key);
        if (known == contents->bindings.end()) {
            state_.remove(key);  // it went meanwhile
        } else {
            known->second.saved = known->second.binding->status == status;
        }
    }
    return saved;
}

void FileStore::tellNews(const std::vector<FileFault>& faults) {
    std::set<std::string> current;
    for (const FileFault& fault : faults) {
        const std::string text = fault.toString();
        if (!told_.contains(text) && !current.contains(text)) {
            base::logError("a file has a fault; the last good version of what it declares stays in force",
                           {{"error", text}});
        }
        current.insert(text);
    }
    if (!told_.empty() && current.empty()) {
        base::logInfo("all files are sound again");
    }
    told_ = std::move(current);
}

void FileStore::watch(const std::function<void(const std::vector<objects::Change>&)>& onChanges, std::stop_token stop) {
    auto inotify = Inotify::make();
    if (!inotify) {
        base::logError("changed files will not be noticed", {{"error", inotify.error().message()}});
        return;
    }
    const std::stop_callback wake(stop, [&] { inotify->wakeUp(); });
    // Watching begins before reading, so that no change falls between the two.
    inotify->watch(reader_.watchedDirectories());
    for (bool first = true; !stop.stop_requested(); first = false) {
        if (!first && !inotify->wait(kQuiet, kMostUnrest)) {
            continue;
        }
        inotify->watch(reader_.watchedDirectories());
        Manifests lastGood;
        {
            auto contents = contents_.lock();
            lastGood = contents->manifests;
        }
        Manifests fresh = reader_.read(&lastGood);
        tellNews(fresh.faults);
        const std::vector<objects::Change> changes = apply(std::move(fresh));
        if (!changes.empty()) {
            base::logInfo("files changed", {{"objects", static_cast<std::int64_t>(changes.size())}});
            onChanges(changes);
        }
    }
}

void FileStore::emit(const objects::Event& event) {
    base::log(event.type == objects::EventType::kWarning ? base::LogLevel::kWarning : base::LogLevel::kInfo,
              event.message, {{"namespace", event.binding.ns}, {"name", event.binding.name}, {"event", event.reason}});
}

}  // namespace certbinder::files
