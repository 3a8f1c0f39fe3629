#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "certificate/certificate_info.h"
#include "targets/certificate_target.h"

namespace certbinder::binding {

/// Why a step is (or is not) taken; the word is `reason` in `plan -o json`.
enum class Why {
    kInSync,           ///< deployed and, as far as can be known, served
    kFirstDeployment,  ///< certbinder has not deployed to this endpoint before
    kRenewed,          ///< the source has another certificate than the one deployed
    kDrifted,          ///< something else changed what certbinder had deployed
    kInterrupted,      ///< an earlier transaction was cut off
    kNotServed,        ///< deployed, but clients get something else
    kDowngrade         ///< what is deployed is newer and valid
};

std::string_view toString(Why why);
std::string_view toString(targets::Action action);

/// What is to be done at one endpoint: a value, made without side effects.
struct Step {
    std::string endpoint;
    targets::Action action = targets::Action::kNone;
    Why why = Why::kInSync;
    std::string fromSHA256;  ///< what is deployed now; "" for nothing, or where it is not known
    std::string toSHA256;
    std::string message;               ///< a sentence for a person
    std::optional<base::Error> error;  ///< set with kRefuse
};

struct PlanInput {
    const certificate::CertificateInfo& wanted;
    const targets::Observation& seen;
    std::string recordedSHA256;  ///< what the last pass recorded as deployed here; "" for none
    bool allowDowngrade = false;
    base::WallTime now;
};

/// Decides one endpoint. Pure.
Step planStep(const std::string& endpoint, const PlanInput& input);

/// Whether the observation shows the wanted certificate deployed and served, as far as either can be known.
bool isInSync(const certificate::CertificateInfo& wanted, const targets::Observation& seen);
/// Whether clients were seen to get it.
bool isServed(const certificate::CertificateInfo& wanted, const targets::Observation& seen);

/// `message` with the endpoint's name before it, unless it tells that by itself ("host 10.0.0.4:22: …").
std::string at(const std::string& endpoint, const std::string& message);

/// The first 16 digits of a fingerprint, as messages show it.
std::string brief(const std::string& fingerprint);

}  // namespace certbinder::binding
