#include "binding/status.h"

#include <functional>
#include <string>
#include <vector>

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using api::ConditionStatus;
using api::EndpointState;
using base::Reason;
using binding::EndpointResult;
using binding::PassRecord;
using targets::ProbeState;

namespace {

const base::WallTime kNow = *base::parseTime("2026-11-22T08:00:00Z");
const certificate::CertificateInfo kWanted = test::certificateNamed('b');
const certificate::CertificateInfo kBefore = test::certificateNamed('a');

enum class There { kInSync, kOld, kNotServed, kNoProbe, kUnreachable };

EndpointResult endpoint(const std::string& name, There there) {
    EndpointResult result;
    result.endpoint = {name, {name}};
    if (there == There::kUnreachable) {
        result.error = base::Error(Reason::kUnreachable, "no route to " + name);
        return result;
    }
    targets::Observation seen;
    seen.looked = true;
    seen.deployed = targets::Held::of(there == There::kOld ? kBefore : kWanted);
    if (there != There::kNoProbe) {
        seen.probe = ProbeState::kServed;
        seen.served = there == There::kInSync ? kWanted : kBefore;
    }
    result.seen = seen;
    result.step = binding::planStep(name, {kWanted, seen, "", false, kNow});
    return result;
}

/// An endpoint after an act that failed and left the old certificate in place.
EndpointResult failed(const std::string& name, Reason reason, bool rolledBack) {
    EndpointResult result = endpoint(name, There::kOld);
    result.acted = true;
    result.changed = result.rolledBack = rolledBack;
    result.error = base::Error(reason, "it did not go well");
    return result;
}

PassRecord recordOf(std::vector<EndpointResult> endpoints) {
    PassRecord record;
    record.sourced = sources::Sourced{"shop-tls", test::bundleOf(kWanted)};
    record.endpoints = std::move(endpoints);
    return record;
}

struct Told {
    ConditionStatus status;
    Reason reason;
    bool operator==(const Told&) const = default;
};

Told told(const api::Status& status, const char* type) {
    const api::Condition* condition = status.find(type);
    REQUIRE(condition != nullptr);
    return {condition->status, condition->reason};
}

std::string messageOf(const api::Status& status, const char* type) {
    const api::Condition* condition = status.find(type);
    REQUIRE(condition != nullptr);
    return condition->message;
}

const api::CertificateBinding kBinding = test::nginxBinding({"a", "b"});

api::Status statusOf(const PassRecord& record) {
    return binding::makeStatus(kBinding, record, kNow);
}

constexpr Told kTrueInSync{ConditionStatus::kTrue, Reason::kInSync};

}  // namespace

TEST_CASE("all in sync: Ready, and nothing abnormal", "[binding][status]") {
    const api::Status status = statusOf(recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kInSync)}));
    for (const char* type : {"Ready", "SourceReady", "Deployed", "Served"}) {
        CHECK(told(status, type) == kTrueInSync);
        CHECK(status.find(type)->observedGeneration == 1);
        CHECK(status.find(type)->lastTransitionTime == kNow);
        CHECK_FALSE(status.find(type)->message.empty());
    }
    CHECK(status.find("Reconciling") == nullptr);
    CHECK(status.find("Stalled") == nullptr);
    CHECK(status.inSync == "2/2");
    CHECK(status.target == "nginx 2 hosts");
    CHECK(status.observedGeneration == 1);
    REQUIRE(status.certificate.has_value());
    CHECK(status.certificate->id == "shop-tls");
    CHECK(status.certificate->fingerprintSHA256 == kWanted.fingerprintSHA256);
    REQUIRE(status.endpoints.size() == 2);
    CHECK(status.endpoints[0].name == "a:22");
    CHECK(status.endpoints[0].state == EndpointState::kInSync);
    CHECK(status.endpoints[0].servedNotAfter == kWanted.notAfter);
    CHECK(status.endpoints[0].message.empty());
    CHECK_FALSE(status.endpoints[0].reason.has_value());
}

TEST_CASE("equal input gives an equal status: a pass that changes nothing writes nothing", "[binding][status]") {
    api::CertificateBinding binding = kBinding;
    for (const PassRecord& record :
         {recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kInSync)}),
          recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kUnreachable)}),
          recordOf({failed("a:22", Reason::kConfigTestFailed, true), endpoint("b:22", There::kNoProbe)})}) {
        binding.status = binding::makeStatus(binding, record, kNow);
        CHECK(binding::makeStatus(binding, record, kNow + 1h) == binding.status);
    }
}

