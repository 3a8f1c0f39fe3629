#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <stdexcept>

namespace certbinder::base {
namespace {

std::string digest(const EVP_MD* method, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, method, nullptr) != 1) {
        throw std::runtime_error("OpenSSL computes no digest");
    }
    return {reinterpret_cast<const char*>(out.data()), size};
}

std::string hmac(const EVP_MD* method, const SecretBytes& key, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned int size = 0;
    const std::string_view secret = key.reveal();
    const char* keyBytes = secret.empty() ? "" : secret.data();  // a null key means "the key of last time" to OpenSSL
    if (HMAC(method, keyBytes, static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
             bytes.size(), out.data(), &size) == nullptr) {
        throw std::runtime_error("OpenSSL computes no HMAC");
    }
    return {reinterpret_cast<const char*>(out.data()), size};
}

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string sha256(std::string_view bytes) {
    return digest(EVP_sha256(), bytes);
}

std::string sha1(std::string_view bytes) {
    return digest(EVP_sha1(), bytes);
}

std::string hmacSha256(const SecretBytes& key, std::string_view bytes) {
    return hmac(EVP_sha256(), key, bytes);
}

std::string hmacSha1(const SecretBytes& key, std::string_view bytes) {
    return hmac(EVP_sha1(), key, bytes);
}

std::string toHex(std::string_view bytes) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        text += kHex[static_cast<unsigned char>(c) >> 4U];
        text += kHex[static_cast<unsigned char>(c) & 0x0FU];
    }
    return text;
}

std::string toBase64(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3), '\0');
    const int written =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(written));
    return text;
}

std::optional<SecretBytes> fromBase64(std::string_view text) {
    SecretBytes out = SecretBytes::ofSize(text.size() / 4 * 3 + 3);
    std::size_t size = 0;
    unsigned int group = 0;
    int held = 0;
    int padding = 0;
    for (const char c : text) {
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t') {
            continue;
        }
        const std::size_t value = c == '=' ? 0 : kAlphabet.find(c);
        if (value == std::string_view::npos || (padding > 0 && c != '=')) {
            return std::nullopt;
        }
        padding += c == '=' ? 1 : 0;
        group = (group << 6U) | static_cast<unsigned int>(value);
        if (++held == 4) {
            for (int i = 0; i < 3 - padding; ++i) {
                out.mutableData()[size++] = static_cast<char>((group >> static_cast<unsigned int>(16 - 8 * i)) & 0xFFU);
            }
            group = 0;
            held = 0;
            if (padding > 2) {
                return std::nullopt;
            }
        }
    }
    if (held != 0) {
        return std::nullopt;
    }
    out.shrink(size);
    return out;
}

}  // namespace certbinder::base
