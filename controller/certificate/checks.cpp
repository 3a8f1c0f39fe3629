#include "certificate/checks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time_text.h"
#include "certificate/openssl.h"

namespace certbinder::certificate {
namespace {

using base::Error;
using base::Reason;

/// Public lists of authorities are longer than any chain: about 150 certificates, 250 kB.
constexpr PemLimits kCaLimits{std::size_t{2} * 1024 * 1024, 1024};
constexpr std::size_t kMostListedNames = 20;

/// The bytes of an IP literal, or nothing.
std::optional<std::string> addressBytes(const std::string& text) {
    std::array<char, sizeof(in6_addr)> bytes{};
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
        return std::string(bytes.data(), sizeof(in_addr));
    }
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
        return std::string(bytes.data(), sizeof(in6_addr));
    }
    return std::nullopt;
}

std::string normalised(std::string_view name) {
    if (!name.empty() && name.back() == '.') {
        name.remove_suffix(1);
    }
    return base::toLower(name);
}

bool dnsNameCovers(const std::string& pattern, const std::string& name) {
    if (pattern == name) {
        return true;
    }
    if (pattern.rfind("*.", 0) != 0 || name.rfind("*.", 0) == 0) {
        return false;
    }
    const std::string suffix = pattern.substr(1);  // with its dot
    if (suffix.find('.', 1) == std::string::npos) {
        return false;  // `*.com` would cover strangers' names; no client takes it
    }
    const std::size_t firstDot = name.find('.');
    return firstDot != std::string::npos && firstDot > 0 && name.compare(firstDot, std::string::npos, suffix) == 0;
}

std::string listed(std::vector<std::string> names) {
    const std::size_t more = names.size() > kMostListedNames ? names.size() - kMostListedNames : 0;
    names.resize(names.size() - more);
    return base::join(names, ", ") + (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

std::string remedyFor(int error) {
    switch (error) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "add the missing intermediate to the certificate, or its authority to the CA bundle";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "add its authority to the CA bundle, or have it issued by one that is in there";
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "renew it, or look at the clock of this machine";
        case X509_V_ERR_INVALID_PURPOSE:
        case X509_V_ERR_INVALID_CA:
            return "have it issued for servers (extended key usage serverAuth) by an authority";
        default:
            return "have it issued by an authority of the CA bundle";
    }
}

Error notTrusted(const CertificateInfo& leaf, X509_STORE_CTX* context) {
    const int error = X509_STORE_CTX_get_error(context);
    std::string place;
    if (X509* at = X509_STORE_CTX_get_current_cert(context)) {
        const auto info = infoOf(at);
        if (info && info->fingerprintSHA256 != leaf.fingerprintSHA256) {
            place = " at " + info->subject;
        }
    }
    return Error(Reason::kChainNotTrusted, "the certificate " + leaf.subject + " (issued by " + leaf.issuer +
                                               ") does not lead to an authority of the CA bundle: " +
                                               X509_verify_cert_error_string(error) + place + "; " + remedyFor(error));
}

/// OpenSSL takes the first authority of the right name and gives up when its signature does not fit; a renewed root
/// bears the name of the one before, so the signature is part of the question here. Key usage is judged later, with a
/// better word for it.
int issuedBySignature(X509_STORE_CTX* /*context*/, X509* subject, X509* issuer) {
    const int answer = X509_check_issued(issuer, subject);
    if (answer != X509_V_OK && answer != X509_V_ERR_KEYUSAGE_NO_CERTSIGN) {
        return 0;
    }
    EVP_PKEY* key = X509_get0_pubkey(issuer);
    return key != nullptr && X509_verify(subject, key) == 1 ? 1 : 0;
}

StorePtr storeOf(const std::vector<Member>& authorities) {
    StorePtr store(X509_STORE_new());
    for (const Member& authority : authorities) {
        if (!store || X509_STORE_add_cert(store.get(), authority.x509.get()) != 1) {
            return nullptr;
        }
    }
    X509_STORE_set_check_issued(store.get(), issuedBySignature);
    return store;
}

Error checkFailed(const ErrorQueue& errors) {
    return Error(Reason::kInternalError, "the chain could not be checked: " + errors.reason());
}

}  // namespace

