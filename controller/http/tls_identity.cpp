#include "http/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace certbinder::http {
namespace {

using base::Reason;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio reading(std::string_view text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

/// In place of OpenSSL's own, which would ask on the terminal.
int noPassphrase(char*, int, int, void*) {
    return -1;
}

}  // namespace

base::Expected<std::shared_ptr<const ClientCertificate>> ClientCertificate::parse(std::string_view chainPem,
                                                                                  const base::SecretBytes& keyPem) {
    constexpr std::size_t kMost = 1 << 20;  // also keeps the sizes within OpenSSL's int
    if (chainPem.size() > kMost || keyPem.size() > kMost) {
        return base::unexpected(Reason::kCredentialsInvalid, "the client certificate or its key is larger than 1 MiB");
    }
    const auto made = std::make_shared<ClientCertificate>();
    const Bio chain = reading(chainPem);
    while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, noPassphrase, nullptr)) {
        std::shared_ptr<X509> certificate(next, X509_free);
        if (made->leaf_) {
            made->chain_.push_back(std::move(certificate));
        } else {
            made->leaf_ = std::move(certificate);
        }
    }
    ERR_clear_error();
    if (!made->leaf_) {
        return base::unexpected(Reason::kCredentialsInvalid, "the client certificate holds no PEM certificate");
    }
    const Bio key = reading(keyPem.reveal());
    made->key_.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, noPassphrase, nullptr), EVP_PKEY_free);
    const bool matches = made->key_ && X509_check_private_key(made->leaf_.get(), made->key_.get()) == 1;
    ERR_clear_error();
    if (!made->key_) {
        return base::unexpected(Reason::kCredentialsInvalid,
                                "the client key cannot be read; it has to be PEM and without a passphrase");
    }
    if (!matches) {
        return base::unexpected(Reason::kCredentialsInvalid, "the client key is not that of the client certificate");
    }
    return std::shared_ptr<const ClientCertificate>(made);
}

}  // namespace certbinder::http