TEST_CASE("a transition time moves with the status alone", "[binding][status]") {
    api::CertificateBinding binding = kBinding;
    binding.status = statusOf(recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kUnreachable)}));
    const PassRecord worse = recordOf({endpoint("a:22", There::kUnreachable), endpoint("b:22", There::kUnreachable)});
    const api::Status later = binding::makeStatus(binding, worse, kNow + 1h);
    CHECK(later.find("Ready")->message != binding.status.find("Ready")->message);
    CHECK(later.find("Ready")->lastTransitionTime == kNow);
    CHECK(later.find("SourceReady")->lastTransitionTime == kNow);
    CHECK(later.endpoint("a:22")->lastTransitionTime == kNow + 1h);
    CHECK(later.endpoint("b:22")->lastTransitionTime == kNow);
    binding.status = later;
    const PassRecord good = recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kInSync)});
    CHECK(binding::makeStatus(binding, good, kNow + 2h).find("Ready")->lastTransitionTime == kNow + 2h);
}

TEST_CASE("Ready is False whenever another condition is, with the first cause", "[binding][status]") {
    SECTION("an endpoint that cannot be reached") {
        const auto status =
            statusOf(recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kUnreachable)}));
        CHECK(told(status, "Deployed") == Told{ConditionStatus::kFalse, Reason::kUnreachable});
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kUnreachable});
        CHECK(told(status, "Reconciling") == Told{ConditionStatus::kTrue, Reason::kProgressing});
        CHECK(status.find("Stalled") == nullptr);
        CHECK_THAT(messageOf(status, "Ready"), CERTBINDER_CONTAINS("b:22") && CERTBINDER_CONTAINS("no route"));
        CHECK(status.inSync == "1/2");
        CHECK(status.endpoint("b:22")->reason == Reason::kUnreachable);
    }
    SECTION("a certificate that is in place and not served") {
        EndpointResult result = endpoint("a:22", There::kNotServed);
        result.acted = true;
        result.error = base::Error(Reason::kServedCertificateDiffers, "clients get another");
        const auto status = statusOf(recordOf({result}));
        CHECK(told(status, "Deployed") == kTrueInSync);
        CHECK(told(status, "Served") == Told{ConditionStatus::kFalse, Reason::kServedCertificateDiffers});
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kServedCertificateDiffers});
    }
    SECTION("a source that fails keeps what is known of the deployed state") {
        api::CertificateBinding binding = kBinding;
        binding.status = statusOf(recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kInSync)}));
        PassRecord record;
        record.source = base::Error(Reason::kSourceNotFound, "there is no Secret");
        const auto status = binding::makeStatus(binding, record, kNow + 1h);
        CHECK(told(status, "SourceReady") == Told{ConditionStatus::kFalse, Reason::kSourceNotFound});
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kSourceNotFound});
        CHECK(told(status, "Deployed") == kTrueInSync);
        CHECK(told(status, "Served") == kTrueInSync);
        CHECK(told(status, "Stalled") == Told{ConditionStatus::kTrue, Reason::kSourceNotFound});
        CHECK(status.endpoints == binding.status.endpoints);
        CHECK(status.certificate == binding.status.certificate);
    }
    SECTION("a binding that never had a source has nothing to say of its endpoints") {
        PassRecord record;
        record.source = base::Error(Reason::kThrottled, "too many requests");
        const auto status = statusOf(record);
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kThrottled});
        CHECK(told(status, "Deployed") == Told{ConditionStatus::kUnknown, Reason::kProgressing});
        CHECK(told(status, "Served") == Told{ConditionStatus::kUnknown, Reason::kProgressing});
        CHECK(told(status, "Reconciling").status == ConditionStatus::kTrue);
        CHECK(status.endpoints.empty());
        CHECK_FALSE(status.certificate.has_value());
    }
    SECTION("a conflict") {
        PassRecord record = recordOf({endpoint("a:22", There::kInSync)});
        record.spec = base::Error(Reason::kConflict, "a:22 is claimed by default/other");
        const auto status = statusOf(record);
        CHECK(told(status, "Deployed") == Told{ConditionStatus::kFalse, Reason::kConflict});
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kConflict});
        CHECK(told(status, "Stalled") == Told{ConditionStatus::kTrue, Reason::kConflict});
        CHECK(status.certificate.has_value());
    }
    SECTION("a refused downgrade") {
        EndpointResult result = endpoint("a:22", There::kOld);
        result.step->action = targets::Action::kRefuse;
        result.error = base::Error(Reason::kDowngradeRefused, "what is there is newer");
        const auto status = statusOf(recordOf({result}));
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kDowngradeRefused});
        CHECK(status.endpoint("a:22")->state == EndpointState::kFailed);
    }
}

