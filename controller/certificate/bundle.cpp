#include "certificate/bundle.h"

#include <openssl/pem.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/text.h"
#include "certificate/openssl.h"
#include "certificate/private_key.h"

namespace certbinder::certificate {
namespace {

using base::Reason;
using base::unexpected;

constexpr std::size_t kMostNamedSubjects = 5;

bool isValidAt(const CertificateInfo& info, base::WallTime now) {
    return info.notBefore <= now && now <= info.notAfter;
}

bool isSelfSigned(const Member& member) {
    return X509_self_signed(member.x509.get(), 1) == 1;
}

bool belongsTo(const Member& member, const EVP_PKEY* key) {
    const EVP_PKEY* itsKey = X509_get0_pubkey(member.x509.get());
    return itsKey != nullptr && EVP_PKEY_eq(itsKey, key) == 1;
}

/// By name and by signature: two generations of an authority often bear the same name.
bool issued(const Member& issuer, const Member& subject) {
    if (X509_NAME_cmp(X509_get_subject_name(issuer.x509.get()), X509_get_issuer_name(subject.x509.get())) != 0) {
        return false;
    }
    EVP_PKEY* key = X509_get0_pubkey(issuer.x509.get());
    return key != nullptr && X509_check_ca(issuer.x509.get()) > 0 && X509_verify(subject.x509.get(), key) == 1;
}

std::vector<Member> withoutDoubles(std::vector<Member> members) {
    std::set<std::string> seen;
    std::vector<Member> kept;
    for (Member& member : members) {
        if (seen.insert(member.info.fingerprintSHA256).second) {
            kept.push_back(std::move(member));
        }
    }
    return kept;
}

std::string subjectsOf(const std::vector<Member>& members) {
    std::vector<std::string> subjects;
    for (const Member& member : members) {
        if (subjects.size() == kMostNamedSubjects) {
            subjects.push_back("and " + std::to_string(members.size() - kMostNamedSubjects) + " more");
            break;
        }
        subjects.push_back(member.info.subject.empty() ? "serial number " + member.info.serialNumber
                                                       : member.info.subject);
    }
    return base::join(subjects, "; ");
}

/// The certificate of the key. A renewal may keep the key, and a self-signed one may have been made for the start, so
/// there can be several: a valid one beats others, one from an authority a self-signed one, then the newest.
const Member* leafOf(const std::vector<Member>& members, const EVP_PKEY* key, base::WallTime now) {
    const auto rank = [now](const Member& member) {
        return std::tuple(isValidAt(member.info, now), !isSelfSigned(member), member.info.notBefore);
    };
    const Member* best = nullptr;
    for (const Member& member : members) {
        if (belongsTo(member, key) && (best == nullptr || rank(member) > rank(*best))) {
            best = &member;
        }
    }
    return best;
}

/// The issuer to send along: never a root, which clients have or do not trust, never one that is not valid, and of
/// two cross-signed ones the one that lasts longer.
const Member* issuerOf(const Member& subject, const std::vector<Member>& members,
                       const std::vector<const Member*>& chain, base::WallTime now) {
    const Member* best = nullptr;
    for (const Member& member : members) {
        const bool used = std::find(chain.begin(), chain.end(), &member) != chain.end();
        if (used || !isValidAt(member.info, now) || !issued(member, subject) || isSelfSigned(member)) {
            continue;
        }
        if (best == nullptr || member.info.notAfter > best->info.notAfter) {
            best = &member;
        }
    }
    return best;
}

std::vector<const Member*> chainFrom(const Member& leaf, const std::vector<Member>& members, base::WallTime now) {
    std::vector<const Member*> chain{&leaf};
    if (isSelfSigned(leaf)) {
        return chain;
    }
    while (const Member* issuer = issuerOf(*chain.back(), members, chain, now)) {
        chain.push_back(issuer);
    }
    return chain;
}

base::Expected<std::string> writeChain(const std::vector<const Member*>& chain) {
    const ErrorQueue errors;
    const BioPtr bio(BIO_new(BIO_s_mem()));
    for (const Member* member : chain) {
        if (!bio || PEM_write_bio_X509(bio.get(), member->x509.get()) != 1) {
            return unexpected(Reason::kInvalidCertificate, "the certificate " + member->info.subject +
                                                               " cannot be written as PEM: " + errors.reason());
        }
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

base::Expected<Bundle> makeBundle(std::string_view certificatePem, const base::SecretBytes& keyPem,
                                  base::WallTime now) {
    const ErrorQueue errors;
    auto parsed = parseCertificates(certificatePem, "the certificate", {kMostPemBytes, kMostPemBlocks});
    if (!parsed) {
        return unexpected(std::move(parsed.error()));
    }
    const std::vector<Member> members = withoutDoubles(std::move(*parsed));
    const auto key = parseKey(keyPem);
    if (!key) {
        return unexpected(key.error());
    }
    const Member* leaf = leafOf(members, key->get(), now);
    if (leaf == nullptr) {
        return unexpected(Reason::kKeyMismatch,
                          "the private key (" + describeKey(key->get()) + ") belongs to none of the certificates (" +
                              subjectsOf(members) +
                              "): put the key and the certificate that was issued for it together");
    }
    if (!signsAsItself(key->get())) {
        return unexpected(Reason::kKeyMismatch, "the private key of " + leaf->info.subject +
                                                    " is damaged: what it signs cannot be verified with its own public "
                                                    "half; hand in the key as it was made");
    }
    const std::vector<const Member*> chain = chainFrom(*leaf, members, now);
    auto chainPem = writeChain(chain);
    auto plainKey = writeKey(key->get(), KeyForm::kPkcs8);
    if (!chainPem || !plainKey) {
        return unexpected(!chainPem ? chainPem.error() : plainKey.error());
    }
    return Bundle{leaf->info, std::move(*chainPem), chain.size(), std::move(*plainKey),
                  EVP_PKEY_is_a(key->get(), "RSA") == 1};
}

base::Expected<base::SecretBytes> toPkcs1Pem(const Bundle& bundle) {
    if (!bundle.rsa) {
        return unexpected(Reason::kInvalidCertificate,
                          "the key of " + bundle.leaf.subject + " is of the kind " + bundle.leaf.key +
                              ", where only RSA is taken: have the certificate issued for an RSA key");
    }
    const auto key = parseKey(bundle.keyPem);
    if (!key) {
        return unexpected(key.error());
    }
    return writeKey(key->get(), KeyForm::kTraditional);
}

}  // namespace certbinder::certificate
