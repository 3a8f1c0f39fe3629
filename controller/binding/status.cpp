#include "binding/status.h"

#include <algorithm>

namespace certbinder::binding {
namespace {

using api::Condition;
using api::ConditionStatus;
using api::EndpointState;
using base::Reason;
using targets::ProbeState;

constexpr std::size_t kMostNamed = 3;  ///< endpoints named in a message before it says how many more there are
// The schema's limits, in characters; the API server would refuse a status that is over them.
constexpr std::size_t kMostConditionMessage = 32'000;
constexpr std::size_t kMostEndpointMessage = 4'000;

struct Verdict {
    ConditionStatus status;
    Reason reason;
    std::string message;
};

const certificate::CertificateInfo* wantedOf(const PassRecord& record) {
    return record.sourced ? &record.sourced->bundle->leaf : nullptr;
}

bool holds(const EndpointResult& result, const certificate::CertificateInfo& wanted) {
    if (!result.seen) {
        return false;
    }
    return result.seen->looked ? result.seen->deployed && result.seen->deployed->is(wanted) &&
                                     result.seen->faults.empty() && !result.seen->interrupted
                               : isServed(wanted, *result.seen);
}

bool inSync(const EndpointResult& result, const certificate::CertificateInfo& wanted) {
    return !result.error && !result.halted && result.seen && isInSync(wanted, *result.seen);
}

/// What is still to be done at the endpoint in this pass.
bool awaitsWork(const EndpointResult& result) {
    const bool planned = result.step && (result.step->action == targets::Action::kDeploy ||
                                         result.step->action == targets::Action::kActivate);
    return result.acting || (planned && !result.acted && !result.halted);
}

/// At most so many bytes, cut between characters.
std::string atMost(std::string text, std::size_t most) {
    if (text.size() > most) {
        while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) {
            --most;
        }
        text.resize(most);
        text += "…";
    }
    return text;
}

std::string list(const std::vector<std::string>& sentences) {
    std::string text;
    for (std::size_t i = 0; i < std::min(sentences.size(), kMostNamed); ++i) {
        text += (i > 0 ? "; " : "") + sentences[i];
    }
    if (sentences.size() > kMostNamed) {
        text += "; and " + std::to_string(sentences.size() - kMostNamed) + " more";
    }
    return text;
}

std::string ofAll(std::size_t count, std::size_t all) {
    return std::to_string(count) + " of " + std::to_string(all) + (all == 1 ? " endpoint" : " endpoints");
}

std::string endpointMessage(const EndpointResult& result, const certificate::CertificateInfo& wanted) {
    if (result.error) {
        return result.error->message();
    }
    if (result.halted) {
        return "not touched: the rollout is halted until the endpoints that failed succeed";
    }
    if (result.acting && result.step) {
        return result.step->message;
    }
    return inSync(result, wanted) || !result.step ? "" : result.step->message;
}

EndpointState endpointState(const EndpointResult& result, const certificate::CertificateInfo& wanted) {
    if (result.rolledBack) {
        return EndpointState::kRolledBack;
    }
    if (result.error) {
        return EndpointState::kFailed;
    }
    if (inSync(result, wanted)) {
        return EndpointState::kInSync;
    }
    if (result.acting) {
        return EndpointState::kDeploying;
    }
    const bool drifted = result.step && result.step->why == Why::kDrifted;
    return drifted ? EndpointState::kDrifted : EndpointState::kPending;
}

std::string deployedFingerprint(const EndpointResult& result, const certificate::CertificateInfo& wanted,
                                const api::EndpointStatus* before) {
    if (!result.seen || !result.seen->looked) {
        const bool served = result.seen && isServed(wanted, *result.seen);
        return served ? wanted.fingerprintSHA256 : (before != nullptr ? before->deployedFingerprintSHA256 : "");
    }
    if (!result.seen->deployed) {
        return "";
    }
    return result.seen->deployed->is(wanted) ? wanted.fingerprintSHA256 : result.seen->deployed->fingerprintSHA256;
}

api::EndpointStatus endpointStatus(const EndpointResult& result, const certificate::CertificateInfo& wanted,
                                   const api::EndpointStatus* before, base::WallTime now) {
    api::EndpointStatus status;
    status.name = result.endpoint.name;
    status.state = endpointState(result, wanted);
    status.deployedFingerprintSHA256 = deployedFingerprint(result, wanted, before);
    if (result.error) {
        status.reason = result.error->reason();
    }
    if (result.seen && result.seen->served) {
        status.servedFingerprintSHA256 = result.seen->served->fingerprintSHA256;
        status.servedNotAfter = result.seen->served->notAfter;
    }
    const bool deployedNow = result.acted && result.changed && !result.error && !result.rolledBack;
    status.lastDeployTime =
        deployedNow ? std::optional(now) : (before != nullptr ? before->lastDeployTime : std::nullopt);
    status.lastTransitionTime = before != nullptr && before->state == status.state ? before->lastTransitionTime : now;
    status.message = atMost(endpointMessage(result, wanted), kMostEndpointMessage);
    return status;
}

Verdict deployedVerdict(const PassRecord& record, const certificate::CertificateInfo& wanted) {
    std::vector<std::string> failures;
    std::optional<Reason> reason;
    std::size_t holding = 0;
    bool pending = false;
    for (const EndpointResult& result : record.endpoints) {
        const bool held = holds(result, wanted);
        // A certificate that is in place although clients get another is a matter of Served.
        if (result.error && !(held && result.error->reason() == Reason::kServedCertificateDiffers)) {
            reason = reason.value_or(result.error->reason());
            failures.push_back(at(result.endpoint.name, result.error->message()));
        } else if (held) {
            ++holding;
        } else {
            pending = true;
        }
    }
    const std::string count = ofAll(holding, record.endpoints.size());
    if (reason) {
        return {ConditionStatus::kFalse, *reason, count + " hold the certificate; " + list(failures)};
    }
    if (pending) {
        return {ConditionStatus::kUnknown, Reason::kProgressing, count + " hold the certificate so far"};
    }
    return {ConditionStatus::kTrue, Reason::kInSync, count + " hold the certificate"};
}

Verdict servedVerdict(const PassRecord& record, const certificate::CertificateInfo& wanted) {
    std::vector<std::string> failures;
    std::optional<Reason> reason;
    std::size_t served = 0;
    std::size_t disabled = 0;
    bool pending = false;
    for (const EndpointResult& result : record.endpoints) {
        if (!result.seen || awaitsWork(result)) {
            pending = true;
        } else if (result.seen->probe == ProbeState::kDisabled) {
            ++disabled;
        } else if (isServed(wanted, *result.seen)) {
            ++served;
        } else if (result.seen->served) {
            reason = Reason::kServedCertificateDiffers;
            failures.push_back(result.endpoint.name + ": clients get the certificate " +
                               brief(result.seen->served->fingerprintSHA256) + ", not " +
                               brief(wanted.fingerprintSHA256));
        } else {
            reason =
                reason.value_or(result.seen->probeError ? result.seen->probeError->reason() : Reason::kUnreachable);
            failures.push_back(at(result.endpoint.name,
                                  result.seen->probeError ? result.seen->probeError->message() : "no handshake"));
        }
    }
    const std::string count = ofAll(served, record.endpoints.size());
    if (reason) {
        return {ConditionStatus::kFalse, *reason, count + " serve the certificate; " + list(failures)};
    }
    if (pending) {
        return {ConditionStatus::kUnknown, Reason::kProgressing, count + " seen to serve the certificate so far"};
    }
    if (disabled > 0) {
        return {
            ConditionStatus::kUnknown, Reason::kProbeDisabled,
            ofAll(disabled, record.endpoints.size()) + " cannot be probed: the probe is disabled or has no address"};
    }
    return {ConditionStatus::kTrue, Reason::kInSync, count + " serve the certificate, each proven by a handshake"};
}

/// What was said before, or that nothing is known yet: for conditions that this pass could not look into.
Verdict unchanged(const api::Status& before, const char* type) {
    if (const Condition* known = before.find(type)) {
        return {known->status, known->reason, known->message};
    }
    return {ConditionStatus::kUnknown, Reason::kProgressing, "not looked at yet"};
}

struct Verdicts {
    Verdict source;
    Verdict deployed;
    Verdict served;
};

Verdicts verdicts(const PassRecord& record, const api::Status& before) {
    Verdicts all{unchanged(before, api::condition::kSourceReady), unchanged(before, api::condition::kDeployed),
                 unchanged(before, api::condition::kServed)};
    if (record.source) {
        all.source = {ConditionStatus::kFalse, record.source->reason(), record.source->message()};
    } else if (record.sourced) {
        all.source = {ConditionStatus::kTrue, Reason::kInSync,
                      "the certificate " + record.sourced->id + " is sound and its key matches"};
    }
    if (record.spec) {
        all.deployed = {ConditionStatus::kFalse, record.spec->reason(), record.spec->message()};
    } else if (const auto* wanted = wantedOf(record)) {
        all.deployed = deployedVerdict(record, *wanted);
        all.served = servedVerdict(record, *wanted);
    }
    return all;
}

bool isHalted(const PassRecord& record) {
    return std::any_of(record.endpoints.begin(), record.endpoints.end(),
                       [](const EndpointResult& result) { return result.halted; });
}

Verdict readyVerdict(const PassRecord& record, const Verdicts& parts, const std::string& inSyncCount) {
    if (record.suspended) {
        const bool failed = parts.source.status == ConditionStatus::kFalse ||
                            parts.deployed.status == ConditionStatus::kFalse ||
                            parts.served.status == ConditionStatus::kFalse;
        return {failed ? ConditionStatus::kFalse : ConditionStatus::kUnknown, Reason::kSuspended,
                "suspended: nothing is looked at or changed until spec.suspend is false again"};
    }
    // In the order of cause and effect, so that the first failure is the one to look at.
    for (const Verdict* part : {&parts.source, &parts.deployed, &parts.served}) {
        if (part->status == ConditionStatus::kFalse) {
            if (isHalted(record)) {
                return {ConditionStatus::kFalse, Reason::kRolloutHalted, "the rollout is halted: " + part->message};
            }
            return {ConditionStatus::kFalse, part->reason, part->message};
        }
    }
    const bool servedOrUnknowable =
        parts.served.status == ConditionStatus::kTrue || parts.served.reason == Reason::kProbeDisabled;
    if (parts.source.status == ConditionStatus::kTrue && parts.deployed.status == ConditionStatus::kTrue &&
        servedOrUnknowable) {
        return {ConditionStatus::kTrue, Reason::kInSync, inSyncCount + " endpoints are in sync"};
    }
    return {ConditionStatus::kUnknown, Reason::kProgressing, "work is going on"};
}

class ConditionWriter {
  public:
    ConditionWriter(const api::CertificateBinding& binding, base::WallTime now) : binding_(binding), now_(now) {}

