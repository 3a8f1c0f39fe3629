#include "certificate/certificate_info.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <optional>

#include "base/digest.h"
#include "base/text.h"
#include "certificate/bundle.h"
#include "certificate/openssl.h"

namespace certbinder::certificate {
namespace {

using base::Reason;
using base::unexpected;

constexpr std::size_t kMostNameBytes = 1000;

struct FreeBuffer {
    void operator()(void* buffer) const { OPENSSL_free(buffer); }
};

std::string bytesOf(const BioPtr& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

/// RFC 2253, but with letters beyond ASCII as UTF-8 instead of escapes that nobody can read.
std::string readableName(const X509_NAME* name) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (!bio || X509_NAME_print_ex(bio.get(), name, 0, kFlags) < 0) {
        return {};
    }
    return base::printable(bytesOf(bio), kMostNameBytes);
}

std::string_view viewOf(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// The last CN, which is the most specific one. Empty where there is none; nothing where it cannot be trusted.
std::optional<std::string> commonNameOf(const X509_NAME* name) {
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) {
        last = at;
    }
    if (last < 0) {
        return std::string();
    }
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
    if (size < 0) {
        return std::nullopt;
    }
    const std::unique_ptr<unsigned char, FreeBuffer> owner(utf8);
    const std::string_view text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    return base::printable(text, kMostNameBytes);
}

std::string serialOf(const X509* certificate) {
    const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
    const std::unique_ptr<char, FreeBuffer> hex(number ? BN_bn2hex(number.get()) : nullptr);
    return hex ? std::string(hex.get()) : std::string();
}

std::optional<base::WallTime> timeOf(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        return std::nullopt;
    }
    const std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                          std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                          std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
    if (!day.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
           std::chrono::seconds(parts.tm_sec);
}

void addAddress(const ASN1_OCTET_STRING* bytes, std::vector<std::string>& addresses) {
    const std::string_view raw = viewOf(bytes);
    if (raw.size() != 4 && raw.size() != 16) {
        return;  // no address, so no client can ask for it
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (inet_ntop(raw.size() == 4 ? AF_INET : AF_INET6, raw.data(), text.data(), text.size()) != nullptr) {
        addresses.emplace_back(text.data());
    }
}

/// False where the names cannot be read or hide something.
bool readNames(X509* certificate, CertificateInfo& info) {
    int found = 0;
    const GeneralNamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, nullptr)));
    if (!names) {
        return found == -1;  // absent, as in old self-signed ones; else unreadable or there twice
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_IPADD) {
            addAddress(name->d.iPAddress, info.ipAddresses);
        } else if (name->type == GEN_DNS) {
            const std::string_view text = viewOf(name->d.dNSName);
            if (text.find('\0') != std::string_view::npos) {
                return false;
            }
            info.dnsNames.push_back(base::toLower(base::printable(text)));
        }
    }
    return true;
}

base::Expected<X509Ptr> parseDer(std::string_view der, bool trailingIsFine) {
    const ErrorQueue errors;
    if (der.size() > kMostPemBytes) {
        return unexpected(Reason::kInvalidCertificate, "it is longer than any certificate");
    }
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const unsigned char* end = at + der.size();
    X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate) {
        return unexpected(Reason::kInvalidCertificate, "it is no X.509 certificate (" + errors.reason() + ")");
    }
    if (at != end && !trailingIsFine) {
        return unexpected(Reason::kInvalidCertificate, "something follows the certificate inside its block");
    }
    return certificate;
}

bool isCertificate(std::string_view label) {
    return label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE";
}

base::Expected<Member> parseMember(const PemBlock& block, std::string_view what) {
    const auto der = decodePem(block, what);
    if (!der) {
        return unexpected(der.error());
    }
    const std::string place = std::string(what) + ": the block that begins in line " + std::to_string(block.line);
    // OpenSSL's own "trusted" form has its settings behind the certificate.
    auto x509 = parseDer(der->reveal(), block.label == "TRUSTED CERTIFICATE");
    if (!x509) {
        return unexpected(std::move(x509.error()).in(place));
    }
    auto info = infoOf(x509->get());
    if (!info) {
        return unexpected(std::move(info.error()).in(place));
    }
    return Member{std::move(*x509), std::move(*info)};
}

}  // namespace

