#pragma once

#include <cstdint>
#include <string>

#include "base/call_context.h"
#include "base/expected.h"
#include "certificate/certificate_info.h"

namespace certbinder::probe {

struct Place {
    std::string address;  ///< IP literal (v6 without brackets) or host name
    std::uint16_t port = 443;
    std::string serverName;  ///< SNI; "" sends none
};

/// What a client really gets.
struct Served {
    certificate::CertificateInfo leaf;
    std::size_t chainLength = 0;
};

/// Shakes hands as a client would. Thread-safe.
class Prober {
  public:
    virtual ~Prober() = default;

    /// One full TLS handshake (never a resumed one), at least TLS 1.2, no data sent. The certificate is not judged
    /// here: what is served is compared with what should be. Reason kUnreachable: no connection, no handshake in time.
    virtual base::Expected<Served> handshake(const Place& place, const base::CallContext& context) = 0;
};

/// The SNI name to ask for a certificate by: its first concrete name; for a lone wildcard a name that it covers.
std::string probeName(const certificate::CertificateInfo& certificate);

}  // namespace certbinder::probe
