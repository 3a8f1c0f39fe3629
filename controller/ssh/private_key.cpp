#include "ssh/private_key.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/digest.h"
#include "base/text.h"
#include "ssh/known_hosts.h"

namespace certbinder::ssh {

using base::Expected;
using base::Reason;
using base::SecretBytes;
using base::unexpected;

namespace {

tl::unexpected<base::Error> invalid(const std::string& what) {
    return unexpected(Reason::kCredentialsInvalid, "ssh-privatekey: " + what);
}

SecretBytes withUnixLineEnds(std::string_view text) {
    text = base::trim(text);
    SecretBytes clean = SecretBytes::ofSize(text.size() + 1);
    char* end = std::copy_if(text.begin(), text.end(), clean.mutableData(), [](char c) { return c != '\r'; });
    *end++ = '\n';
    clean.shrink(static_cast<std::size_t>(end - clean.mutableData()));
    return clean;
}

/// The word in `-----BEGIN word-----`, if the text is one whole PEM block.
std::optional<std::string> labelOf(std::string_view text) {
    constexpr std::string_view kBegin = "-----BEGIN ";
    if (text.substr(0, kBegin.size()) != kBegin) {
        return std::nullopt;
    }
    const auto end = text.find("-----", kBegin.size());
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    return std::string(text.substr(kBegin.size(), end - kBegin.size()));
}

std::string_view bodyOf(std::string_view text, const std::string& label) {
    const std::size_t from = std::strlen("-----BEGIN -----") + label.size();
    const auto to = text.find("-----END " + label + "-----", from);
    return to == std::string_view::npos ? std::string_view() : text.substr(from, to - from);
}

/// Reads the length-prefixed strings of SSH's wire format.
class WireReader {
  public:
    explicit WireReader(std::string_view bytes) : rest_(bytes) {}

    std::optional<std::uint32_t> number() {
        if (rest_.size() < 4) {
            return std::nullopt;
        }
        std::uint32_t value = 0;
        for (const char c : rest_.substr(0, 4)) {
            value = value << 8 | static_cast<unsigned char>(c);
        }
        rest_.remove_prefix(4);
        return value;
    }

    std::optional<std::string_view> string() {
        const auto size = number();
        if (!size || *size > rest_.size()) {
            return std::nullopt;
        }
        const auto value = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return value;
    }

  private:
    std::string_view rest_;
};

/// PROTOCOL.key of OpenSSH: magic, cipher, KDF, its options, number of keys, public key, private part.
Expected<void> readOpenSsh(std::string_view body, PrivateKey& key) {
    constexpr std::string_view kMagic("openssh-key-v1\0", 15);
    const auto bytes = base::fromBase64(body);
    if (!bytes || bytes->reveal().substr(0, kMagic.size()) != kMagic) {
        return invalid("the key in OpenSSH's format is damaged");
    }
    WireReader reader(bytes->reveal().substr(kMagic.size()));
    const auto cipher = reader.string();
    const auto kdf = reader.string();
    const auto options = reader.string();
    const auto count = reader.number();
    const auto publicKey = reader.string();
    const auto secretPart = reader.string();
    if (!cipher || !kdf || !options || !count || !publicKey || !secretPart) {
        return invalid("the key in OpenSSH's format is damaged or cut off");
    }
    key.encrypted = *cipher != "none";
    key.type = keyTypeOf(*publicKey);
    return {};
}

std::string typeOf(const EVP_PKEY& key) {
    switch (EVP_PKEY_get_base_id(&key)) {
        case EVP_PKEY_RSA:
            return "ssh-rsa";
        case EVP_PKEY_ED25519:
            return "ssh-ed25519";
        case EVP_PKEY_EC:
            return "ecdsa-sha2-nistp" + std::to_string(EVP_PKEY_get_bits(&key));
        default:
            return "";
    }
}

int givePassphrase(char* buffer, int size, int /*writing*/, void* data) {
    const std::string_view passphrase = static_cast<const SecretBytes*>(data)->reveal();
    const std::size_t length = passphrase.size() - 1;  // the NUL byte
    if (length == 0 || length > static_cast<std::size_t>(size)) {
        return -1;
    }
    std::memcpy(buffer, passphrase.data(), length);
    return static_cast<int>(length);
}

Expected<void> readPem(PrivateKey& key) {
    const std::string_view text = key.text.reveal();
    const std::unique_ptr<BIO, decltype(&BIO_free)> source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                           &BIO_free);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> parsed(
        PEM_read_bio_PrivateKey(source.get(), nullptr, &givePassphrase, &key.passphrase), &EVP_PKEY_free);
    ERR_clear_error();
    if (parsed) {
        key.type = typeOf(*parsed);
        return {};
    }
    return key.encrypted ? invalid("the passphrase does not open the key, or the key is damaged")
                         : invalid("the key is damaged");
}

bool isUsable(const std::string& type) {
    return type == "ssh-ed25519" || type == "ssh-rsa" || type == "ecdsa-sha2-nistp256" ||
           type == "ecdsa-sha2-nistp384" || type == "ecdsa-sha2-nistp521";
}

}  // namespace

Expected<SecretBytes> asCString(const SecretBytes& secret, const char* name) {
    std::string_view text = secret.reveal();
    if (!text.empty() && text.back() == '\n') {
        text.remove_suffix(text.size() > 1 && text[text.size() - 2] == '\r' ? 2 : 1);
    }
    if (text.find('\0') != std::string_view::npos) {
        return unexpected(Reason::kCredentialsInvalid, std::string(name) + " holds a NUL byte");
    }
    SecretBytes result(text);
    result.append(std::string_view("\0", 1));
    return result;
}

Expected<PrivateKey> readPrivateKey(const SecretBytes& secret, const SecretBytes* passphrase) {
    const SecretBytes none;
    PrivateKey key;
    key.text = withUnixLineEnds(secret.reveal());
    auto opening = asCString(passphrase == nullptr ? none : *passphrase, "passphrase");
    if (!opening) {
        return unexpected(opening.error());
    }
    key.passphrase = std::move(*opening);

    const auto label = labelOf(key.text.reveal());
    if (!label || label->find("PRIVATE KEY") == std::string::npos) {
        return invalid(
            "it is not a private key in OpenSSH's or PEM format (the first line of one is "
            "-----BEGIN OPENSSH PRIVATE KEY----- or the like)");
    }
    const std::string_view body = bodyOf(key.text.reveal(), *label);
    if (body.empty()) {
        return invalid("the key is cut off: its -----END line is missing");
    }
    const bool openSsh = *label == "OPENSSH PRIVATE KEY";
    key.encrypted = *label == "ENCRYPTED PRIVATE KEY" || body.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
    if (openSsh) {
        if (auto read = readOpenSsh(body, key); !read) {
            return unexpected(read.error());
        }
    }
    if (key.encrypted && key.passphrase.size() == 1) {
        return invalid("the key is encrypted; add its passphrase to the Secret under the key `passphrase`");
    }
    if (!openSsh) {
        if (auto read = readPem(key); !read) {
            return unexpected(read.error());
        }
    }
    if (!isUsable(key.type)) {
        return invalid("keys of type " + (key.type.empty() ? "unknown" : base::printable(key.type, 60)) +
                       " are not supported; use ed25519, ECDSA (P-256, P-384, P-521) or RSA");
    }
    return key;
}

}  // namespace certbinder::ssh
