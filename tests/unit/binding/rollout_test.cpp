#include "binding/rollout.h"

#include "support/test.h"

using namespace certbinder;
using binding::Candidate;
using binding::planWaves;
using binding::Waves;
using binding::Why;
using targets::Action;

namespace {

Candidate renewed() {
    return {Action::kDeploy, Why::kRenewed, false, false, false};
}
Candidate failed() {
    return {Action::kDeploy, Why::kRenewed, false, true, false};
}
Candidate done() {
    return {Action::kNone, Why::kInSync, true, false, true};
}
Candidate unreachable() {
    return {};
}
Candidate drifted(bool knownThere) {
    return {Action::kDeploy, Why::kDrifted, knownThere, false, false};
}

api::RolloutSpec rollout(int canary, int value, bool percent = false) {
    return {canary, {value, percent}};
}

}  // namespace

TEST_CASE("a new certificate goes to the canary, then in waves", "[binding][rollout]") {
    const std::vector<Candidate> five(5, renewed());
    CHECK(planWaves(five, rollout(1, 2)) == Waves{{0}, {1, 2}, {3, 4}});
    CHECK(planWaves(five, rollout(2, 2)) == Waves{{0, 1}, {2, 3}, {4}});
    CHECK(planWaves(five, rollout(0, 3)) == Waves{{0, 1, 2}, {3, 4}});
    CHECK(planWaves(five, rollout(9, 3)) == Waves{{0, 1, 2, 3, 4}});
    CHECK(planWaves({}, rollout(1, 2)).empty());
}

TEST_CASE("a percentage is of all hosts, rounded up, and at least one", "[binding][rollout]") {
    CHECK(planWaves(std::vector<Candidate>(9, renewed()), rollout(1, 25, true)) ==
          Waves{{0}, {1, 2, 3}, {4, 5, 6}, {7, 8}});
    CHECK(planWaves(std::vector<Candidate>(3, renewed()), rollout(1, 1, true)) == Waves{{0}, {1}, {2}});
    CHECK(planWaves(std::vector<Candidate>(3, renewed()), rollout(1, 100, true)) == Waves{{0}, {1, 2}});
    CHECK(planWaves(std::vector<Candidate>(2, renewed()), rollout(1, 0)) == Waves{{0}, {1}});
    // Hosts that need nothing count for the percentage all the same.
    CHECK(planWaves({done(), done(), renewed(), renewed()}, rollout(1, 50, true)) == Waves{{2, 3}});
}

TEST_CASE("once a host serves the certificate no canary is needed", "[binding][rollout]") {
    CHECK(planWaves({renewed(), done(), renewed(), renewed()}, rollout(1, 3)) == Waves{{0, 2, 3}});
}

TEST_CASE("drift from the very certificate is repaired everywhere at once", "[binding][rollout]") {
    CHECK(planWaves({drifted(true), drifted(true), drifted(true)}, rollout(1, 1)) == Waves{{0, 1, 2}});
    CHECK(planWaves({{Action::kActivate, Why::kNotServed, true, false, false}, renewed()}, rollout(1, 1)) ==
          Waves{{0}, {1}});
    CHECK(planWaves({{Action::kDeploy, Why::kInterrupted, false, false, false}, renewed(), renewed()}, rollout(1, 2)) ==
          Waves{{0}, {1}, {2}});
}

TEST_CASE("drift does not carry a renewed certificate past the canary", "[binding][rollout]") {
    CHECK(planWaves({drifted(false), drifted(false), drifted(false)}, rollout(1, 2)) == Waves{{0}, {1, 2}});
}

TEST_CASE("hosts that failed come first and alone", "[binding][rollout]") {
    CHECK(planWaves({renewed(), failed(), renewed()}, rollout(1, 2)) == Waves{{1}, {0, 2}});
    CHECK(planWaves({done(), failed(), renewed()}, rollout(1, 2)) == Waves{{1}, {2}});
}

TEST_CASE("hosts that all failed before are not tried again all at once", "[binding][rollout]") {
    CHECK(planWaves(std::vector<Candidate>(5, failed()), rollout(1, 2)) == Waves{{0}, {1, 2}, {3, 4}});
}

TEST_CASE("hosts with nothing to do, or that cannot be looked at, are in no wave", "[binding][rollout]") {
    CHECK(planWaves({unreachable(), renewed(), {Action::kRefuse, Why::kDowngrade, false, false, false}},
                    rollout(1, 1)) == Waves{{1}});
    CHECK(planWaves({done(), done()}, rollout(1, 1)).empty());
}

TEST_CASE("what the next host may share halts a rollout, what is the host's own does not", "[binding][rollout]") {
    using base::Reason;
    for (const Reason reason : {Reason::kConfigTestFailed, Reason::kReloadFailed, Reason::kServedCertificateDiffers,
                                Reason::kRolledBack, Reason::kInvalidCertificate}) {
        CHECK(binding::haltsRollout(reason));
    }
    for (const Reason reason : {Reason::kUnreachable, Reason::kHostKeyMismatch, Reason::kAuthenticationFailed,
                                Reason::kPermissionDenied, Reason::kDowngradeRefused, Reason::kThrottled}) {
        CHECK_FALSE(binding::haltsRollout(reason));
    }
}
