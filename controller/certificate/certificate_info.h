#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace certbinder::certificate {

/// What is known of a certificate without its key. Fingerprints are of the DER, lower-case hexadecimal without colons.
struct CertificateInfo {
    std::string fingerprintSHA256;
    std::string fingerprintSHA1;  ///< an identifier of the clouds' listings, never a proof
    std::string serialNumber;     ///< upper-case hexadecimal
    std::string subject;          ///< RFC 2253
    std::string commonName;       ///< "" where there is none
    std::string issuer;           ///< RFC 2253
    std::vector<std::string> dnsNames;
    std::vector<std::string> ipAddresses;
    base::WallTime notBefore;
    base::WallTime notAfter;
    std::string key;  ///< `RSA 2048`, `EC P-256`, `Ed25519`
};

}  // namespace certbinder::certificate
