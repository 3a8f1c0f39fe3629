#include "binding/plan.h"

#include <functional>
#include <string>
#include <vector>

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using binding::Why;
using targets::Action;
using targets::Held;
using targets::Observation;
using targets::ProbeState;

namespace {

const base::WallTime kNow = *base::parseTime("2026-11-22T08:00:00Z");
const certificate::CertificateInfo kWanted = test::certificateNamed('b');
const certificate::CertificateInfo kOld = test::certificateNamed('a', *base::parseTime("2026-08-30T00:00:00Z"));
const certificate::CertificateInfo kNewer = test::certificateNamed('c', *base::parseTime("2026-11-20T00:00:00Z"));

/// What a full look sees; `served` null: the probe is turned off.
Observation looked(const certificate::CertificateInfo* deployed, const certificate::CertificateInfo* served) {
    Observation seen;
    seen.looked = true;
    if (deployed != nullptr) {
        seen.deployed = Held::of(*deployed);
    }
    if (served != nullptr) {
        seen.probe = ProbeState::kServed;
        seen.served = *served;
    }
    return seen;
}

Observation handshake(const certificate::CertificateInfo& served) {
    Observation seen = looked(nullptr, &served);
    seen.looked = false;
    return seen;
}

Observation with(Observation seen, const std::function<void(Observation&)>& change) {
    change(seen);
    return seen;
}

binding::Step plan(const Observation& seen, const std::string& recorded = "", bool allowDowngrade = false) {
    return binding::planStep("web:22", {kWanted, seen, recorded, allowDowngrade, kNow});
}

}  // namespace

TEST_CASE("an endpoint is named once in a message", "[binding][plan]") {
    CHECK(binding::at("10.0.0.4:22", "no answer") == "10.0.0.4:22: no answer");
    CHECK(binding::at("10.0.0.4:22", "host 10.0.0.4:22: no answer") == "host 10.0.0.4:22: no answer");
}

TEST_CASE("each observation leads to one step", "[binding][plan]") {
    struct Case {
        const char* what;
        Observation seen;
        std::string recorded;
        Action action;
        Why why;
    };
    const std::string a = kOld.fingerprintSHA256;
    const std::string b = kWanted.fingerprintSHA256;
    const auto fault = [](Observation& seen) { seen.faults = {"the key belongs to another certificate"}; };
    const auto interrupted = [](Observation& seen) { seen.interrupted = true; };
    const auto noHandshake = [](Observation& seen) {
        seen.probe = ProbeState::kFailed;
        seen.probeError = base::Error(base::Reason::kUnreachable, "connection refused");
    };
    const std::vector<Case> cases{
        {"in sync by a handshake alone", handshake(kWanted), b, Action::kNone, Why::kInSync},
        {"in sync by a full look", looked(&kWanted, &kWanted), b, Action::kNone, Why::kInSync},
        {"in sync although never recorded", looked(&kWanted, &kWanted), "", Action::kNone, Why::kInSync},
        {"deployed where no probe can be made", looked(&kWanted, nullptr), b, Action::kNone, Why::kInSync},
        {"an empty place", looked(nullptr, nullptr), "", Action::kDeploy, Why::kFirstDeployment},
        {"somebody else's certificate", looked(&kOld, &kOld), "", Action::kDeploy, Why::kFirstDeployment},
        {"the certificate before", looked(&kOld, &kOld), a, Action::kDeploy, Why::kRenewed},
        {"another one than recorded", looked(&kOld, &kOld), b, Action::kDeploy, Why::kDrifted},
        {"nothing where one was recorded", looked(nullptr, nullptr), b, Action::kDeploy, Why::kDrifted},
        {"the right one with a fault", with(looked(&kWanted, &kWanted), fault), b, Action::kDeploy, Why::kDrifted},
        {"a fault without a probe", with(looked(&kWanted, nullptr), fault), b, Action::kDeploy, Why::kDrifted},
        {"a fault on a place that is new", with(looked(&kOld, &kOld), fault), "", Action::kDeploy,
         Why::kFirstDeployment},
        {"cut off midway", with(looked(&kOld, &kOld), interrupted), a, Action::kDeploy, Why::kInterrupted},
        {"cut off at the end", with(looked(&kWanted, &kWanted), interrupted), b, Action::kDeploy, Why::kInterrupted},
        {"deployed and not served", looked(&kWanted, &kOld), b, Action::kActivate, Why::kNotServed},
        {"deployed and unreachable", with(looked(&kWanted, nullptr), noHandshake), b, Action::kActivate,
         Why::kNotServed},
    };
    for (const Case& one : cases) {
        INFO(one.what);
        const binding::Step step = plan(one.seen, one.recorded);
        CHECK(step.action == one.action);
        CHECK(step.why == one.why);
        CHECK(step.endpoint == "web:22");
        CHECK(step.toSHA256 == b);
        CHECK_FALSE(step.message.empty());
        CHECK_FALSE(step.error.has_value());
    }
}

