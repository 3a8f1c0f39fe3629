#include "binding/plan.h"

#include <array>

#include "base/text.h"
#include "base/time_text.h"
#include "certificate/checks.h"

namespace certbinder::binding {
namespace {

using targets::Action;
using targets::Observation;
using targets::ProbeState;

bool isDeployed(const PlanInput& input) {
    return input.seen.deployed && input.seen.deployed->is(input.wanted);
}

std::string deployedSHA256(const PlanInput& input) {
    if (!input.seen.deployed) {
        return "";
    }
    return isDeployed(input) ? input.wanted.fingerprintSHA256 : input.seen.deployed->fingerprintSHA256;
}

/// An older certificate never replaces a valid newer one, unless that is asked for.
bool isDowngrade(const PlanInput& input) {
    const auto& there = input.seen.deployed;
    if (input.allowDowngrade || !there || there->is(input.wanted) || !there->notAfter ||
        *there->notAfter <= input.now) {
        return false;
    }
    const bool begunEarlier = !there->notBefore || input.wanted.notBefore < *there->notBefore;
    return begunEarlier && input.wanted.notAfter < *there->notAfter;
}

Step refusal(Step step, const PlanInput& input) {
    step.action = Action::kRefuse;
    step.why = Why::kDowngrade;
    step.message = "the certificate that is deployed is newer (valid until " +
                   base::formatTime(*input.seen.deployed->notAfter) + ") than the source's (until " +
                   base::formatTime(input.wanted.notAfter) +
                   "); renew the source, or set spec.allowDowngrade to deploy the older one all the same";
    step.error = base::Error(base::Reason::kDowngradeRefused, step.message);
    return step;
}

Step deployment(Step step, const PlanInput& input) {
    step.action = Action::kDeploy;
    const std::string there = deployedSHA256(input);
    const std::string faults = base::join(input.seen.faults, "; ");
    if (input.seen.interrupted) {
        step.why = Why::kInterrupted;
        step.message = "an earlier deployment was cut off and is brought to an end";
    } else if (input.recordedSHA256.empty()) {
        step.why = Why::kFirstDeployment;
        step.message = input.seen.deployed ? "replaces a certificate that certbinder did not deploy"
                                           : "no certificate is deployed here yet";
    } else if (isDeployed(input) || there != input.recordedSHA256) {
        step.why = Why::kDrifted;
        step.message = faults.empty() ? "something else changed what certbinder had deployed" : faults;
    } else {
        step.why = Why::kRenewed;
        step.message = "the source has another certificate than the one deployed";
    }
    // Of files that certbinder never deployed it is no news that they are not as a deployment leaves them.
    const bool foreign = step.why == Why::kFirstDeployment && input.seen.deployed;
    if (!faults.empty() && step.why != Why::kDrifted && !foreign) {
        step.message += " (" + faults + ")";
    }
    return step;
}

}  // namespace

std::string_view toString(Why why) {
    constexpr std::array<std::string_view, 7> kWords{"InSync",      "FirstDeployment", "Renewed",         "Drifted",
                                                     "Interrupted", "NotServed",       "DowngradeRefused"};
    return kWords[static_cast<std::size_t>(why)];
}

std::string_view toString(Action action) {
    constexpr std::array<std::string_view, 4> kWords{"None", "Deploy", "Activate", "Refuse"};
    return kWords[static_cast<std::size_t>(action)];
}

std::string at(const std::string& endpoint, const std::string& message) {
    return message.find(endpoint + ":") != std::string::npos ? message : endpoint + ": " + message;
}

std::string brief(const std::string& fingerprint) {
    return fingerprint.substr(0, 16);
}

bool isServed(const certificate::CertificateInfo& wanted, const Observation& seen) {
    return seen.probe == ProbeState::kServed && seen.served &&
           seen.served->fingerprintSHA256 == wanted.fingerprintSHA256;
}

bool isInSync(const certificate::CertificateInfo& wanted, const Observation& seen) {
    const bool servedEnough = seen.probe == ProbeState::kDisabled || isServed(wanted, seen);
    if (!seen.looked) {
        return isServed(wanted, seen);
    }
    return servedEnough && seen.deployed && seen.deployed->is(wanted) && seen.faults.empty() && !seen.interrupted;
}

Step planStep(const std::string& endpoint, const PlanInput& input) {
    Step step;
    step.endpoint = endpoint;
    step.fromSHA256 = deployedSHA256(input);
    step.toSHA256 = input.wanted.fingerprintSHA256;
    if (isInSync(input.wanted, input.seen)) {
        step.fromSHA256 = step.toSHA256;
        step.message = "in sync";
        return step;
    }
    const bool sound = isDeployed(input) && input.seen.faults.empty() && !input.seen.interrupted;
    if (!sound) {
        return isDowngrade(input) ? refusal(std::move(step), input) : deployment(std::move(step), input);
    }
    step.action = Action::kActivate;
    step.why = Why::kNotServed;
    step.message = input.seen.served ? "deployed, but clients get " + brief(input.seen.served->fingerprintSHA256)
                                     : "deployed, but no client can be served: " +
                                           (input.seen.probeError ? input.seen.probeError->message() : "no handshake");
    return step;
}

}  // namespace certbinder::binding