bool covers(const CertificateInfo& certificate, std::string_view name) {
    const std::string wanted = normalised(name);
    if (wanted.empty()) {
        return false;
    }
    if (const auto address = addressBytes(wanted)) {
        return std::any_of(certificate.ipAddresses.begin(), certificate.ipAddresses.end(),
                           [&](const std::string& candidate) { return addressBytes(candidate) == address; });
    }
    return std::any_of(certificate.dnsNames.begin(), certificate.dnsNames.end(),
                       [&](const std::string& pattern) { return dnsNameCovers(normalised(pattern), wanted); });
}

bool isOlder(const CertificateInfo& candidate, const CertificateInfo& present) {
    return candidate.notBefore < present.notBefore && candidate.notAfter < present.notAfter;
}

// The messages hold no "now": they end up in statuses, and one that changes with every look would be written, and
// looked at, for ever.
std::optional<Error> checkDates(const CertificateInfo& certificate, base::WallTime now) {
    if (now > certificate.notAfter) {
        return Error(Reason::kCertificateExpired, "the certificate " + certificate.subject + " expired at " +
                                                      base::formatTime(certificate.notAfter) +
                                                      ": renew it at its source");
    }
    if (now < certificate.notBefore) {
        return Error(Reason::kInvalidCertificate,
                     "the certificate " + certificate.subject + " is not valid yet: it is from " +
                         base::formatTime(certificate.notBefore) + " until " + base::formatTime(certificate.notAfter) +
                         "; wait until then, or set the clock of this machine right");
    }
    return std::nullopt;
}

std::optional<Error> checkNames(const CertificateInfo& certificate, const std::vector<std::string>& names) {
    std::vector<std::string> missing;
    std::copy_if(names.begin(), names.end(), std::back_inserter(missing),
                 [&](const std::string& name) { return !covers(certificate, name); });
    if (missing.empty()) {
        return std::nullopt;
    }
    std::vector<std::string> covered = certificate.dnsNames;
    covered.insert(covered.end(), certificate.ipAddresses.begin(), certificate.ipAddresses.end());
    return Error(Reason::kNameNotCovered,
                 "the certificate " + certificate.subject + " does not cover " + listed(missing) + ": it is for " +
                     (covered.empty() ? "no name at all (a common name does not count)" : listed(covered)) +
                     "; have it issued for that too, or take another one");
}

std::optional<Error> checkTrust(const Bundle& bundle, std::string_view caPem, base::WallTime now) {
    const ErrorQueue errors;
    const auto authorities = parseCertificates(caPem, "the CA bundle", kCaLimits);
    if (!authorities) {
        return Error(Reason::kChainNotTrusted, authorities.error().message());
    }
    const auto chain = parseCertificates(bundle.chainPem, "the certificate", {kMostPemBytes, kMostPemBlocks});
    if (!chain) {
        return chain.error();
    }
    const StorePtr store = storeOf(*authorities);
    const StoreContextPtr context(X509_STORE_CTX_new());
    const X509StackPtr untrusted(sk_X509_new_null());
    if (!store || !context || !untrusted) {
        return checkFailed(errors);
    }
    for (const Member& member : *chain) {
        sk_X509_push(untrusted.get(), member.x509.get());
    }
    if (X509_STORE_CTX_init(context.get(), store.get(), chain->front().x509.get(), untrusted.get()) != 1) {
        return checkFailed(errors);
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(rules, now.time_since_epoch().count());
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_verify_cert(context.get()) == 1) {
        return std::nullopt;
    }
    return notTrusted(bundle.leaf, context.get());
}

}  // namespace certbinder::certificate
