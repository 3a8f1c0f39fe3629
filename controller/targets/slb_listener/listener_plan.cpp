#include "targets/slb_listener/listener_plan.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time_text.h"
#include "http/url.h"

namespace certbinder::targets::slb {
namespace {

using base::Error;
using base::Reason;
using certificate::CertificateInfo;
using document::Value;

constexpr std::size_t kSha1Digits = 40;
constexpr std::size_t kSha256Digits = 64;

// Sent back whenever they are there.
constexpr std::array kAlways{
    "Bandwidth",
    "Scheduler",
    "Description",
    "StickySession",
    "HealthCheck",
    "CACertificateId",
    "XForwardedFor",
    "XForwardedFor_SLBIP",
    "XForwardedFor_SLBID",
    "XForwardedFor_proto",
    "XForwardedFor_SLBPORT",
    "XForwardedFor_ClientSrcPort",
    "XForwardedFor_ClientCertSubjectDN",
    "XForwardedFor_ClientCertIssuerDN",
    "XForwardedFor_ClientCertFingerprint",
    "XForwardedFor_ClientCertClientVerify",
    "Gzip",
    "EnableHttp2",
    "TLSCipherPolicy",
    "IdleTimeout",
    "RequestTimeout",
    "AclStatus",
};

// Only with HealthCheck on.
constexpr std::array kHealth{
    "HealthCheckDomain",  "HealthCheckURI",      "HealthCheckMethod", "HealthCheckHttpCode", "HealthCheckConnectPort",
    "HealthCheckTimeout", "HealthCheckInterval", "HealthyThreshold",  "UnhealthyThreshold",
};

bool isDigits(std::string_view text, std::size_t length) {
    return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <typename Names>
void take(const ListenerAttributes& from, const Names& names, std::map<std::string, std::string>& into) {
    for (const char* name : names) {
        const std::string& value = from.value(name);
        if (!value.empty()) {
            into[name] = value;
        }
    }
}

bool isHostName(std::string_view name) {
    if (name.empty() || name.size() > 253) {
        return false;
    }
    for (const std::string& label : base::split(name, '.')) {
        const bool fine =
            !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
            std::all_of(label.begin(), label.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
            });
        if (!fine) {
            return false;
        }
    }
    return true;
}

// The region becomes part of a host name: nothing in it may lead to another host.
bool isWord(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

const char* onOff(bool on) {
    return on ? "on" : "off";
}

Error fieldError(const std::string& field, const std::string& what) {
    return Error(Reason::kInvalidSpec, "spec.target.slbListener." + field + ": " + what);
}

/// Copies fields of the `listener` block to parameters of the service.
class Fields {
  public:
    Fields(const Value& from, Parameters& to) : from_(from), to_(to) {}

    void copy(std::string_view field, const char* parameter) const {
        std::string text = textOf(from_[field]);
        if (!text.empty()) {
            to_.set(parameter, text);
        }
    }
    void copySwitch(std::string_view field, const char* parameter) const {
        if (from_[field].isBool()) {
            to_.set(parameter, onOff(from_[field].asBool()));
        }
    }

    void copyList(std::string_view field, const char* parameter) const {
        std::vector<std::string> items;
        for (const Value& item : from_[field].asList()) {
            items.push_back(textOf(item));
        }
        if (!items.empty()) {
            to_.set(parameter, base::join(items, ","));
        }
    }

  private:
    const Value& from_;
    Parameters& to_;
};

void addHealthCheck(const Value& check, Parameters& parameters) {
    const bool enabled = check["enabled"].asBool();
    parameters.set("HealthCheck", onOff(enabled));
    if (!enabled) {
        return;
    }
    const Fields fields(check, parameters);
    fields.copy("domain", "HealthCheckDomain");
    fields.copy("uri", "HealthCheckURI");
    fields.copy("method", "HealthCheckMethod");
    fields.copyList("httpCodes", "HealthCheckHttpCode");
    fields.copy("connectPort", "HealthCheckConnectPort");
    fields.copy("healthyThreshold", "HealthyThreshold");
    fields.copy("unhealthyThreshold", "UnhealthyThreshold");
    fields.copy("timeout", "HealthCheckTimeout");
    fields.copy("interval", "HealthCheckInterval");
}

std::optional<Error> addStickySession(const Value& sticky, Parameters& parameters) {
    const bool enabled = sticky["enabled"].asBool();
    parameters.set("StickySession", onOff(enabled));
    if (!enabled) {
        return std::nullopt;
    }
    const Fields fields(sticky, parameters);
    fields.copy("type", "StickySessionType");
    fields.copy("cookieTimeout", "CookieTimeout");
    fields.copy("cookie", "Cookie");
    if (!parameters.has("StickySessionType")) {
        parameters.set("StickySessionType", parameters.has("Cookie") ? "server" : "insert");
    }
    const bool inserted = parameters.get("StickySessionType") == "insert";
    if (inserted && !parameters.has("CookieTimeout")) {
        return fieldError("listener.stickySession", "type insert needs cookieTimeout, in seconds");
    }
    if (!inserted && !parameters.has("Cookie")) {
        return fieldError("listener.stickySession", "type server needs cookie, the name of the server's cookie");
    }
    return std::nullopt;
}

}  // namespace

std::string uploadName(const CertificateInfo& certificate) {
    return "certbinder-" + certificate.fingerprintSHA256.substr(0, 16);
}

std::map<std::string, std::string> uploadTags(const CertificateInfo& certificate) {
    return {{kManagedTag, "true"},
            {kFingerprintTag, certificate.fingerprintSHA256},
            {kNotBeforeTag, base::formatTime(certificate.notBefore)}};
}

bool isUploadOf(const ServerCertificate& entry, const CertificateInfo& certificate) {
    return !entry.fingerprint.empty() &&
           (entry.fingerprint == certificate.fingerprintSHA1 || entry.fingerprint == certificate.fingerprintSHA256);
}

const ServerCertificate* findUpload(const std::vector<ServerCertificate>& store, const CertificateInfo& wanted,
                                    const std::string& inUse) {
    const auto rank = [&](const ServerCertificate& entry) {
        if (!inUse.empty() && entry.id == inUse) {
            return 0;
        }
        return entry.tags.contains(kManagedTag) ? 1 : 2;
    };
    const ServerCertificate* best = nullptr;
    for (const ServerCertificate& entry : store) {
        const bool usable = isUploadOf(entry, wanted) && (!entry.bought || rank(entry) == 0);
        if (usable &&
            (best == nullptr || std::pair(rank(entry), entry.created) < std::pair(rank(*best), best->created))) {
            best = &entry;
        }
    }
    return best;
}

Held heldOf(const ServerCertificate& entry, const CertificateInfo& wanted) {
    if (isUploadOf(entry, wanted)) {
        return Held::of(wanted);
    }
    Held held;
    if (isDigits(entry.fingerprint, kSha1Digits)) {
        held.fingerprintSHA1 = entry.fingerprint;
    } else if (isDigits(entry.fingerprint, kSha256Digits)) {
        held.fingerprintSHA256 = entry.fingerprint;
    }
    held.notBefore = entry.created;
    held.notAfter = entry.notAfter;
    if (entry.tags.contains(kManagedTag)) {
        const auto fingerprint = entry.tags.find(kFingerprintTag);
        // Tags can be edited; one that contradicts the service's own fingerprint is not believed.
        if (held.fingerprintSHA256.empty() && fingerprint != entry.tags.end() &&
            isDigits(fingerprint->second, kSha256Digits) && fingerprint->second != wanted.fingerprintSHA256) {
            held.fingerprintSHA256 = fingerprint->second;
        }
        const auto notBefore = entry.tags.find(kNotBeforeTag);
        if (notBefore != entry.tags.end()) {
            if (const auto time = base::parseTime(notBefore->second)) {
                held.notBefore = time;
            }
        }
    }
    return held;
}

std::map<std::string, std::string> settingsOf(const ListenerAttributes& attributes) {
    std::map<std::string, std::string> settings;
    take(attributes, kAlways, settings);
    if (attributes.value("StickySession") == "on") {
        const bool inserted = attributes.value("StickySessionType") != "server";
        take(attributes, std::array{"StickySessionType", inserted ? "CookieTimeout" : "Cookie"}, settings);
    }
    if (attributes.value("HealthCheck") == "on") {
        take(attributes, kHealth, settings);
        // "The backend's port" is described by a number that Set does not take.
        const auto port = base::parseInteger(attributes.value("HealthCheckConnectPort"));
        if (!port || *port < 1) {
            settings.erase("HealthCheckConnectPort");
        }
    }
    if (attributes.value("AclStatus") == "on") {
        take(attributes, std::array{"AclType", "AclId"}, settings);
    }
    if (!attributes.value("VServerGroupId").empty()) {
        settings["VServerGroup"] = "on";
        settings["VServerGroupId"] = attributes.value("VServerGroupId");
    }
    return settings;
}

Parameters setParameters(const std::string& loadBalancerID, std::uint16_t port, const ListenerAttributes& now,
                         const std::string& balancerSpec, const std::string& certificateID) {
    Parameters parameters;
    for (const auto& [name, value] : settingsOf(now)) {
        parameters.set(name, value);
    }
    if (balancerSpec.empty()) {
        parameters.remove("TLSCipherPolicy");
    }
    parameters.set("LoadBalancerId", loadBalancerID)
        .set("ListenerPort", std::to_string(port))
        .set("ServerCertificateId", certificateID);
    return parameters;
}

std::vector<std::string> differences(const ListenerAttributes& before, const ListenerAttributes& after) {
    std::map<std::string, std::string> was = settingsOf(before);
    std::map<std::string, std::string> is = settingsOf(after);
    was["BackendServerPort"] = before.value("BackendServerPort");
    is["BackendServerPort"] = after.value("BackendServerPort");
    std::vector<std::string> found;
    for (const auto& [name, value] : was) {
        const auto now = is.find(name);
        const std::string text = now == is.end() ? "" : now->second;
        if (text != value) {
            found.push_back(name + " was \"" + base::printable(value, 100) + "\" and is \"" +
                            base::printable(text, 100) + "\"");
        }
    }
    for (const auto& [name, value] : is) {
        if (!was.contains(name)) {
            found.push_back(name + " was not set and is \"" + base::printable(value, 100) + "\"");
        }
    }
    return found;
}

base::Expected<Parameters> createParameters(const api::SlbListenerTarget& target, const std::string& balancerSpec,
                                            const std::string& certificateID) {
    if (!target.listener) {
        return base::unexpected(
            fieldError("listener", "there is no such block, so a missing listener cannot be created"));
    }
    const Value& listener = *target.listener;
    Parameters parameters;
    parameters.set("LoadBalancerId", target.loadBalancerID)
        .set("ListenerPort", std::to_string(target.port))
        .set("ServerCertificateId", certificateID)
        .set("Bandwidth", "-1");  // required by the service: no limit of the listener's own
    const Fields fields(listener, parameters);
    fields.copy("backendServerPort", "BackendServerPort");
    fields.copy("vServerGroupID", "VServerGroupId");
    fields.copy("bandwidth", "Bandwidth");
    fields.copy("scheduler", "Scheduler");
    fields.copy("description", "Description");
    fields.copy("tlsCipherPolicy", "TLSCipherPolicy");
    fields.copy("idleTimeout", "IdleTimeout");
    fields.copy("requestTimeout", "RequestTimeout");
    fields.copySwitch("http2", "EnableHttp2");
    fields.copySwitch("gzip", "Gzip");
    fields.copy("caCertificateID", "CACertificateId");
    const Fields headers(listener["xForwardedFor"], parameters);
    headers.copySwitch("slbIP", "XForwardedFor_SLBIP");
    headers.copySwitch("slbID", "XForwardedFor_SLBID");
    headers.copySwitch("slbPort", "XForwardedFor_SLBPORT");
    headers.copySwitch("proto", "XForwardedFor_proto");
    headers.copySwitch("clientSourcePort", "XForwardedFor_ClientSrcPort");
    if (!parameters.has("BackendServerPort") && !parameters.has("VServerGroupId")) {
        return base::unexpected(fieldError("listener", "backendServerPort is needed, or a vServerGroupID"));
    }
    if (balancerSpec.empty()) {
        parameters.remove("TLSCipherPolicy");
    }
    addHealthCheck(listener["healthCheck"], parameters);
    if (auto error = addStickySession(listener["stickySession"], parameters)) {
        return base::unexpected(std::move(*error));
    }
    return parameters;
}

std::optional<probe::Place> probePlace(const api::SlbListenerTarget& target, const std::string& publicAddress,
                                       const CertificateInfo& wanted) {
    const api::ProbeSpec* spec = target.probe ? &*target.probe : nullptr;
    if (spec != nullptr && !spec->enabled) {
        return std::nullopt;
    }
    probe::Place place;
    place.address = spec != nullptr && !spec->address.empty() ? spec->address : publicAddress;
    if (place.address.empty()) {
        return std::nullopt;
    }
    place.port = spec != nullptr ? spec->port : target.port;
    if (spec != nullptr && !spec->serverName.empty()) {
        place.serverName = spec->serverName;
    } else if (!target.serverName.empty()) {
        CertificateInfo named;  // a wildcard is no name that a client asks for; this finds one that it covers
        named.dnsNames = {target.serverName};
        place.serverName = probe::probeName(named);
    } else {
        place.serverName = probe::probeName(wanted);
    }
    return place;
}

std::optional<Error> checkTarget(const api::SlbListenerTarget& target) {
    if (target.loadBalancer) {
        return fieldError("loadBalancer",
                          "this version serves load balancers that exist; create it and name it by loadBalancerID");
    }
    if (!target.roleARN.empty()) {
        return fieldError("roleARN",
                          "this version logs in with the keys of credentialsRef alone; let it name a RAM "
                          "user's access key, or temporary keys with a securityToken, and leave roleARN out");
    }
    if (!isWord(target.loadBalancerID)) {
        return fieldError("loadBalancerID", "the id of a load balancer is needed, such as lb-bp1b6c719dfa08ex");
    }
    if (!isWord(target.region)) {
        return fieldError("region", "the id of a region is needed, such as cn-zhangjiakou");
    }
    if (!target.serverName.empty()) {
        const std::string_view name = target.serverName;
        if (!isHostName(name.substr(0, 2) == "*." ? name.substr(2) : name)) {
            return fieldError("serverName",
                              "\"" + base::printable(name, 100) +
                                  "\" is no host name; give one such as shop.example.com or *.example.com, "
                                  "or none for the listener's default certificate");
        }
    }
    if (!target.endpoint.empty()) {
        if (auto error = http::checkEndpoint(target.endpoint)) {
            return std::move(*error).in("spec.target.slbListener.endpoint");
        }
    }
    if (target.listener) {
        if (auto parameters = createParameters(target, "", ""); !parameters) {
            return std::move(parameters.error());
        }
    }
    if (target.credentialsRef.empty()) {
        return Error(Reason::kCredentialsNotFound,
                     "spec.target.slbListener.credentialsRef is missing: name a Secret with the keys accessKeyID and "
                     "accessKeySecret");
    }
    return std::nullopt;
}

std::string endpointURL(const api::SlbListenerTarget& target) {
    constexpr std::array<std::string_view, 5> kCentral{"cn-hangzhou-finance", "cn-shanghai-finance-1",
                                                       "cn-shenzhen-finance-1", "cn-north-2-gov-1", "cn-beijing-gov-1"};
    std::string url = target.endpoint;
    if (url.empty()) {
        const bool central = std::find(kCentral.begin(), kCentral.end(), target.region) != kCentral.end();
        url = central ? "https://slb.aliyuncs.com" : "https://slb." + target.region + ".aliyuncs.com";
    }
    return !url.empty() && url.back() == '/' ? url : url + "/";
}

}  // namespace certbinder::targets::slb
