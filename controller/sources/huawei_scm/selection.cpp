#include "sources/huawei_scm/selection.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "certificate/checks.h"

namespace certbinder::sources::scm {
namespace {

constexpr std::size_t kMostNearMisses = 5;

bool isExportable(const ListedCertificate& certificate) {
    return certificate.status == kIssued || certificate.status == kUploaded;
}

bool covers(const ListedCertificate& certificate, std::string_view domain) {
    certificate::CertificateInfo info;
    info.dnsNames = certificate.names;
    return certificate::covers(info, domain);
}

std::string seen(std::size_t count) {
    if (count == 0) {
        return "the account shows no certificate, so none";
    }
    return count == 1 ? "the only certificate seen in the account does not fit, so none"
                      : "none of the " + std::to_string(count) + " certificates seen in the account";
}

std::string nearMiss(const ListedCertificate& certificate) {
    return base::printable(certificate.id, 64) + " is in state " + base::printable(certificate.status, 64);
}

}  // namespace

std::vector<std::string> namesOf(std::string_view domain, std::string_view sans) {
    std::string all = std::string(domain) + ";" + std::string(sans);
    std::replace(all.begin(), all.end(), ',', ';');
    std::vector<std::string> names;
    for (const std::string& part : base::split(all, ';')) {
        const std::string name(base::trim(part));
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    }
    return names;
}

std::vector<ListedCertificate> candidates(const Listing& listing, std::string_view domain) {
    std::vector<ListedCertificate> fitting;
    std::copy_if(
        listing.certificates.begin(), listing.certificates.end(), std::back_inserter(fitting),
        [&](const ListedCertificate& certificate) { return isExportable(certificate) && covers(certificate, domain); });
    std::sort(fitting.begin(), fitting.end(), [](const ListedCertificate& a, const ListedCertificate& b) {
        return std::tie(b.expireTime, b.id) < std::tie(a.expireTime, a.id);
    });
    return fitting;
}

bool isPreferred(const certificate::CertificateInfo& first, std::string_view firstID,
                 const certificate::CertificateInfo& second, std::string_view secondID) {
    return std::tie(second.notAfter, second.notBefore, secondID) < std::tie(first.notAfter, first.notBefore, firstID);
}

base::Error noneFits(const Listing& listing, std::string_view domain, const std::vector<std::string>& passedOver) {
    std::vector<std::string> near = passedOver;
    for (const ListedCertificate& certificate : listing.certificates) {
        if (!isExportable(certificate) && covers(certificate, domain)) {
            near.push_back(nearMiss(certificate));
        }
    }
    const std::size_t more = near.size() > kMostNearMisses ? near.size() - kMostNearMisses : 0;
    near.resize(near.size() - more);

    std::string text = seen(listing.certificates.size()) + " can be used for " + std::string(domain);
    if (near.empty()) {
        text += "; order or upload one that covers it, or check domain, enterpriseProjectID and the credentials";
    } else {
        text += ": " + base::join(near, ", ") + (more > 0 ? ", and " + std::to_string(more) + " more" : "") +
                "; a renewed one will be taken as soon as it is issued";
    }
    if (listing.truncated) {
        text += " (the service shows only the first ones of its list; set enterpriseProjectID to narrow it)";
    }
    return base::Error(base::Reason::kNoMatchingCertificate, std::move(text));
}

}  // namespace certbinder::sources::scm
