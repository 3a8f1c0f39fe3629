#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/certificate_binding.h"
#include "base/guarded.h"

namespace certbinder::binding {

/// Which bindings name a Secret or ConfigMap, and which claim a place. Thread-safe.
class BindingIndex {
  public:
    /// Learns a binding, or what is new about it. Returns the other bindings whose claims are affected: those that may
    /// have gained or lost a place.
    std::set<api::ObjectKey> put(const api::CertificateBinding& binding, const std::vector<std::string>& claims);
    std::set<api::ObjectKey> remove(const api::ObjectKey& key);

    std::set<api::ObjectKey> namingSecret(const api::ObjectKey& secret);
    std::set<api::ObjectKey> namingConfigMap(const api::ObjectKey& configMap);

    /// Who holds the claim: the oldest binding, by creation, then by namespace and name; so it is the same whichever is
    /// looked at first. Nothing where nobody claims it.
    std::optional<api::ObjectKey> holder(const std::string& claim);

  private:
    using Age = std::pair<base::WallTime, api::ObjectKey>;

    struct Entry {
        Age age;
        std::vector<api::ObjectKey> secrets;
        std::vector<api::ObjectKey> configMaps;
        std::vector<std::string> claims;
    };

    struct Maps {
        std::map<api::ObjectKey, Entry> entries;
        std::map<api::ObjectKey, std::set<api::ObjectKey>> bySecret;
        std::map<api::ObjectKey, std::set<api::ObjectKey>> byConfigMap;
        std::map<std::string, std::set<Age>> byClaim;
    };

    static std::set<api::ObjectKey> drop(Maps& maps, const api::ObjectKey& key);

    base::Guarded<Maps> maps_;
};

}  // namespace certbinder::binding
