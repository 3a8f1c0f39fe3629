#include "api/codec.h"

#include <array>

#include "base/text.h"
#include "base/time_text.h"

namespace certbinder::api {
namespace {

using document::List;
using document::Value;

std::uint16_t portOf(const Value& value, std::uint16_t otherwise) {
    const std::int64_t port = value.asInteger(otherwise);
    return port >= 0 && port <= 65535 ? static_cast<std::uint16_t>(port) : otherwise;
}

std::chrono::milliseconds durationOf(const Value& value, std::chrono::milliseconds otherwise) {
    const auto parsed = base::parseDuration(value.asString());
    return parsed ? std::chrono::milliseconds(*parsed) : otherwise;
}

std::vector<std::string> textsOf(const Value& value, std::vector<std::string> otherwise = {}) {
    if (!value.isList()) {
        return otherwise;
    }
    std::vector<std::string> texts;
    for (const Value& item : value.asList()) {
        texts.push_back(item.asString());
    }
    return texts;
}

std::map<std::string, std::string> textMapOf(const Value& value) {
    std::map<std::string, std::string> texts;
    for (const auto& member : value.asObject()) {
        texts[member.name] = member.value.asString();
    }
    return texts;
}

std::string textOf(const Value& value, const std::string& otherwise) {
    return value.isString() ? value.asString() : otherwise;
}

/// What the value leaves out is taken from `otherwise`.
ProbeSpec probeOf(const Value& value, const ProbeSpec& otherwise) {
    ProbeSpec probe;
    probe.enabled = value["enabled"].asBool(otherwise.enabled);
    probe.address = textOf(value["address"], otherwise.address);
    probe.port = portOf(value["port"], otherwise.port);
    probe.serverName = textOf(value["serverName"], otherwise.serverName);
    probe.timeout = durationOf(value["timeout"], otherwise.timeout);
    return probe;
}

CountOrPercent countOrPercentOf(const Value& value, CountOrPercent otherwise) {
    if (value.isInteger()) {
        return {static_cast<int>(value.asInteger()), false};
    }
    const std::string& text = value.asString();
    if (text.empty()) {
        return otherwise;
    }
    const bool percent = text.back() == '%';
    const auto number = base::parseInteger(std::string_view(text).substr(0, text.size() - (percent ? 1 : 0)));
    return number ? CountOrPercent{static_cast<int>(*number), percent} : otherwise;
}

Source sourceOf(const Value& value) {
    if (const Value* scm = value.find("huaweiSCM")) {
        HuaweiScmSource source;
        source.region = (*scm)["region"].asString();
        source.domain = (*scm)["domain"].asString();
        source.certificateID = (*scm)["certificateID"].asString();
        source.enterpriseProjectID = (*scm)["enterpriseProjectID"].asString();
        source.projectID = (*scm)["projectID"].asString();
        source.credentialsRef = (*scm)["credentialsRef"]["name"].asString();
        source.endpoint = (*scm)["endpoint"].asString();
        return source;
    }
    return SecretSource{value["secret"]["name"].asString()};
}

NginxTarget nginxOf(const Value& value) {
    NginxTarget target;
    target.probe = probeOf(value["probe"], target.probe);
    for (const Value& item : value["hosts"].asList()) {
        NginxHost host;
        host.address = item["address"].asString();
        host.port = portOf(item["port"], host.port);
        if (const Value* probe = item.find("probe")) {
            host.probe = probeOf(*probe, target.probe);
        }
        target.hosts.push_back(std::move(host));
    }
    const Value& ssh = value["ssh"];
    target.ssh.user = textOf(ssh["user"], target.ssh.user);
    target.ssh.credentialsRef = ssh["credentialsRef"]["name"].asString();
    if (const Value* jump = ssh.find("jumpHost")) {
        target.ssh.jumpHost =
            JumpHost{(*jump)["address"].asString(), portOf((*jump)["port"], 22),
                     textOf((*jump)["user"], target.ssh.user), (*jump)["credentialsRef"]["name"].asString()};
    }
    target.sudo = value["sudo"].asBool();
    target.certificatePath = value["certificatePath"].asString();
    target.privateKeyPath = value["privateKeyPath"].asString();
    target.testCommand = textsOf(value["testCommand"], target.testCommand);
    target.reloadCommand = textsOf(value["reloadCommand"], target.reloadCommand);
    const Value& rollout = value["rollout"];
    target.rollout.canary = static_cast<int>(rollout["canary"].asInteger(target.rollout.canary));
    target.rollout.maxConcurrent = countOrPercentOf(rollout["maxConcurrent"], target.rollout.maxConcurrent);
    return target;
}

SlbListenerTarget slbListenerOf(const Value& value) {
    SlbListenerTarget target;
    target.region = value["region"].asString();
    target.loadBalancerID = value["loadBalancerID"].asString();
    if (const Value* loadBalancer = value.find("loadBalancer")) {
        target.loadBalancer = *loadBalancer;
    }
    target.port = portOf(value["port"], target.port);
    target.serverName = value["serverName"].asString();
    if (const Value* listener = value.find("listener")) {
        target.listener = *listener;
    }
    if (const Value* probe = value.find("probe")) {
        // Without a port of its own the probe goes where clients go: to the listener.
        ProbeSpec otherwise;
        otherwise.port = target.port;
        target.probe = probeOf(*probe, otherwise);
    }
    target.credentialsRef = value["credentialsRef"]["name"].asString();
    target.roleARN = value["roleARN"].asString();
    target.endpoint = value["endpoint"].asString();
    return target;
}

template <std::size_t N, typename Enum>
Enum enumOf(const std::string& word, const std::array<Enum, N>& all, Enum otherwise) {
    for (const Enum candidate : all) {
        if (toString(candidate) == word) {
            return candidate;
        }
    }
    return otherwise;
}

constexpr std::array kConditionStatuses{ConditionStatus::kTrue, ConditionStatus::kFalse, ConditionStatus::kUnknown};
constexpr std::array kEndpointStates{EndpointState::kPending, EndpointState::kDeploying, EndpointState::kInSync,
                                     EndpointState::kDrifted, EndpointState::kFailed,    EndpointState::kRolledBack};

base::WallTime timeOf(const Value& value) {
    return base::parseTime(value.asString()).value_or(base::WallTime());
}

std::optional<base::WallTime> maybeTimeOf(const Value& value) {
    return base::parseTime(value.asString());
}

Condition conditionOf(const Value& value) {
    Condition condition;
    condition.type = value["type"].asString();
    condition.status = enumOf(value["status"].asString(), kConditionStatuses, ConditionStatus::kUnknown);
    condition.reason = base::reasonFromString(value["reason"].asString()).value_or(base::Reason::kInternalError);
    condition.message = value["message"].asString();
    condition.lastTransitionTime = timeOf(value["lastTransitionTime"]);
    condition.observedGeneration = value["observedGeneration"].asInteger();
    return condition;
}

EndpointStatus endpointOf(const Value& value) {
    EndpointStatus endpoint;
    endpoint.name = value["name"].asString();
    endpoint.state = enumOf(value["state"].asString(), kEndpointStates, EndpointState::kPending);
    endpoint.reason = base::reasonFromString(value["reason"].asString());
    endpoint.deployedFingerprintSHA256 = value["deployedFingerprintSHA256"].asString();
    endpoint.servedFingerprintSHA256 = value["servedFingerprintSHA256"].asString();
    endpoint.servedNotAfter = maybeTimeOf(value["servedNotAfter"]);
    endpoint.lastDeployTime = maybeTimeOf(value["lastDeployTime"]);
    endpoint.lastTransitionTime = timeOf(value["lastTransitionTime"]);
    endpoint.message = value["message"].asString();
    return endpoint;
}

CertificateStatus certificateOf(const Value& value) {
    return {value["id"].asString(),           value["fingerprintSHA256"].asString(),
            value["serialNumber"].asString(), value["issuer"].asString(),
            textsOf(value["dnsNames"]),       timeOf(value["notBefore"]),
            timeOf(value["notAfter"])};
}

void setText(Value& object, const char* field, const std::string& text) {
    if (!text.empty()) {
        object.set(field, text);
    }
}

Value encode(const Condition& condition) {
    Value value;
    value.set("type", condition.type);
    value.set("status", toString(condition.status));
    value.set("observedGeneration", condition.observedGeneration);
    value.set("lastTransitionTime", base::formatTime(condition.lastTransitionTime));
    value.set("reason", base::toString(condition.reason));
    value.set("message", condition.message);
    return value;
}

Value encode(const EndpointStatus& endpoint) {
    Value value;
    value.set("name", endpoint.name);
    value.set("state", toString(endpoint.state));
    if (endpoint.reason) {
        value.set("reason", base::toString(*endpoint.reason));
    }
    setText(value, "deployedFingerprintSHA256", endpoint.deployedFingerprintSHA256);
    setText(value, "servedFingerprintSHA256", endpoint.servedFingerprintSHA256);
    if (endpoint.servedNotAfter) {
        value.set("servedNotAfter", base::formatTime(*endpoint.servedNotAfter));
    }
    if (endpoint.lastDeployTime) {
        value.set("lastDeployTime", base::formatTime(*endpoint.lastDeployTime));
    }
    value.set("lastTransitionTime", base::formatTime(endpoint.lastTransitionTime));
    setText(value, "message", endpoint.message);
    return value;
}

Value encode(const CertificateStatus& certificate) {
    Value value;
    setText(value, "id", certificate.id);
    value.set("fingerprintSHA256", certificate.fingerprintSHA256);
    value.set("serialNumber", certificate.serialNumber);
    value.set("issuer", certificate.issuer);
    value.set("dnsNames", List(certificate.dnsNames.begin(), certificate.dnsNames.end()));
    value.set("notBefore", base::formatTime(certificate.notBefore));
    value.set("notAfter", base::formatTime(certificate.notAfter));
    return value;
}

template <typename Items>
List encodeAll(const Items& items) {
    List list;
    for (const auto& item : items) {
        list.push_back(encode(item));
    }
    return list;
}

}  // namespace

Spec decodeSpec(const Value& value) {
    Spec spec;
    spec.source = sourceOf(value["source"]);
    if (const Value* nginx = value["target"].find("nginx")) {
        spec.target = nginxOf(*nginx);
    } else {
        spec.target = slbListenerOf(value["target"]["slbListener"]);
    }
    spec.checkInterval = durationOf(value["checkInterval"], spec.checkInterval);
    spec.trustBundleRef = value["trust"]["caBundleRef"]["name"].asString();
    spec.allowDowngrade = value["allowDowngrade"].asBool();
    spec.deletionPolicy =
        value["deletionPolicy"].asString() == "Delete" ? DeletionPolicy::kDelete : DeletionPolicy::kRetain;
    spec.suspend = value["suspend"].asBool();
    return spec;
}

Status decodeStatus(const Value& value) {
    Status status;
    status.observedGeneration = value["observedGeneration"].asInteger();
    for (const Value& item : value["conditions"].asList()) {
        status.conditions.push_back(conditionOf(item));
    }
    status.target = value["target"].asString();
    status.inSync = value["inSync"].asString();
    if (const Value* certificate = value.find("certificate")) {
        status.certificate = certificateOf(*certificate);
    }
    status.loadBalancerID = value["loadBalancerID"].asString();
    status.serverCertificateID = value["serverCertificateID"].asString();
    for (const Value& item : value["endpoints"].asList()) {
        status.endpoints.push_back(endpointOf(item));
    }
    status.lastHandledReconcileAt = value["lastHandledReconcileAt"].asString();
    return status;
}

Metadata decodeMetadata(const Value& value) {
    Metadata metadata;
    metadata.key = {value["namespace"].asString(), value["name"].asString()};
    metadata.uid = value["uid"].asString();
    metadata.resourceVersion = value["resourceVersion"].asString();
    metadata.generation = value["generation"].asInteger(1);
    metadata.creationTimestamp = maybeTimeOf(value["creationTimestamp"]);
    metadata.deletionTimestamp = maybeTimeOf(value["deletionTimestamp"]);
    metadata.labels = textMapOf(value["labels"]);
    metadata.annotations = textMapOf(value["annotations"]);
    metadata.finalizers = textsOf(value["finalizers"]);
    return metadata;
}

CertificateBinding decodeBinding(const Value& object) {
    return {decodeMetadata(object["metadata"]), decodeSpec(object["spec"]), decodeStatus(object["status"])};
}

Value encodeStatus(const Status& status) {
    Value value{document::Object{}};
    value.set("observedGeneration", status.observedGeneration);
    value.set("conditions", encodeAll(status.conditions));
    setText(value, "target", status.target);
    setText(value, "inSync", status.inSync);
    if (status.certificate) {
        value.set("certificate", encode(*status.certificate));
    }
    setText(value, "loadBalancerID", status.loadBalancerID);
    setText(value, "serverCertificateID", status.serverCertificateID);
    if (!status.endpoints.empty()) {
        value.set("endpoints", encodeAll(status.endpoints));
    }
    setText(value, "lastHandledReconcileAt", status.lastHandledReconcileAt);
    return value;
}

}  // namespace certbinder::api
