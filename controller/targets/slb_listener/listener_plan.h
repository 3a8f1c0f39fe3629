#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/certificate_binding.h"
#include "base/error.h"
#include "base/expected.h"
#include "certificate/certificate_info.h"
#include "probe/prober.h"
#include "targets/certificate_target.h"
#include "targets/slb_listener/model.h"
#include "targets/slb_listener/signer.h"

/// The decisions about a listener, as functions without side effects.
namespace certbinder::targets::slb {

/// The tags of an upload. The first marks it as certbinder's own: the name alone does not. The others keep what the
/// service's listing does not tell.
inline constexpr const char* kManagedTag = "certbinder.io/managed";
inline constexpr const char* kFingerprintTag = "certbinder.io/sha256";
inline constexpr const char* kNotBeforeTag = "certbinder.io/not-before";

/// `certbinder-` and the first 16 digits of the SHA-256 fingerprint.
std::string uploadName(const certificate::CertificateInfo& certificate);
std::map<std::string, std::string> uploadTags(const certificate::CertificateInfo& certificate);

/// Whether the store's entry is that certificate, by the fingerprint that the service lists.
bool isUploadOf(const ServerCertificate& entry, const certificate::CertificateInfo& certificate);

/// The entry to refer to for a certificate: the one in use where it is the same certificate, else an own upload, else
/// the oldest upload of anybody. What was bought at the cloud is not referred to anew. Null where there is none.
const ServerCertificate* findUpload(const std::vector<ServerCertificate>& store,
                                    const certificate::CertificateInfo& wanted, const std::string& inUse);

/// What the store tells of a certificate that is deployed. `wanted` lends its details where it is the same one.
/// notBefore is our tag's, else the time of the upload: the latest at which the certificate can have begun, so that a
/// stranger's certificate counts as younger rather than older when a downgrade is judged.
Held heldOf(const ServerCertificate& entry, const certificate::CertificateInfo& wanted);

/// The settings of a listener that a change may touch, by the names that Set takes: what the description returned, what
/// is not empty, and what applies (details of a health check only where it is on).
std::map<std::string, std::string> settingsOf(const ListenerAttributes& attributes);

/// A Set that changes nothing but the certificate: read-modify-write, since the service resets some of what is left out
/// (HealthCheckDomain for certain). `balancerSpec` "" is the old shared type, which takes no TLS policy.
Parameters setParameters(const std::string& loadBalancerID, std::uint16_t port, const ListenerAttributes& now,
                         const std::string& balancerSpec, const std::string& certificateID);

/// What differs between the settings before and after, one readable phrase each; the certificate does not count.
std::vector<std::string> differences(const ListenerAttributes& before, const ListenerAttributes& after);

/// A Create from `listener` of the spec; `balancerSpec` as above. Reason kInvalidSpec, naming the field.
base::Expected<Parameters> createParameters(const api::SlbListenerTarget& target, const std::string& balancerSpec,
                                            const std::string& certificateID);

/// Where clients get the listener's certificate, if that is known. `publicAddress` "" where the load balancer has none.
std::optional<probe::Place> probePlace(const api::SlbListenerTarget& target, const std::string& publicAddress,
                                       const certificate::CertificateInfo& wanted);

/// The spec's mistakes that a schema cannot find.
std::optional<base::Error> checkTarget(const api::SlbListenerTarget& target);

/// The endpoint's URL: the override, else the region's host; the central one for the finance and government regions,
/// which have no host of their own.
std::string endpointURL(const api::SlbListenerTarget& target);

}  // namespace certbinder::targets::slb
