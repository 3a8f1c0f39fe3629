#pragma once

// Handles of OpenSSL and the view of its certificates that the folders next to this one share. For .cpp files only, so
// that nobody who just wants to know a certificate's dates compiles OpenSSL's headers.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "certificate/certificate_info.h"
#include "certificate/pem.h"

namespace certbinder::certificate {

template <auto F>
struct FreeWith {
    template <typename T>
    void operator()(T* handle) const {
        F(handle);
    }
};

using X509Ptr = std::unique_ptr<X509, FreeWith<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreeWith<PKCS8_PRIV_KEY_INFO_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using StorePtr = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

/// Frees the stack alone; its certificates have other owners.
struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using X509StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;

/// OpenSSL keeps errors in a queue per thread, and one that is left there is taken for the next call's. Empties the
/// queue when it comes into being and when it goes.
class ErrorQueue {
  public:
    ErrorQueue() { ERR_clear_error(); }
    ~ErrorQueue() { ERR_clear_error(); }
    ErrorQueue(const ErrorQueue&) = delete;
    ErrorQueue& operator=(const ErrorQueue&) = delete;

    /// The first error's words: those after it say only through which layers it went.
    std::string reason() const {
        const char* words = ERR_reason_error_string(ERR_peek_error());
        return words != nullptr ? words : "no further reason given";
    }
};

/// What is known of a parsed certificate. Reason kInvalidCertificate: a name with a NUL in it (made to be read as
/// another name by those who stop there), a date or a list of names that cannot be read.
base::Expected<CertificateInfo> infoOf(X509* certificate);

/// A parsed certificate and what is known of it.
struct Member {
    X509Ptr x509;
    CertificateInfo info;
};

/// All certificates of a PEM text in its order, at least one; other blocks are passed over. `what` names the text in
/// messages ("the certificate", "the CA bundle"). Reason kInvalidCertificate.
base::Expected<std::vector<Member>> parseCertificates(std::string_view pem, std::string_view what, PemLimits limits);

/// `RSA 2048`, `EC P-256`, `Ed25519`; `unknown` for null.
std::string describeKey(const EVP_PKEY* key);

}  // namespace certbinder::certificate
