#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::certificate {

/// What a PEM text may measure; checked before anything of it is decoded.
struct PemLimits {
    std::size_t bytes = std::size_t{512} * 1024;
    std::size_t blocks = 64;
};

/// One `-----BEGIN x-----` … `-----END x-----`. A view into the text that it was found in.
struct PemBlock {
    std::string_view label;  ///< `CERTIFICATE`, `RSA PRIVATE KEY`, …
    std::string_view body;   ///< between the two lines, headers included, undecoded
    std::size_t line = 0;    ///< of BEGIN, counted from 1
};

/// Finds the blocks of a text wherever they stand in it: behind a BOM, indented, glued to the END of the one before,
/// with lines ended by LF, CRLF or CR. OpenSSL's own reader wants each at the start of a line, and fails without a word
/// of why. `what` names the text in messages. Reason kInvalidCertificate: too long, too many, cut off, no block at all.
base::Expected<std::vector<PemBlock>> splitPem(std::string_view text, std::string_view what, PemLimits limits);

/// The DER of a block. Reason kInvalidCertificate: not base64, empty.
base::Expected<base::SecretBytes> decodePem(const PemBlock& block, std::string_view what);

/// Whether the block's headers say that it is encrypted (`Proc-Type: 4,ENCRYPTED`).
bool saysEncrypted(const PemBlock& block);

}  // namespace certbinder::certificate
