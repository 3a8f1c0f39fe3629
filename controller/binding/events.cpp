#include "binding/events.h"

#include "base/time_text.h"

namespace certbinder::binding {
namespace {

using objects::EventType;

class Story {
  public:
    explicit Story(const api::ObjectKey& binding) : binding_(binding) {}

    void add(EventType type, std::string reason, std::string message) {
        events.push_back({binding_, type, std::move(reason), std::move(message)});
    }

    std::vector<objects::Event> events;

  private:
    const api::ObjectKey& binding_;
};

void tellEndpoint(Story& story, const EndpointResult& result, const api::EndpointStatus* before,
                  const certificate::CertificateInfo& wanted, bool renewed) {
    const bool drifted = result.step && result.step->why == Why::kDrifted;
    // A drift that cannot be repaired is found again at each pass and told once.
    if (drifted && before != nullptr && before->state == api::EndpointState::kInSync) {
        story.add(EventType::kWarning, "DriftDetected", result.endpoint.name + ": " + result.step->message);
    }
    if (!result.acted) {
        return;
    }
    // Likewise a roll-back that the same certificate leads to at every try.
    const bool rolledBackBefore = before != nullptr && before->state == api::EndpointState::kRolledBack && !renewed;
    if (result.rolledBack && !rolledBackBefore) {
        story.add(EventType::kWarning, "RolledBack",
                  at(result.endpoint.name,
                     result.error ? result.error->message() : "the certificate before is in place again"));
    } else if (!result.error && !result.rolledBack && drifted) {
        story.add(EventType::kNormal, "DriftCorrected",
                  result.endpoint.name + " serves the certificate " + brief(wanted.fingerprintSHA256) + " again");
    } else if (!result.error && !result.rolledBack && result.changed) {
        story.add(EventType::kNormal, "Deployed",
                  result.endpoint.name + " has the certificate " + brief(wanted.fingerprintSHA256) + ", valid until " +
                      base::formatTime(wanted.notAfter));
    }
}

void tellFailure(Story& story, const api::Status& before, const api::Status& after) {
    const api::Condition* now = after.find(api::condition::kReady);
    const api::Condition* then = before.find(api::condition::kReady);
    if (now == nullptr || now->status != api::ConditionStatus::kFalse || now->reason == base::Reason::kSuspended) {
        return;
    }
    if (then == nullptr || then->status != now->status || then->reason != now->reason) {
        story.add(EventType::kWarning, std::string(base::toString(now->reason)), now->message);
    }
}

}  // namespace

bool isExpiring(const api::CertificateStatus& certificate, base::WallTime now) {
    const auto life = certificate.notAfter - certificate.notBefore;
    return certificate.notAfter - now < life / 5;
}

std::vector<objects::Event> eventsOf(const api::CertificateBinding& binding, const PassRecord& record,
                                     const api::Status& before, const api::Status& after, bool tellExpiry) {
    Story story(binding.metadata.key);
    const bool renewed = before.certificate && after.certificate &&
                         before.certificate->fingerprintSHA256 != after.certificate->fingerprintSHA256;
    if (renewed) {
        story.add(EventType::kNormal, "SourceRenewed",
                  "the source has the certificate " + brief(after.certificate->fingerprintSHA256) + " in place of " +
                      brief(before.certificate->fingerprintSHA256));
    }
    if (record.sourced) {
        for (const EndpointResult& result : record.endpoints) {
            tellEndpoint(story, result, before.endpoint(result.endpoint.name), record.sourced->bundle->leaf, renewed);
        }
    }
    if (tellExpiry) {
        story.add(EventType::kWarning, "CertificateExpiring",
                  "the certificate ends on " + base::formatTime(after.certificate->notAfter) +
                      " and the source has no renewed one");
    }
    tellFailure(story, before, after);
    return std::move(story.events);
}

}  // namespace certbinder::binding
