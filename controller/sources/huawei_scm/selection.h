#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "certificate/certificate_info.h"

/// Which certificate of an account a binding means. Pure functions.
namespace certbinder::sources::scm {

/// The states in which a certificate can be exported; all others are an open set.
inline constexpr const char* kIssued = "ISSUED";
inline constexpr const char* kUploaded = "UPLOAD";

/// What ListCertificates tells of a certificate.
struct ListedCertificate {
    std::string id;
    std::string name;
    std::vector<std::string> names;  ///< DNS names that it is for, as the service words them
    std::string status;
    /// `YYYY-MM-DD HH:MM:SS.f` in a zone that is nowhere told: good to sort by, not to compare with a clock. "" where
    /// the service tells none.
    std::string expireTime;
};

struct Listing {
    std::vector<ListedCertificate> certificates;
    bool truncated = false;  ///< the service would not show the rest
};

/// The names of the fields `domain` and `sans`; the latter are separated by `;` or `,`.
std::vector<std::string> namesOf(std::string_view domain, std::string_view sans);

/// Those that may be exported and, by the listing, cover the domain: the last to expire first, the younger id first
/// among equals.
std::vector<ListedCertificate> candidates(const Listing& listing, std::string_view domain);

/// Whether of two certificates that fit the first is to be preferred: the later notAfter, then the later notBefore,
/// then the greater id.
bool isPreferred(const certificate::CertificateInfo& first, std::string_view firstID,
                 const certificate::CertificateInfo& second, std::string_view secondID);

/// Why there is no certificate for the domain: how many were seen, and what nearly fits. `passedOver` are sentences on
/// candidates that turned out not to fit.
base::Error noneFits(const Listing& listing, std::string_view domain, const std::vector<std::string>& passedOver);

}  // namespace certbinder::sources::scm
