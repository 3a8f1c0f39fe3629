#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "document/value.h"

/// The service's things as certbinder needs them, and how they are read from its answers. Reading never fails: what is
/// absent or of an unknown form reads as empty, since the answers differ by year and region.
namespace certbinder::targets::slb {

/// An upload or a purchase in a region's certificate store. The service never hands out its PEM.
struct ServerCertificate {
    std::string id;  ///< opaque
    std::string name;
    std::string fingerprint;  ///< lower-case hexadecimal; SHA-1, or SHA-256 where the service changes its mind
    std::optional<base::WallTime> notAfter;
    std::optional<base::WallTime> created;
    bool bought = false;  ///< comes from the certificate management service; nobody's upload
    std::map<std::string, std::string> tags;
};

/// An HTTPS listener as the paged listing shows it.
struct ListenerEntry {
    std::string loadBalancerID;
    std::uint16_t port = 0;
    std::string status;  ///< running, stopped, or a state between: starting, stopping, configuring
    std::string serverCertificateID;
};

struct LoadBalancer {
    std::string id;
    std::string address;
    bool internet = false;  ///< whether the address is public
    std::string spec;       ///< `slb.s1.small`; "" for the old shared type, which has neither TLS policies nor SNI
};

/// An additional certificate of a listener, chosen by server name.
struct DomainExtension {
    std::string id;
    std::string domain;  ///< lower case
    std::string serverCertificateID;
};

/// Everything about one listener.
struct ListenerAttributes {
    std::string status;
    std::string serverCertificateID;
    std::map<std::string, std::string> values;  ///< all attributes that are text or number, by the service's names
    std::vector<DomainExtension> extensions;

    /// "" where there is none.
    const std::string& value(const std::string& name) const;
    const DomainExtension* extension(std::string_view domain) const;
    bool inTransition() const { return status != "running" && status != "stopped"; }
};

/// A text, number or truth value as text; "" for anything else. The service writes numbers both ways.
std::string textOf(const document::Value& value);

/// The list behind `Xs: {X: […]}` or a plain `Xs: […]`; empty where it is missing.
const document::List& listOf(const document::Value& answer, std::string_view wrapper, std::string_view item);

/// Lower case without colons.
std::string normalFingerprint(std::string_view fingerprint);

ServerCertificate readCertificate(const document::Value& value);
std::optional<ListenerEntry> readListenerEntry(const document::Value& value);  ///< nothing for other protocols
LoadBalancer readLoadBalancer(const document::Value& value);
ListenerAttributes readListenerAttributes(const document::Value& answer);

}  // namespace certbinder::targets::slb
