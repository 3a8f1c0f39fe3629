#pragma once

#include <memory>
#include <string>

#include "api/certificate_binding.h"
#include "api/secret_data.h"
#include "base/call_context.h"
#include "base/expected.h"
#include "certificate/bundle.h"

namespace certbinder::sources {

/// Everything a source needs to know of a binding. References outlive the call.
struct SourceRequest {
    const api::CertificateBinding& binding;
    const api::Secrets& secrets;  ///< those the binding names that exist
    /// Answers to shared look-ups (listings of an account) that were asked for before this moment are too old.
    base::SteadyTime notOlderThan;
};

/// A certificate and what its source calls it.
struct Sourced {
    std::string id;
    std::shared_ptr<const certificate::Bundle> bundle;
};

/// Where certificates come from. One object serves all bindings, so that one listing and one export of an account
/// serve all that ask for it. Thread-safe.
class CertificateSource {
  public:
    virtual ~CertificateSource() = default;

    /// The certificate that the binding's source means now, in order (leaf first, key matching). Whether it may be
    /// deployed (dates, names, trust) is the caller's to judge. Reasons: kSourceNotFound, kNoMatchingCertificate,
    /// kKeyNotExportable, kCredentials…, kAccessDenied, kThrottled, kUnreachable, and makeBundle's.
    virtual base::Expected<Sourced> load(const SourceRequest& request, const base::CallContext& context) = 0;
};

}  // namespace certbinder::sources
