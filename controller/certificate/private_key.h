#pragma once

#include "base/expected.h"
#include "base/secret_bytes.h"
#include "certificate/openssl.h"

namespace certbinder::certificate {

/// The one private key of a PEM text, of a kind that can serve TLS. Never asks for a passphrase. Reasons:
/// kKeyNotExportable (nothing there), kInvalidCertificate (no key, several, encrypted, SM2, unreadable).
base::Expected<KeyPtr> parseKey(const base::SecretBytes& pem);

/// Whether the private half really belongs to the public half; a key damaged in its private half matches its
/// certificate all the same, and would fail at the first handshake.
bool signsAsItself(EVP_PKEY* key);

enum class KeyForm { kPkcs8, kTraditional };

/// Unencrypted PEM, 64 columns. Reason kInvalidCertificate: OpenSSL cannot write it in that form.
base::Expected<base::SecretBytes> writeKey(const EVP_PKEY* key, KeyForm form);

}  // namespace certbinder::certificate