    void add(const char* type, const Verdict& verdict) {
        const Condition* before = binding_.status.find(type);
        Condition condition;
        condition.type = type;
        condition.status = verdict.status;
        condition.reason = verdict.reason;
        condition.message = atMost(verdict.message, kMostConditionMessage);
        condition.observedGeneration = binding_.metadata.generation;
        condition.lastTransitionTime =
            before != nullptr && before->status == verdict.status ? before->lastTransitionTime : now_;
        conditions.push_back(std::move(condition));
    }

    std::vector<Condition> conditions;

  private:
    const api::CertificateBinding& binding_;
    base::WallTime now_;
};

/// kstatus' two conditions that are there only while they are true.
void addAbnormal(ConditionWriter& writer, const PassRecord& record, const Verdict& ready) {
    if (record.suspended) {
        return;
    }
    const base::Error* error = decidingError(record);
    const bool working = std::any_of(record.endpoints.begin(), record.endpoints.end(), awaitsWork);
    if (working) {
        writer.add(api::condition::kReconciling, {ConditionStatus::kTrue, Reason::kProgressing, "work is going on"});
    } else if (error != nullptr && error->remedy() == base::Remedy::kChange) {
        writer.add(api::condition::kStalled, {ConditionStatus::kTrue, error->reason(), error->message()});
    } else if (error != nullptr) {
        writer.add(api::condition::kReconciling,
                   {ConditionStatus::kTrue, Reason::kProgressing, "tried again with back-off: " + error->message()});
    } else if (ready.status == ConditionStatus::kUnknown) {
        writer.add(api::condition::kReconciling, {ConditionStatus::kTrue, Reason::kProgressing, "work is going on"});
    }
}

std::optional<api::CertificateStatus> certificateStatus(const PassRecord& record) {
    if (!record.sourced) {
        return std::nullopt;
    }
    const certificate::CertificateInfo& leaf = record.sourced->bundle->leaf;
    return api::CertificateStatus{record.sourced->id, leaf.fingerprintSHA256, leaf.serialNumber, leaf.issuer,
                                  leaf.dnsNames,      leaf.notBefore,         leaf.notAfter};
}

std::string countInSync(const std::vector<api::EndpointStatus>& endpoints) {
    const auto count = std::count_if(endpoints.begin(), endpoints.end(), [](const api::EndpointStatus& endpoint) {
        return endpoint.state == EndpointState::kInSync;
    });
    return std::to_string(count) + "/" + std::to_string(endpoints.size());
}

}  // namespace

