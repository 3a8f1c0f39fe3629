#include "support/test_pki.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "base/digest.h"

namespace certbinder::test {
namespace {

void pkiNeeds(bool done, const char* what) {
    if (!done) {
        throw std::runtime_error(std::string("the test PKI failed: ") + what);
    }
}

EVP_PKEY* generate(KeyKind kind) {
    switch (kind) {
        case KeyKind::kRsa2048:
            return EVP_RSA_gen(2048);
        case KeyKind::kRsa1024:
            return EVP_RSA_gen(1024);
        case KeyKind::kP256:
            return EVP_EC_gen("P-256");
        case KeyKind::kP384:
            return EVP_EC_gen("P-384");
        case KeyKind::kEd25519:
            return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
        case KeyKind::kSm2:
            return EVP_PKEY_Q_keygen(nullptr, nullptr, "SM2");
        case KeyKind::kX25519:
            return EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519");
    }
    return nullptr;
}

std::shared_ptr<EVP_PKEY> owned(EVP_PKEY* key) {
    pkiNeeds(key != nullptr, "making a key");
    return {key, EVP_PKEY_free};
}

std::string written(const std::function<int(BIO*)>& write) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    pkiNeeds(write(bio.get()) == 1, "writing PEM");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

void addExtension(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    pkiNeeds(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "adding an extension");
    X509_EXTENSION_free(extension);
}

/// Not through OpenSSL's configuration syntax, which cannot say a NUL or a comma.
void addNames(X509* certificate, const Request& request) {
    if (request.names.empty() && request.addresses.empty()) {
        return;
    }
    GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
    for (const std::string& text : request.names) {
        ASN1_IA5STRING* value = ASN1_IA5STRING_new();
        ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
        GENERAL_NAME* name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        sk_GENERAL_NAME_push(names, name);
    }
    for (const std::string& text : request.addresses) {
        GENERAL_NAME* name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, GEN_IPADD, a2i_IPADDRESS(text.c_str()));
        sk_GENERAL_NAME_push(names, name);
    }
    pkiNeeds(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1, "adding names");
    GENERAL_NAMES_free(names);
}

void setDates(X509* certificate, const Request& request) {
    pkiNeeds(ASN1_TIME_set(X509_getm_notBefore(certificate), request.notBefore.time_since_epoch().count()) != nullptr &&
                 ASN1_TIME_set(X509_getm_notAfter(certificate), request.notAfter.time_since_epoch().count()) != nullptr,
             "setting the dates");
}

void setSubject(X509* certificate, const std::string& commonName) {
    if (!commonName.empty()) {
        pkiNeeds(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                            reinterpret_cast<const unsigned char*>(commonName.data()),
                                            static_cast<int>(commonName.size()), -1, 0) == 1,
                 "setting the subject");
    }
}

}  // namespace

Key Key::make(KeyKind kind, int number) {
    Key key;
    if (kind != KeyKind::kRsa2048 && kind != KeyKind::kRsa1024) {
        key.handle_ = owned(generate(kind));
        return key;
    }
    static std::mutex mutex;
    static std::map<std::pair<KeyKind, int>, std::shared_ptr<EVP_PKEY>> made;
    const std::lock_guard lock(mutex);
    auto& handle = made[{kind, number}];
    if (!handle) {
        handle = owned(generate(kind));
    }
    key.handle_ = handle;
    return key;
}

