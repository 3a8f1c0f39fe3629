#include "api/certificate_binding.h"

#include <algorithm>
#include <array>

namespace certbinder::api {
namespace {

template <typename Item, typename Name>
const Item* findIn(const std::vector<Item>& items, std::string_view wanted, Name name) {
    const auto found = std::find_if(items.begin(), items.end(), [&](const Item& item) { return name(item) == wanted; });
    return found == items.end() ? nullptr : &*found;
}

void addOnce(std::vector<std::string>& names, const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
    }
}

}  // namespace

const Condition* Status::find(std::string_view type) const {
    return findIn(conditions, type, [](const Condition& c) -> std::string_view { return c.type; });
}

const EndpointStatus* Status::endpoint(std::string_view name) const {
    return findIn(endpoints, name, [](const EndpointStatus& e) -> std::string_view { return e.name; });
}

bool CertificateBinding::isReady() const {
    const Condition* ready = status.find(condition::kReady);
    return ready != nullptr && ready->status == ConditionStatus::kTrue &&
           status.observedGeneration == metadata.generation;
}

std::string_view toString(ConditionStatus status) {
    constexpr std::array<std::string_view, 3> kWords{"True", "False", "Unknown"};
    return kWords[static_cast<std::size_t>(status)];
}

std::string_view toString(EndpointState state) {
    constexpr std::array<std::string_view, 6> kWords{"Pending", "Deploying", "InSync",
                                                     "Drifted", "Failed",    "RolledBack"};
    return kWords[static_cast<std::size_t>(state)];
}

const std::string& sourceSecret(const Spec& spec) {
    if (const auto* scm = std::get_if<HuaweiScmSource>(&spec.source)) {
        return scm->credentialsRef;
    }
    return std::get<SecretSource>(spec.source).name;
}

std::vector<std::string> targetSecrets(const Spec& spec) {
    std::vector<std::string> names;
    if (const auto* nginx = std::get_if<NginxTarget>(&spec.target)) {
        addOnce(names, nginx->ssh.credentialsRef);
        if (nginx->ssh.jumpHost) {
            addOnce(names, nginx->ssh.jumpHost->credentialsRef);
        }
    } else {
        addOnce(names, std::get<SlbListenerTarget>(spec.target).credentialsRef);
    }
    return names;
}

std::vector<std::string> referencedSecrets(const Spec& spec) {
    std::vector<std::string> names;
    addOnce(names, sourceSecret(spec));
    for (const std::string& name : targetSecrets(spec)) {
        addOnce(names, name);
    }
    return names;
}

std::string describeTarget(const Spec& spec) {
    if (const auto* nginx = std::get_if<NginxTarget>(&spec.target)) {
        const std::size_t hosts = nginx->hosts.size();
        return "nginx " + (hosts == 1 ? nginx->hosts.front().address : std::to_string(hosts) + " hosts");
    }
    const auto& slb = std::get<SlbListenerTarget>(spec.target);
    const std::string name = slb.loadBalancerID.empty() ? "slb" : slb.loadBalancerID;
    return name + ":" + std::to_string(slb.port) + (slb.serverName.empty() ? "" : "/" + slb.serverName);
}

}  // namespace certbinder::api