TEST_CASE("a step says what is there and what comes in its place", "[binding][plan]") {
    CHECK(plan(looked(&kOld, &kOld), kOld.fingerprintSHA256).fromSHA256 == kOld.fingerprintSHA256);
    CHECK(plan(looked(nullptr, nullptr)).fromSHA256.empty());
    CHECK(plan(handshake(kWanted)).fromSHA256 == kWanted.fingerprintSHA256);
    CHECK_THAT(plan(looked(&kWanted, &kOld)).message, CERTBINDER_CONTAINS("aaaaaaaaaaaaaaaa"));
    auto broken = looked(&kOld, &kOld);
    broken.faults = {"the listener is stopped", "the link is gone"};
    CHECK_THAT(plan(broken, kOld.fingerprintSHA256).message,
               CERTBINDER_CONTAINS("the listener is stopped; the link is gone"));
    // What certbinder never deployed need not be as it leaves things.
    CHECK(plan(broken).message == "replaces a certificate that certbinder did not deploy");
}

TEST_CASE("a certificate known by its SHA-1 alone is recognised", "[binding][plan]") {
    Observation seen = looked(&kWanted, &kWanted);
    seen.deployed->fingerprintSHA256.clear();
    CHECK(plan(seen).action == Action::kNone);
    CHECK(plan(seen).fromSHA256 == kWanted.fingerprintSHA256);
    seen.deployed->fingerprintSHA1.clear();
    CHECK(plan(seen).action == Action::kDeploy);
}

TEST_CASE("an older certificate never replaces a valid newer one unless that is allowed", "[binding][plan]") {
    Observation seen = looked(&kNewer, &kNewer);
    SECTION("both dates are earlier: refused") {
        const binding::Step step = plan(seen, kNewer.fingerprintSHA256);
        CHECK(step.action == Action::kRefuse);
        CHECK(step.why == Why::kDowngrade);
        REQUIRE(step.error.has_value());
        CHECK(step.error->reason() == base::Reason::kDowngradeRefused);
        CHECK_THAT(step.message, CERTBINDER_CONTAINS("allowDowngrade"));
    }
    SECTION("allowed: deployed") {
        CHECK(plan(seen, "", true).action == Action::kDeploy);
    }
    SECTION("the newer one has ended: deployed") {
        seen.deployed->notAfter = kNow;
        CHECK(plan(seen).action == Action::kDeploy);
    }
    SECTION("what is there began earlier, though it ends later: no downgrade") {
        seen.deployed->notBefore = kWanted.notBefore;
        CHECK(plan(seen).action == Action::kDeploy);
    }
    SECTION("what is there ends at the same moment: no downgrade") {
        seen.deployed->notAfter = kWanted.notAfter;
        CHECK(plan(seen).action == Action::kDeploy);
    }
    SECTION("an unknown begin counts as later") {
        seen.deployed->notBefore.reset();
        CHECK(plan(seen).action == Action::kRefuse);
    }
    SECTION("an unknown end refuses nothing") {
        seen.deployed->notAfter.reset();
        CHECK(plan(seen).action == Action::kDeploy);
    }
    SECTION("a cut-off transaction does not make it right") {
        seen.interrupted = true;
        CHECK(plan(seen).action == Action::kRefuse);
    }
    SECTION("where nothing is deployed, as at a new SNI extension, nothing is downgraded") {
        seen.deployed.reset();
        CHECK(plan(seen).action == Action::kDeploy);
    }
}

TEST_CASE("the words of steps are part of the interface", "[binding][plan]") {
    CHECK(binding::toString(Why::kInSync) == "InSync");
    CHECK(binding::toString(Why::kFirstDeployment) == "FirstDeployment");
    CHECK(binding::toString(Why::kRenewed) == "Renewed");
    CHECK(binding::toString(Why::kDrifted) == "Drifted");
    CHECK(binding::toString(Why::kInterrupted) == "Interrupted");
    CHECK(binding::toString(Why::kNotServed) == "NotServed");
    CHECK(binding::toString(Why::kDowngrade) == "DowngradeRefused");
    CHECK(binding::toString(Action::kNone) == "None");
    CHECK(binding::toString(Action::kDeploy) == "Deploy");
    CHECK(binding::toString(Action::kActivate) == "Activate");
    CHECK(binding::toString(Action::kRefuse) == "Refuse");
}
