#pragma once

#include <string>

#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::ssh {

/// A private key fit to be handed to libssh2.
struct PrivateKey {
    base::SecretBytes text;        ///< the key's PEM block with Unix line ends
    base::SecretBytes passphrase;  ///< ends in a NUL byte, as C functions want it; just that where there is none
    std::string type;              ///< `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    bool encrypted = false;
};

/// Looks at a key before a host sees it: OpenSSH's format, PKCS#1, SEC1 and PKCS#8, each encrypted or not; Windows line
/// ends, blanks around it and a missing last line end are mended. One line end after the passphrase is not part of it.
/// Fails with kCredentialsInvalid in words that hold nothing of the key. Whether the passphrase of a key in OpenSSH's
/// format is right shows only when it is used.
base::Expected<PrivateKey> readPrivateKey(const base::SecretBytes& secret, const base::SecretBytes* passphrase);

/// A secret without the line end that editors and `echo` leave behind it, and with the NUL byte that C functions want.
/// Fails for a NUL byte inside.
base::Expected<base::SecretBytes> asCString(const base::SecretBytes& secret, const char* name);

}  // namespace certbinder::ssh
