#include "binding/events.h"

#include <string>
#include <vector>

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using api::EndpointState;
using base::Reason;
using Words = std::vector<std::string>;

namespace {

const base::WallTime kNow = *base::parseTime("2026-11-22T08:00:00Z");
const certificate::CertificateInfo kWanted = test::certificateNamed('b');

/// A pass over one endpoint that was in `before` and is acted on because of `why`.
struct Scene {
    binding::Why why = binding::Why::kRenewed;
    EndpointState before = EndpointState::kInSync;
    bool acted = true;
    bool rolledBack = false;
    std::optional<base::Error> error;
    char certificateBefore = 'b';
    bool tellExpiry = false;
    std::optional<Reason> readyBefore;

    Words events() const {
        binding::EndpointResult result;
        result.endpoint = {"a:22", {"a:22"}};
        result.step = binding::Step{"a:22", targets::Action::kDeploy, why, "", "", "something else changed it", {}};
        result.acted = acted;
        result.changed = acted && (!error || rolledBack);
        result.rolledBack = rolledBack;
        result.error = error;
        binding::PassRecord record;
        record.sourced = sources::Sourced{"shop-tls", test::bundleOf(kWanted)};
        record.endpoints = {result};
        api::CertificateBinding one = test::nginxBinding({"a"});
        api::EndpointStatus endpoint;
        endpoint.name = "a:22";
        endpoint.state = before;
        one.status.endpoints = {endpoint};
        one.status.certificate = api::CertificateStatus{};
        one.status.certificate->fingerprintSHA256 = test::fingerprintOf(certificateBefore);
        if (readyBefore) {
            one.status.conditions = {{"Ready", api::ConditionStatus::kFalse, *readyBefore, "", kNow, 1}};
        }
        const api::Status after = binding::makeStatus(one, record, kNow);
        Words words;
        for (const objects::Event& event : binding::eventsOf(one, record, one.status, after, tellExpiry)) {
            CHECK(event.binding == one.metadata.key);
            CHECK_FALSE(event.message.empty());
            words.push_back((event.type == objects::EventType::kWarning ? "!" : "") + event.reason);
        }
        return words;
    }
};

base::Error failure() {
    return {Reason::kConfigTestFailed, "nginx: [emerg] unknown directive"};
}

}  // namespace

TEST_CASE("a renewed certificate and its deployment are told", "[binding][events]") {
    Scene scene;
    scene.certificateBefore = 'a';
    CHECK(scene.events() == Words{"SourceRenewed", "Deployed"});
}

TEST_CASE("drift is told when it is found and when it is mended", "[binding][events]") {
    Scene scene;
    scene.why = binding::Why::kDrifted;
    CHECK(scene.events() == Words{"!DriftDetected", "DriftCorrected"});
    SECTION("but found again at each pass it is told once") {
        scene.before = EndpointState::kFailed;
        scene.readyBefore = Reason::kConfigTestFailed;
        scene.error = failure();
        CHECK(scene.events().empty());
    }
}

TEST_CASE("a roll-back is told once for a certificate", "[binding][events]") {
    Scene scene;
    scene.error = failure();
    scene.rolledBack = true;
    CHECK(scene.events() == Words{"!RolledBack", "!ConfigTestFailed"});
    scene.before = EndpointState::kRolledBack;
    scene.readyBefore = Reason::kConfigTestFailed;
    CHECK(scene.events().empty());
    scene.certificateBefore = 'a';
    CHECK(scene.events() == Words{"SourceRenewed", "!RolledBack"});
}

TEST_CASE("a failure is told when its reason changes", "[binding][events]") {
    Scene scene;
    scene.error = failure();
    CHECK(scene.events() == Words{"!ConfigTestFailed"});
    scene.readyBefore = Reason::kUnreachable;
    CHECK(scene.events() == Words{"!ConfigTestFailed"});
    scene.readyBefore = Reason::kConfigTestFailed;
    CHECK(scene.events().empty());
}

TEST_CASE("a certificate that ends soon is told when asked", "[binding][events]") {
    Scene scene;
    scene.acted = false;
    scene.tellExpiry = true;
    CHECK(scene.events() == Words{"!CertificateExpiring"});
}

TEST_CASE("a certificate expires soon in the last fifth of its life", "[binding][events]") {
    api::CertificateStatus certificate;
    certificate.notBefore = kNow;
    certificate.notAfter = kNow + 100h;
    CHECK_FALSE(binding::isExpiring(certificate, kNow + 80h));
    CHECK(binding::isExpiring(certificate, kNow + 80h + 1s));
    CHECK(binding::isExpiring(certificate, kNow + 200h));
}

TEST_CASE("suspending a failing binding is no failure to tell", "[binding][events]") {
    api::CertificateBinding one = test::nginxBinding({"a"});
    one.status.conditions = {{"Ready", api::ConditionStatus::kFalse, Reason::kUnreachable, "", kNow, 1},
                             {"Deployed", api::ConditionStatus::kFalse, Reason::kUnreachable, "", kNow, 1}};
    binding::PassRecord record;
    record.suspended = true;
    CHECK(binding::eventsOf(one, record, one.status, binding::makeStatus(one, record, kNow), false).empty());
}
