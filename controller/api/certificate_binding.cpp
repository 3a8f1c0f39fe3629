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
    constexpr std::array<std::string_view, 6> kWords{"Pending", "Deploying", "InSync", "Drifted", "Failed", "RolledBack"};
    return kWords[static_cast<std::size_t>(state)];
}

const std::string& sourceCredentials(const Spec& spec) {
    static const std::string none;
    const auto* scm = std::get_if<HuaweiScmSource>(&spec.source);
    return scm != nullptr ? scm->credentialsRef : none;
}

std::vector<std::string> referencedSecrets(const Spec& spec) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    };
    add(sourceCredentials(spec));
    if (const auto* secret = std::get_if<SecretSource>(&spec.source)) {
        add(secret->name);
    }
    if (const auto* nginx = std::get_if<NginxTarget>(&spec.target)) {
        add(nginx->ssh.credentialsRef);
        if (nginx->ssh.jumpHost) {
            add(nginx->ssh.jumpHost->credentialsRef);
        }
    } else {
        add(std::get<SlbListenerTarget>(spec.target).credentialsRef);
    }
    return names;
}

}  // namespace certbinder::api