TEST_CASE("without a probe Served is Unknown, and Ready does not wait for it", "[binding][status]") {
    const auto status = statusOf(recordOf({endpoint("a:22", There::kInSync), endpoint("b:22", There::kNoProbe)}));
    CHECK(told(status, "Served") == Told{ConditionStatus::kUnknown, Reason::kProbeDisabled});
    CHECK(told(status, "Ready") == kTrueInSync);
    CHECK(status.inSync == "2/2");
    CHECK(status.find("Reconciling") == nullptr);
    CHECK(status.endpoint("b:22")->servedFingerprintSHA256.empty());
}

TEST_CASE("a failure that left nothing to be seen is not taken for a disabled probe", "[binding][status]") {
    EndpointResult result = endpoint("a:22", There::kOld);
    result.acted = true;
    result.error = base::Error(Reason::kUnreachable, "the connection broke");
    CHECK(told(statusOf(recordOf({result})), "Served").reason != Reason::kProbeDisabled);
}

TEST_CASE("a halted rollout is told on Ready, its cause on Deployed", "[binding][status]") {
    EndpointResult halted = endpoint("b:22", There::kOld);
    halted.halted = true;
    const auto status = statusOf(recordOf({failed("a:22", Reason::kConfigTestFailed, true), halted}));
    CHECK(told(status, "Deployed") == Told{ConditionStatus::kFalse, Reason::kConfigTestFailed});
    CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kRolloutHalted});
    CHECK_THAT(messageOf(status, "Ready"), CERTBINDER_CONTAINS("it did not go well"));
    CHECK(told(status, "Stalled") == Told{ConditionStatus::kTrue, Reason::kConfigTestFailed});
    CHECK(status.endpoint("a:22")->state == EndpointState::kRolledBack);
    CHECK(status.endpoint("b:22")->state == EndpointState::kPending);
    CHECK_THAT(status.endpoint("b:22")->message, CERTBINDER_CONTAINS("halted"));
    CHECK(status.inSync == "0/2");
}

TEST_CASE("while work goes on nothing is False for that alone", "[binding][status]") {
    EndpointResult acting = endpoint("a:22", There::kOld);
    acting.acting = true;
    const auto status = statusOf(recordOf({acting, endpoint("b:22", There::kOld)}));
    CHECK(told(status, "Ready") == Told{ConditionStatus::kUnknown, Reason::kProgressing});
    CHECK(told(status, "Deployed") == Told{ConditionStatus::kUnknown, Reason::kProgressing});
    CHECK(told(status, "Served") == Told{ConditionStatus::kUnknown, Reason::kProgressing});
    CHECK(told(status, "Reconciling") == Told{ConditionStatus::kTrue, Reason::kProgressing});
    CHECK(status.endpoint("a:22")->state == EndpointState::kDeploying);
    CHECK(status.endpoint("b:22")->state == EndpointState::kPending);
}

TEST_CASE("work that goes on is Reconciling, also beside a failure that needs a person", "[binding][status]") {
    EndpointResult denied = endpoint("a:22", There::kUnreachable);
    denied.error = base::Error(Reason::kAuthenticationFailed, "the key is not accepted");
    EndpointResult acting = endpoint("b:22", There::kOld);
    acting.acting = true;
    const auto during = statusOf(recordOf({denied, acting}));
    CHECK(during.find("Stalled") == nullptr);
    CHECK(told(during, "Reconciling").status == ConditionStatus::kTrue);
    const auto after = statusOf(recordOf({denied, endpoint("b:22", There::kInSync)}));
    CHECK(after.find("Reconciling") == nullptr);
    CHECK(told(after, "Stalled") == Told{ConditionStatus::kTrue, Reason::kAuthenticationFailed});
}

