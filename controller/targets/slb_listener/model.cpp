#include "targets/slb_listener/model.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace certbinder::targets::slb {
namespace {

std::optional<base::WallTime> timeOfMilliseconds(const document::Value& value) {
    const auto milliseconds = base::parseInteger(textOf(value));
    if (!milliseconds || *milliseconds <= 0) {
        return std::nullopt;
    }
    return base::WallTime(std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(*milliseconds)));
}

std::uint16_t portOf(const document::Value& value) {
    const auto port = base::parseInteger(textOf(value));
    return port && *port > 0 && *port <= 65535 ? static_cast<std::uint16_t>(*port) : std::uint16_t{0};
}

}  // namespace

const std::string& ListenerAttributes::value(const std::string& name) const {
    static const std::string kNone;
    const auto found = values.find(name);
    return found == values.end() ? kNone : found->second;
}

const DomainExtension* ListenerAttributes::extension(std::string_view domain) const {
    const std::string wanted = base::toLower(domain);
    const auto found = std::find_if(extensions.begin(), extensions.end(),
                                    [&](const DomainExtension& extension) { return extension.domain == wanted; });
    return found == extensions.end() ? nullptr : &*found;
}

std::string textOf(const document::Value& value) {
    if (value.isString()) {
        return value.asString();
    }
    if (value.isInteger()) {
        return std::to_string(value.asInteger());
    }
    if (value.isBool()) {
        return value.asBool() ? "true" : "false";
    }
    return {};
}

const document::List& listOf(const document::Value& answer, std::string_view wrapper, std::string_view item) {
    const document::Value& outer = answer[wrapper];
    return outer.isList() ? outer.asList() : outer[item].asList();
}

std::string normalFingerprint(std::string_view fingerprint) {
    std::string normal = base::toLower(base::trim(fingerprint));
    normal.erase(std::remove(normal.begin(), normal.end(), ':'), normal.end());
    return normal;
}

ServerCertificate readCertificate(const document::Value& value) {
    ServerCertificate certificate;
    certificate.id = value["ServerCertificateId"].asString();
    certificate.name = value["ServerCertificateName"].asString();
    certificate.fingerprint = normalFingerprint(value["Fingerprint"].asString());
    certificate.notAfter = timeOfMilliseconds(value["ExpireTimeStamp"]);
    certificate.created = timeOfMilliseconds(value["CreateTimeStamp"]);
    const std::string bought = textOf(value["IsAliCloudCertificate"]);
    certificate.bought = !bought.empty() && bought != "0" && bought != "false";
    for (const document::Value& tag : listOf(value, "Tags", "Tag")) {
        certificate.tags[tag["TagKey"].asString()] = tag["TagValue"].asString();
    }
    return certificate;
}

std::optional<ListenerEntry> readListenerEntry(const document::Value& value) {
    if (base::toLower(value["ListenerProtocol"].asString()) != "https") {
        return std::nullopt;
    }
    return ListenerEntry{value["LoadBalancerId"].asString(), portOf(value["ListenerPort"]), value["Status"].asString(),
                         value["HTTPSListenerConfig"]["ServerCertificateId"].asString()};
}

LoadBalancer readLoadBalancer(const document::Value& value) {
    return {value["LoadBalancerId"].asString(), value["Address"].asString(),
            base::toLower(value["AddressType"].asString()) == "internet", value["LoadBalancerSpec"].asString()};
}

ListenerAttributes readListenerAttributes(const document::Value& answer) {
    ListenerAttributes attributes;
    attributes.status = answer["Status"].asString();
    attributes.serverCertificateID = answer["ServerCertificateId"].asString();
    for (const document::Member& member : answer.asObject()) {
        if (member.value.isString() || member.value.isInteger() || member.value.isBool()) {
            attributes.values[member.name] = textOf(member.value);
        }
    }
    for (const document::Value& extension : listOf(answer, "DomainExtensions", "DomainExtension")) {
        attributes.extensions.push_back({extension["DomainExtensionId"].asString(),
                                         base::toLower(extension["Domain"].asString()),
                                         extension["ServerCertificateId"].asString()});
    }
    return attributes;
}

}  // namespace certbinder::targets::slb
