#pragma once

// Certificates and keys made on the spot, so that tests hold no private key and nothing in them expires.
// A program that uses this compiles support/test_pki.cpp and links OpenSSL::Crypto.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/secret_bytes.h"

struct evp_pkey_st;
struct x509_st;

namespace certbinder::test {

enum class KeyKind { kRsa2048, kRsa1024, kP256, kP384, kEd25519, kSm2, kX25519 };

enum class KeyFormat {
    kPkcs8,                 ///< PRIVATE KEY
    kTraditional,           ///< RSA PRIVATE KEY (PKCS#1) or EC PRIVATE KEY (SEC1)
    kSec1WithParameters,    ///< EC PARAMETERS, then EC PRIVATE KEY, as `openssl ecparam -genkey` writes it
    kEncryptedPkcs8,        ///< ENCRYPTED PRIVATE KEY
    kEncryptedTraditional,  ///< with Proc-Type and DEK-Info
};

/// A private key. Copies share it.
class Key {
  public:
    /// A new key; an RSA key, which takes long to make, is made once for each `number` and process.
    static Key make(KeyKind kind, int number = 0);

    std::string pem(KeyFormat format = KeyFormat::kPkcs8) const;
    base::SecretBytes secret(KeyFormat format = KeyFormat::kPkcs8) const;
    evp_pkey_st* handle() const { return handle_.get(); }

  private:
    std::shared_ptr<evp_pkey_st> handle_;
};

/// The moment that test certificates are valid around: 2026-01-01T00:00:00Z.
base::WallTime pkiNow();

struct Request {
    std::string commonName;              ///< also UTF-8; "" leaves the subject empty
    std::vector<std::string> names;      ///< DNS names; bytes as they are, a NUL included
    std::vector<std::string> addresses;  ///< IP literals
    base::WallTime notBefore = pkiNow() - std::chrono::days(10);
    base::WallTime notAfter = pkiNow() + std::chrono::days(80);
    bool authority = false;
    bool forServers = true;  ///< extended key usage serverAuth rather than clientAuth; of no weight for an authority
};

/// A certificate with its key. Copies share both.
class Certificate {
  public:
    /// Signed by its own key.
    static Certificate selfSigned(const Request& request, const Key& key = Key::make(KeyKind::kP256));
    /// Signed by this one's key, in this one's name.
    Certificate issue(const Request& request, const Key& key = Key::make(KeyKind::kP256)) const;

    std::string pem() const;
    std::string der() const;
    const Key& key() const { return key_; }
    x509_st* handle() const { return handle_.get(); }

  private:
    static Certificate make(const Request& request, const Key& key, const Certificate* issuer);

    Key key_;
    std::shared_ptr<x509_st> handle_;
};

/// A root, an intermediate and a leaf for `name`: what most tests need.
struct Chain {
    Certificate root;
    Certificate intermediate;
    Certificate leaf;
};
Chain makeChain(const std::string& name, KeyKind leafKey = KeyKind::kP256);

/// PEM of `der` under a label, in lines of 64 columns.
std::string toPem(const std::string& label, const std::string& der);

}  // namespace certbinder::test