std::string Key::pem(KeyFormat format) const {
    EVP_PKEY* key = handle_.get();
    char passphrase[] = "passphrase";
    auto* pass = reinterpret_cast<unsigned char*>(passphrase);
    constexpr int kPassphraseSize = sizeof(passphrase) - 1;
    const auto traditional = [&](const EVP_CIPHER* cipher) {
        return written([&](BIO* bio) {
            return PEM_write_bio_PrivateKey_traditional(bio, key, cipher, pass, cipher != nullptr ? kPassphraseSize : 0,
                                                        nullptr, nullptr);
        });
    };
    switch (format) {
        case KeyFormat::kPkcs8:
            return written([&](BIO* bio) {
                return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
            });
        case KeyFormat::kTraditional:
            return traditional(nullptr);
        case KeyFormat::kSec1WithParameters:
            return written([&](BIO* bio) { return PEM_write_bio_Parameters(bio, key); }) + traditional(nullptr);
        case KeyFormat::kEncryptedPkcs8:
            return written([&](BIO* bio) {
                return PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), passphrase, kPassphraseSize, nullptr,
                                                     nullptr);
            });
        case KeyFormat::kEncryptedTraditional:
            return traditional(EVP_aes_256_cbc());
    }
    return {};
}

base::SecretBytes Key::secret(KeyFormat format) const {
    return base::SecretBytes(pem(format));
}

base::WallTime pkiNow() {
    return std::chrono::sys_days(
        std::chrono::year_month_day(std::chrono::year(2026), std::chrono::January, std::chrono::day(1)));
}

Certificate Certificate::make(const Request& request, const Key& key, const Certificate* issuer) {
    static std::atomic<long> serial{0x0A10};
    Certificate certificate;
    certificate.key_ = key;
    certificate.handle_ = {X509_new(), X509_free};
    X509* handle = certificate.handle_.get();
    X509_set_version(handle, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(handle), serial++);
    setDates(handle, request);
    setSubject(handle, request.commonName);
    X509_set_issuer_name(handle, X509_get_subject_name(issuer != nullptr ? issuer->handle() : handle));
    pkiNeeds(X509_set_pubkey(handle, key.handle()) == 1, "setting the key");
    if (request.authority) {
        addExtension(handle, NID_basic_constraints, "critical,CA:TRUE");
        addExtension(handle, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        addExtension(handle, NID_ext_key_usage, request.forServers ? "serverAuth" : "clientAuth");
    }
    addNames(handle, request);
    EVP_PKEY* signer = issuer != nullptr ? issuer->key().handle() : key.handle();
    const bool hasOwnDigest = EVP_PKEY_is_a(signer, "ED25519") == 1;
    pkiNeeds(X509_sign(handle, signer, hasOwnDigest ? nullptr : EVP_sha256()) > 0, "signing");
    return certificate;
}

Certificate Certificate::selfSigned(const Request& request, const Key& key) {
    return make(request, key, nullptr);
}

Certificate Certificate::issue(const Request& request, const Key& key) const {
    return make(request, key, this);
}

std::string Certificate::pem() const {
    return written([&](BIO* bio) { return PEM_write_bio_X509(bio, handle_.get()); });
}

std::string Certificate::der() const {
    std::string der(static_cast<std::size_t>(i2d_X509(handle_.get(), nullptr)), '\0');
    auto* at = reinterpret_cast<unsigned char*>(der.data());
    pkiNeeds(i2d_X509(handle_.get(), &at) > 0, "encoding a certificate");
    return der;
}

Chain makeChain(const std::string& name, KeyKind leafKey) {
    Request authority;
    authority.authority = true;
    authority.notBefore = pkiNow() - std::chrono::days(1000);
    authority.notAfter = pkiNow() + std::chrono::days(1000);
    authority.commonName = "Test Root";
    const Certificate root = Certificate::selfSigned(authority);
    authority.commonName = "Test Intermediate";
    const Certificate intermediate = root.issue(authority);
    Request leaf;
    leaf.commonName = name;
    leaf.names = {name};
    return {root, intermediate, intermediate.issue(leaf, Key::make(leafKey))};
}

std::string toPem(const std::string& label, const std::string& der) {
    const std::string base64 = base::toBase64(der);
    std::string pem = "-----BEGIN " + label + "-----\n";
    for (std::size_t at = 0; at < base64.size(); at += 64) {
        pem += base64.substr(at, 64) + "\n";
    }
    return pem + "-----END " + label + "-----\n";
}

}  // namespace certbinder::test