TEST_CASE("a suspended binding says so and keeps what is known", "[binding][status]") {
    PassRecord suspended;
    suspended.suspended = true;
    SECTION("of a sound one") {
        api::CertificateBinding binding = kBinding;
        binding.status = statusOf(recordOf({endpoint("a:22", There::kInSync)}));
        const auto status = binding::makeStatus(binding, suspended, kNow);
        CHECK(told(status, "Ready") == Told{ConditionStatus::kUnknown, Reason::kSuspended});
        CHECK(told(status, "Deployed") == kTrueInSync);
        CHECK(status.endpoints == binding.status.endpoints);
        CHECK(status.find("Stalled") == nullptr);
        CHECK(status.find("Reconciling") == nullptr);
    }
    SECTION("of a failing one, Ready stays False") {
        api::CertificateBinding binding = kBinding;
        binding.status = statusOf(recordOf({endpoint("a:22", There::kUnreachable)}));
        const auto status = binding::makeStatus(binding, suspended, kNow);
        CHECK(told(status, "Ready") == Told{ConditionStatus::kFalse, Reason::kSuspended});
        CHECK(told(status, "Deployed") == Told{ConditionStatus::kFalse, Reason::kUnreachable});
    }
}

TEST_CASE("the time of a deployment is kept until the next one that succeeds", "[binding][status]") {
    EndpointResult deployed = endpoint("a:22", There::kInSync);
    deployed.acted = deployed.changed = true;
    api::CertificateBinding binding = kBinding;
    binding.status = statusOf(recordOf({deployed}));
    CHECK(binding.status.endpoint("a:22")->lastDeployTime == kNow);
    const auto kept = [&](const EndpointResult& result) {
        return binding::makeStatus(binding, recordOf({result}), kNow + 1h).endpoint("a:22")->lastDeployTime;
    };
    CHECK(kept(endpoint("a:22", There::kInSync)) == kNow);
    CHECK(kept(endpoint("a:22", There::kUnreachable)) == kNow);
    CHECK(kept(failed("a:22", Reason::kReloadFailed, true)) == kNow);
    CHECK(kept(deployed) == kNow + 1h);
}

TEST_CASE("an endpoint that cannot be looked at keeps the fingerprint that was last seen there", "[binding][status]") {
    api::CertificateBinding binding = kBinding;
    binding.status = statusOf(recordOf({endpoint("a:22", There::kInSync)}));
    const auto status = binding::makeStatus(binding, recordOf({endpoint("a:22", There::kUnreachable)}), kNow);
    CHECK(status.endpoint("a:22")->deployedFingerprintSHA256 == kWanted.fingerprintSHA256);
}

TEST_CASE("many failures make a message of a few, and no message outgrows the schema", "[binding][status]") {
    std::vector<EndpointResult> many;
    for (int i = 0; i < 6; ++i) {
        many.push_back(endpoint("h" + std::to_string(i), There::kUnreachable));
    }
    many[0].error = base::Error(Reason::kUnreachable, std::string(50'000, 'x') + "ü");
    many[1].error = base::Error(Reason::kUnreachable, "ü" + std::string(3'997, 'x') + "üüü");
    const auto status = statusOf(recordOf(many));
    CHECK(messageOf(status, "Ready").size() <= 32'768);
    CHECK(status.endpoints[0].message.size() <= 4'096);
    CHECK(status.endpoints[1].message == "ü" + std::string(3'997, 'x') + "…");
    many[0].error = base::Error(Reason::kUnreachable, "no route");
    CHECK_THAT(messageOf(statusOf(recordOf(many)), "Ready"), CERTBINDER_CONTAINS("and 3 more"));
}

TEST_CASE("what time can heal decides before what needs a change", "[binding][status]") {
    PassRecord record =
        recordOf({failed("a:22", Reason::kConfigTestFailed, false), endpoint("b:22", There::kUnreachable)});
    REQUIRE(binding::decidingError(record) != nullptr);
    CHECK(binding::decidingError(record)->reason() == Reason::kUnreachable);
    record.endpoints.pop_back();
    CHECK(binding::decidingError(record)->reason() == Reason::kConfigTestFailed);
    record.spec = base::Error(Reason::kConflict, "claimed");
    CHECK(binding::decidingError(record)->reason() == Reason::kConflict);
    CHECK(binding::decidingError(recordOf({endpoint("a:22", There::kInSync)})) == nullptr);
}

TEST_CASE("the annotation that asked for a pass is noted as handled", "[binding][status]") {
    api::CertificateBinding binding = kBinding;
    binding.metadata.annotations[api::kReconcileAnnotation] = "once";
    CHECK(binding::makeStatus(binding, recordOf({}), kNow).lastHandledReconcileAt == "once");
}
