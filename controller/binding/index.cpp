#include "binding/index.h"

namespace certbinder::binding {
namespace {

template <typename Map, typename Name, typename Value>
void take(Map& map, const Name& name, const Value& value) {
    const auto found = map.find(name);
    if (found != map.end()) {
        found->second.erase(value);
        if (found->second.empty()) {
            map.erase(found);
        }
    }
}

template <typename Map, typename Name>
std::set<api::ObjectKey> look(const Map& map, const Name& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::set<api::ObjectKey>() : found->second;
}

}  // namespace

std::set<api::ObjectKey> BindingIndex::drop(Maps& maps, const api::ObjectKey& key) {
    std::set<api::ObjectKey> affected;
    const auto known = maps.entries.find(key);
    if (known == maps.entries.end()) {
        return affected;
    }
    const Entry& entry = known->second;
    for (const auto& secret : entry.secrets) {
        take(maps.bySecret, secret, key);
    }
    for (const auto& configMap : entry.configMaps) {
        take(maps.byConfigMap, configMap, key);
    }
    for (const auto& claim : entry.claims) {
        take(maps.byClaim, claim, entry.age);
        if (const auto others = maps.byClaim.find(claim); others != maps.byClaim.end()) {
            for (const auto& [age, other] : others->second) {
                affected.insert(other);
            }
        }
    }
    maps.entries.erase(known);
    return affected;
}

std::set<api::ObjectKey> BindingIndex::put(const api::CertificateBinding& binding,
                                           const std::vector<std::string>& claims) {
    const api::ObjectKey& key = binding.metadata.key;
    auto maps = maps_.lock();
    std::set<api::ObjectKey> affected = drop(*maps, key);
    Entry entry;
    entry.age = {binding.metadata.creationTimestamp.value_or(base::WallTime()), key};
    entry.claims = claims;
    for (const std::string& name : api::referencedSecrets(binding.spec)) {
        entry.secrets.push_back({key.ns, name});
        maps->bySecret[entry.secrets.back()].insert(key);
    }
    if (!binding.spec.trustBundleRef.empty()) {
        entry.configMaps.push_back({key.ns, binding.spec.trustBundleRef});
        maps->byConfigMap[entry.configMaps.back()].insert(key);
    }
    for (const std::string& claim : claims) {
        auto& claimants = maps->byClaim[claim];
        for (const auto& [age, other] : claimants) {
            affected.insert(other);
        }
        claimants.insert(entry.age);
    }
    maps->entries[key] = std::move(entry);
    affected.erase(key);
    return affected;
}

std::set<api::ObjectKey> BindingIndex::remove(const api::ObjectKey& key) {
    auto maps = maps_.lock();
    return drop(*maps, key);
}

std::set<api::ObjectKey> BindingIndex::namingSecret(const api::ObjectKey& secret) {
    return look(maps_.lock()->bySecret, secret);
}

std::set<api::ObjectKey> BindingIndex::namingConfigMap(const api::ObjectKey& configMap) {
    return look(maps_.lock()->byConfigMap, configMap);
}

std::optional<api::ObjectKey> BindingIndex::holder(const std::string& claim) {
    auto maps = maps_.lock();
    const auto found = maps->byClaim.find(claim);
    if (found == maps->byClaim.end() || found->second.empty()) {
        return std::nullopt;
    }
    return found->second.begin()->second;
}

}  // namespace certbinder::binding
