#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret_bytes.h"

namespace certbinder::base {

std::string sha256(std::string_view bytes);  ///< 32 raw bytes
std::string sha1(std::string_view bytes);    ///< 20 raw bytes; an identifier of certificates, never a proof
std::string hmacSha256(const SecretBytes& key, std::string_view bytes);
std::string hmacSha1(const SecretBytes& key, std::string_view bytes);

std::string toHex(std::string_view bytes);  ///< lower case
std::string toBase64(std::string_view bytes);
/// Strict RFC 4648 with padding; white space between characters is passed over, as in a Secret's wrapped lines.
std::optional<SecretBytes> fromBase64(std::string_view text);

}  // namespace certbinder::base
