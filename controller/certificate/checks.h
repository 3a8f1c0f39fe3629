#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "certificate/bundle.h"

namespace certbinder::certificate {

/// Whether one of the certificate's DNS names (or IP addresses) covers `name`: exact, or `*.` for exactly one label
/// (RFC 6125 6.4.3); case and a trailing dot do not count; the common name never does. A wildcard `name` is covered
/// only by itself.
bool covers(const CertificateInfo& certificate, std::string_view name);

/// Whether `candidate` is older than `present`: both of its dates are earlier (design, small print).
bool isOlder(const CertificateInfo& candidate, const CertificateInfo& present);

/// Each check returns what is wrong, or nothing.
std::optional<base::Error> checkDates(const CertificateInfo& certificate, base::WallTime now);
std::optional<base::Error> checkNames(const CertificateInfo& certificate, const std::vector<std::string>& names);
/// The chain must lead to a certificate of `caPem` (an intermediate will do) for the purpose of a TLS server.
std::optional<base::Error> checkTrust(const Bundle& bundle, std::string_view caPem, base::WallTime now);

}  // namespace certbinder::certificate