bool isSettled(const PassRecord& record) {
    const auto* wanted = wantedOf(record);
    return wanted == nullptr || record.spec ||
           std::all_of(record.endpoints.begin(), record.endpoints.end(), [&](const EndpointResult& result) {
               return result.error || result.halted || inSync(result, *wanted);
           });
}

const base::Error* decidingError(const PassRecord& record) {
    std::vector<const base::Error*> errors;
    const auto add = [&](const std::optional<base::Error>& error) {
        if (error) {
            errors.push_back(&*error);
        }
    };
    add(record.spec);
    add(record.source);
    for (const EndpointResult& result : record.endpoints) {
        add(result.error);
    }
    const auto healing = std::find_if(errors.begin(), errors.end(),
                                      [](const base::Error* error) { return error->remedy() == base::Remedy::kTime; });
    return healing != errors.end() ? *healing : (errors.empty() ? nullptr : errors.front());
}

api::Status makeStatus(const api::CertificateBinding& binding, const PassRecord& record, base::WallTime now) {
    const api::Status& before = binding.status;
    api::Status status = before;
    status.observedGeneration = binding.metadata.generation;
    status.target = api::describeTarget(binding.spec);
    if (const auto asked = binding.metadata.annotations.find(api::kReconcileAnnotation);
        asked != binding.metadata.annotations.end()) {
        status.lastHandledReconcileAt = asked->second;
    }
    if (const auto* wanted = wantedOf(record); wanted != nullptr && !record.spec) {
        status.certificate = certificateStatus(record);
        status.endpoints.clear();
        for (const EndpointResult& result : record.endpoints) {
            status.endpoints.push_back(endpointStatus(result, *wanted, before.endpoint(result.endpoint.name), now));
            if (result.seen && !result.seen->serverCertificateID.empty()) {
                status.serverCertificateID = result.seen->serverCertificateID;
            }
        }
        status.inSync = countInSync(status.endpoints);
    } else if (wanted != nullptr) {
        status.certificate = certificateStatus(record);
    }
    const Verdicts parts = verdicts(record, before);
    const Verdict ready = readyVerdict(record, parts, status.inSync);
    ConditionWriter writer(binding, now);
    addAbnormal(writer, record, ready);
    writer.add(api::condition::kReady, ready);
    writer.add(api::condition::kSourceReady, parts.source);
    writer.add(api::condition::kDeployed, parts.deployed);
    writer.add(api::condition::kServed, parts.served);
    status.conditions = std::move(writer.conditions);
    return status;
}

}  // namespace certbinder::binding
