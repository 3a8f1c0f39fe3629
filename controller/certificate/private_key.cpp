#include "certificate/private_key.h"

#include <openssl/pem.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "certificate/bundle.h"

namespace certbinder::certificate {
namespace {

using base::Reason;
using base::unexpected;

constexpr std::string_view kWhatKey = "the private key";

bool isPrivateKey(std::string_view label) {
    constexpr std::string_view kSuffix = "PRIVATE KEY";
    return label.size() >= kSuffix.size() && label.substr(label.size() - kSuffix.size()) == kSuffix;
}

base::Expected<PemBlock> onlyKeyBlock(std::string_view pem) {
    const auto blocks = splitPem(pem, kWhatKey, {kMostPemBytes, kMostPemBlocks});
    if (!blocks) {
        return unexpected(blocks.error());
    }
    const auto isKey = [](const PemBlock& block) { return isPrivateKey(block.label); };
    const auto first = std::find_if(blocks->begin(), blocks->end(), isKey);
    if (first == blocks->end()) {
        return unexpected(Reason::kInvalidCertificate, std::string(kWhatKey) + " holds no PRIVATE KEY block, but " +
                                                           base::printable(blocks->front().label) +
                                                           ": look at whether certificate and key were swapped");
    }
    if (std::find_if(first + 1, blocks->end(), isKey) != blocks->end()) {
        return unexpected(Reason::kInvalidCertificate,
                          std::string(kWhatKey) +
                              " holds more than one PRIVATE KEY block: leave the one that belongs "
                              "to the certificate");
    }
    return *first;
}

/// Says of a kind of block that is never opened why, and what to do.
std::optional<base::Error> refuseUnopened(const PemBlock& block) {
    if (block.label == "ENCRYPTED PRIVATE KEY" || saysEncrypted(block)) {
        return base::Error(Reason::kInvalidCertificate,
                           "the private key is encrypted, and there is no passphrase to open it with: store it "
                           "decrypted (openssl pkey -in encrypted.key -out plain.key)");
    }
    if (block.label == "OPENSSH PRIVATE KEY") {
        return base::Error(Reason::kInvalidCertificate,
                           "the private key is a key for SSH, not for TLS: hand in the key that the certificate was "
                           "requested with, as PKCS#8, PKCS#1 or SEC1");
    }
    return std::nullopt;
}

/// PKCS#8 is tried on its own first: its reader can never be led to ask for a passphrase.
KeyPtr decodeKey(std::string_view der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const Pkcs8Ptr pkcs8(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
    if (pkcs8) {
        return KeyPtr(EVP_PKCS82PKEY(pkcs8.get()));
    }
    at = reinterpret_cast<const unsigned char*>(der.data());
    return KeyPtr(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
}

std::optional<base::Error> refuseKind(const EVP_PKEY* key) {
    const auto is = [key](const char* name) { return EVP_PKEY_is_a(key, name) == 1; };
    if (is("SM2")) {
        return base::Error(
            Reason::kInvalidCertificate,
            "the private key is an SM2 key, which TLS as OpenSSL and nginx speak it cannot use: have the "
            "certificate issued for an RSA, EC or Ed25519 key");
    }
    if (is("RSA") || is("RSA-PSS") || is("EC") || is("ED25519") || is("ED448")) {
        return std::nullopt;
    }
    return base::Error(Reason::kInvalidCertificate, "the private key is of the kind " + describeKey(key) +
                                                        ", which cannot serve TLS: have the certificate issued for an "
                                                        "RSA, EC or Ed25519 key");
}

}  // namespace

base::Expected<KeyPtr> parseKey(const base::SecretBytes& pem) {
    const ErrorQueue errors;
    if (base::trim(pem.reveal()).empty()) {
        return unexpected(
            Reason::kKeyNotExportable,
            "the certificate came without its private key: take one whose key can be exported, or add the "
            "key to it");
    }
    const auto block = onlyKeyBlock(pem.reveal());
    if (!block) {
        return unexpected(block.error());
    }
    if (auto refused = refuseUnopened(*block)) {
        return unexpected(std::move(*refused));
    }
    const auto der = decodePem(*block, kWhatKey);
    if (!der) {
        return unexpected(der.error());
    }
    KeyPtr key = decodeKey(der->reveal());
    if (!key) {
        return unexpected(Reason::kInvalidCertificate,
                          "the private key cannot be read (" + errors.reason() +
                              "): hand in the key that the certificate was requested with, as PKCS#8, PKCS#1 or SEC1");
    }
    if (auto refused = refuseKind(key.get())) {
        return unexpected(std::move(*refused));
    }
    return key;
}

bool signsAsItself(EVP_PKEY* key) {
    const ErrorQueue errors;
    constexpr std::array<unsigned char, 16> kMessage{};
    std::array<unsigned char, 4096> signature{};  // RSA of 32768 bits at most
    std::size_t size = signature.size();
    const DigestContextPtr sign(EVP_MD_CTX_new());
    const DigestContextPtr verify(EVP_MD_CTX_new());
    return sign && verify && EVP_DigestSignInit(sign.get(), nullptr, nullptr, nullptr, key) == 1 &&
           EVP_DigestSign(sign.get(), signature.data(), &size, kMessage.data(), kMessage.size()) == 1 &&
           EVP_DigestVerifyInit(verify.get(), nullptr, nullptr, nullptr, key) == 1 &&
           EVP_DigestVerify(verify.get(), signature.data(), size, kMessage.data(), kMessage.size()) == 1;
}

base::Expected<base::SecretBytes> writeKey(const EVP_PKEY* key, KeyForm form) {
    const ErrorQueue errors;
    const BioPtr bio(BIO_new(BIO_s_secmem()));  // wiped when it grows and when it is freed
    const int written =
        !bio ? 0
        : form == KeyForm::kPkcs8
            ? PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr)
            : PEM_write_bio_PrivateKey_traditional(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = written == 1 ? BIO_get_mem_data(bio.get(), &data) : 0;
    if (size <= 0) {
        return unexpected(Reason::kInvalidCertificate,
                          "the private key (" + describeKey(key) + ") cannot be written as PEM: " + errors.reason());
    }
    return base::SecretBytes(std::string_view(data, static_cast<std::size_t>(size)));
}

}  // namespace certbinder::certificate
