#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/secret_bytes.h"
#include "certificate/certificate_info.h"

namespace certbinder::certificate {

/// A certificate that is ready to be deployed: leaf first, chain linked, key matching. Immutable once made; share it as
/// `shared_ptr<const Bundle>`.
struct Bundle {
    CertificateInfo leaf;
    std::string chainPem;         ///< leaf, then intermediates; 64 columns, one newline between blocks and at the end
    std::size_t chainLength = 0;  ///< certificates in chainPem
    base::SecretBytes keyPem;     ///< PKCS#8, unencrypted
    bool rsa = false;             ///< whether the key is RSA, the only kind that classic SLB takes
};

/// Of a certificate file or a key; more is refused unread.
inline constexpr std::size_t kMostPemBytes = std::size_t{512} * 1024;
inline constexpr std::size_t kMostPemBlocks = 64;  ///< in it; likewise

/// Puts order into what people and clouds hand over, or says what is wrong with it. Takes PEM with a BOM, CRLF, blank
/// or missing lines, text around and between blocks, blocks in any order, the key as PKCS#1, PKCS#8 or SEC1 (also
/// behind EC PARAMETERS). The leaf is the certificate that the key belongs to; the chain is linked by issuer and
/// signature from it; doubles, a self-signed root, intermediates not valid at `now` and strangers are dropped. Of
/// several certificates for the key a valid one wins, then one of an authority over a self-signed one, then the newest.
/// An intermediate that is missing is no error here (checkTrust tells); neither are the leaf's dates (checkDates).
/// Reasons: kInvalidCertificate (nothing that parses, too much of it, a key that is encrypted or cannot serve TLS),
/// kKeyMismatch (also: a damaged key), kKeyNotExportable (no key at all).
base::Expected<Bundle> makeBundle(std::string_view certificatePem, const base::SecretBytes& keyPem, base::WallTime now);

/// The certificates of a PEM text without a key, in the order of the text. Reason kInvalidCertificate.
base::Expected<std::vector<CertificateInfo>> readCertificates(std::string_view pem);
base::Expected<CertificateInfo> readCertificateDer(std::string_view der);

/// The key as `BEGIN RSA PRIVATE KEY`, as classic SLB wants it. Reason kInvalidCertificate for other kinds.
base::Expected<base::SecretBytes> toPkcs1Pem(const Bundle& bundle);

}  // namespace certbinder::certificate
