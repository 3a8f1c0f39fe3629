#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/secret_bytes.h"

struct evp_pkey_st;
struct x509_st;

namespace certbinder::http {

/// A client certificate with its chain and key, read and found to belong together. Immutable and thread-safe; the key
/// is wiped with the last reference.
class ClientCertificate {
  public:
    /// Fails with kCredentialsInvalid: no certificate, no key, a key that needs a passphrase, or one of another
    /// certificate. Messages hold nothing of the key.
    static base::Expected<std::shared_ptr<const ClientCertificate>> parse(std::string_view chainPem,
                                                                          const base::SecretBytes& keyPem);

    x509_st* leaf() const { return leaf_.get(); }
    const std::vector<std::shared_ptr<x509_st>>& chain() const { return chain_; }  ///< without the leaf
    evp_pkey_st* key() const { return key_.get(); }

  private:
    std::shared_ptr<x509_st> leaf_;
    std::vector<std::shared_ptr<x509_st>> chain_;
    std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace certbinder::http