std::string describeKey(const EVP_PKEY* key) {
    if (key == nullptr) {
        return "unknown";
    }
    if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1) {
        const bool pss = EVP_PKEY_is_a(key, "RSA-PSS") == 1;
        return (pss ? "RSA-PSS " : "RSA ") + std::to_string(EVP_PKEY_get_bits(key));
    }
    if (EVP_PKEY_is_a(key, "EC") == 1) {
        std::array<char, 80> group{};
        std::size_t size = 0;
        if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
            return "EC";
        }
        const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group.data()));
        return std::string("EC ") + (nist != nullptr ? nist : group.data());
    }
    if (EVP_PKEY_is_a(key, "ED25519") == 1) {
        return "Ed25519";
    }
    if (EVP_PKEY_is_a(key, "ED448") == 1) {
        return "Ed448";
    }
    const char* name = EVP_PKEY_get0_type_name(key);
    return name != nullptr ? name : "unknown";
}

base::Expected<CertificateInfo> infoOf(X509* certificate) {
    const ErrorQueue errors;
    unsigned char* encoded = nullptr;
    const int size = i2d_X509(certificate, &encoded);
    if (size <= 0) {
        return unexpected(Reason::kInvalidCertificate, "the certificate cannot be encoded (" + errors.reason() + ")");
    }
    const std::unique_ptr<unsigned char, FreeBuffer> owner(encoded);
    const std::string_view der(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size));

    CertificateInfo info;
    info.fingerprintSHA256 = base::toHex(base::sha256(der));
    info.fingerprintSHA1 = base::toHex(base::sha1(der));
    info.serialNumber = serialOf(certificate);
    info.subject = readableName(X509_get_subject_name(certificate));
    info.issuer = readableName(X509_get_issuer_name(certificate));
    info.key = describeKey(X509_get0_pubkey(certificate));

    auto commonName = commonNameOf(X509_get_subject_name(certificate));
    if (!commonName || !readNames(certificate, info)) {
        return unexpected(Reason::kInvalidCertificate,
                          "the names of the certificate " + info.subject +
                              " cannot be read, or hide something behind a NUL: have it issued anew");
    }
    info.commonName = std::move(*commonName);
    const auto notBefore = timeOf(X509_get0_notBefore(certificate));
    const auto notAfter = timeOf(X509_get0_notAfter(certificate));
    if (!notBefore || !notAfter) {
        return unexpected(Reason::kInvalidCertificate,
                          "the dates of the certificate " + info.subject + " cannot be read: have it issued anew");
    }
    info.notBefore = *notBefore;
    info.notAfter = *notAfter;
    return info;
}

base::Expected<std::vector<Member>> parseCertificates(std::string_view pem, std::string_view what, PemLimits limits) {
    const ErrorQueue errors;
    const auto blocks = splitPem(pem, what, limits);
    if (!blocks) {
        return unexpected(blocks.error());
    }
    std::vector<Member> members;
    for (const PemBlock& block : *blocks) {
        if (!isCertificate(block.label)) {
            continue;
        }
        auto member = parseMember(block, what);
        if (!member) {
            return unexpected(std::move(member.error()));
        }
        members.push_back(std::move(*member));
    }
    if (members.empty()) {
        const std::string_view label = blocks->front().label;
        return unexpected(Reason::kInvalidCertificate,
                          std::string(what) + " holds no CERTIFICATE block, but " + base::printable(label) +
                              (label == "PKCS7" ? ": convert it with openssl pkcs7 -print_certs"
                                                : ": look at whether certificate and key were swapped"));
    }
    return members;
}

base::Expected<std::vector<CertificateInfo>> readCertificates(std::string_view pem) {
    auto members = parseCertificates(pem, "the certificate", {kMostPemBytes, kMostPemBlocks});
    if (!members) {
        return unexpected(std::move(members.error()));
    }
    std::vector<CertificateInfo> infos;
    for (Member& member : *members) {
        infos.push_back(std::move(member.info));
    }
    return infos;
}

base::Expected<CertificateInfo> readCertificateDer(std::string_view der) {
    const auto x509 = parseDer(der, false);
    if (!x509) {
        return unexpected(base::Error(x509.error()).in("the certificate"));
    }
    return infoOf(x509->get());
}

}  // namespace certbinder::certificate
