#include "targets/slb_listener/deployment.h"

#include <thread>

#include "fixture.h"
#include "support/test.h"
#include "targets/slb_listener/listener_plan.h"

using namespace certbinder;
using namespace certbinder::targets;
using base::Reason;
using test::Fixture;
using namespace std::chrono_literals;

namespace {

constexpr const char* kUpload = "UploadServerCertificate";
constexpr const char* kSet = "SetLoadBalancerHTTPSListenerAttribute";
constexpr const char* kCreate = "CreateLoadBalancerHTTPSListener";
constexpr const char* kStart = "StartLoadBalancerListener";

test::Fault lostAfterwards(http::Failure failure = http::Failure::kReset) {
    return {base::unexpected(test::noAnswer(failure)), true};
}

void checkDeployed(Fixture& f, const Outcome& outcome) {
    INFO((outcome.error ? outcome.error->message() : "no error"));
    REQUIRE_FALSE(outcome.error);
    CHECK(outcome.changed);
    CHECK_FALSE(outcome.rolledBack);
    CHECK(outcome.after.looked);
    REQUIRE(outcome.after.deployed);
    CHECK(outcome.after.deployed->is(f.wanted.leaf));
}

document::Value listenerBlock() {
    document::Value block;
    block.set("backendServerPort", 80).set("tlsCipherPolicy", "tls_cipher_policy_1_2");
    return block;
}

}  // namespace

TEST_CASE("a certificate is uploaded, referred to and proven", "[slb][deploy]") {
    Fixture f;
    const Outcome outcome = f.deploy();
    checkDeployed(f, outcome);
    CHECK(outcome.after.probe == ProbeState::kServed);
    REQUIRE(outcome.after.served);
    CHECK(outcome.after.served->fingerprintSHA256 == f.wanted.leaf.fingerprintSHA256);
    CHECK(outcome.after.serverCertificateID == f.listener().certificateID);

    const auto* stored = f.cloud.certificate(f.listener().certificateID);
    REQUIRE(stored != nullptr);
    CHECK(stored->name == "certbinder-" + f.wanted.leaf.fingerprintSHA256.substr(0, 16));
    CHECK(stored->tags == slb::uploadTags(f.wanted.leaf));
}

TEST_CASE("the private key travels in the form of the upload and nowhere else", "[slb][deploy]") {
    Fixture f;
    checkDeployed(f, f.deploy());
    int holders = 0;
    for (const http::Request& request : f.transport.requests()) {
        CHECK(request.url == "https://slb.cn-test.aliyuncs.com/");
        for (const auto& [name, value] : request.headers) {
            CHECK(value.find("PRIVATE") == std::string::npos);
        }
        holders += request.body.reveal().find("PrivateKey") != std::string_view::npos ? 1 : 0;
    }
    CHECK(holders == 1);
    CHECK_THAT(f.cloud.calls(kUpload).front().at("PrivateKey"), CERTBINDER_CONTAINS("BEGIN RSA PRIVATE KEY"));
}

TEST_CASE("acting twice is acting once", "[slb][deploy]") {
    Fixture f;
    checkDeployed(f, f.deploy());
    const std::size_t writes = f.cloud.writes();
    const Outcome again = f.deploy();
    CHECK_FALSE(again.error);
    CHECK_FALSE(again.changed);
    CHECK(f.cloud.writes() == writes);
}

TEST_CASE("twenty bindings that deploy one certificate at once upload it once", "[slb][deploy]") {
    Fixture f;
    for (int i = 0; i < 20; ++i) {
        test::FakeSlb::Balancer& balancer = f.cloud.balancers["lb-" + std::to_string(i)];
        balancer.address = "203.0.113." + std::to_string(i);
        balancer.listeners[443].certificateID = f.cloud.certificates[0].id;
    }
    std::atomic<int> fine{0};
    const base::SteadyTime pass = f.clock.steadyNow();
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 20; ++i) {
            threads.emplace_back([&f, &fine, i, pass] {
                api::CertificateBinding binding = f.binding;
                std::get<api::SlbListenerTarget>(binding.spec.target).loadBalancerID = "lb-" + std::to_string(i);
                const Outcome outcome = f.target.act({binding, f.secrets, f.wanted, pass},
                                                     f.target.endpoints(binding).front(), Action::kDeploy, {});
                fine += outcome.error ? 0 : 1;
            });
        }
    }
    CHECK(fine == 20);
    CHECK(f.cloud.count(kUpload) == 1);
    CHECK(f.cloud.count(kSet) == 20);
}

TEST_CASE("two domains of one load balancer are changed one after the other", "[slb][deploy]") {
    Fixture f;
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    f.transport.handle([&](const http::Request& request) {
        const bool change = request.body.reveal().find("Action=CreateDomainExtension") != std::string_view::npos;
        if (change) {
            most = std::max(most.load(), ++inside);
        }
        auto answer = f.cloud.answer(request);
        inside -= change ? 1 : 0;
        return answer;
    });
    std::atomic<int> fine{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&f, &fine, i] {
                api::CertificateBinding binding = f.binding;
                std::get<api::SlbListenerTarget>(binding.spec.target).serverName = "d" + std::to_string(i) + ".example";
                fine += f.target.act({binding, f.secrets, f.wanted, f.clock.steadyNow()},
                                     f.target.endpoints(binding).front(), Action::kDeploy, {})
                                .error
                            ? 0
                            : 1;
            });
        }
    }
    CHECK(fine == 4);
    CHECK(most == 1);
    CHECK(f.listener().extensions.size() == 4);
}

TEST_CASE("an upload whose answer is lost is found again and not repeated", "[slb][deploy]") {
    Fixture f;
    f.cloud.failNext(kUpload, lostAfterwards());
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kUpload) == 1);
    CHECK(f.cloud.certificates.size() == 2);
}

TEST_CASE("an upload that was lost on the way there is made again", "[slb][deploy]") {
    Fixture f;
    f.cloud.failNext(kUpload, {base::unexpected(test::noAnswer(http::Failure::kTimeout)), false});
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kUpload) == 2);
    CHECK(f.cloud.certificates.size() == 2);
}

TEST_CASE("an upload of an earlier life is found by its fingerprint", "[slb][deploy]") {
    Fixture f;
    const std::string id = f.store(f.wanted.leaf);
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kUpload) == 0);
    CHECK(f.listener().certificateID == id);
}

TEST_CASE("a certificate bought at the cloud is no upload to refer to", "[slb][deploy]") {
    Fixture f;
    f.store(f.wanted.leaf, true);
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kUpload) == 1);
}

TEST_CASE("changes whose answers are lost are looked for before they are repeated", "[slb][deploy]") {
    Fixture f;
    SECTION("a change of the listener") {
        f.cloud.failNext(kSet, lostAfterwards());
        checkDeployed(f, f.deploy());
        CHECK(f.cloud.count(kSet) == 1);
    }
    SECTION("a creation and a start") {
        f.cloud.balancers["lb-1"].listeners.clear();
        f.spec().listener = listenerBlock();
        f.cloud.failNext(kCreate, lostAfterwards());
        f.cloud.failNext(kStart, lostAfterwards());
        checkDeployed(f, f.deploy());
        CHECK(f.cloud.count(kCreate) == 1);
        CHECK(f.cloud.count(kStart) == 1);
    }
    SECTION("a domain") {
        f.spec().serverName = "shop.example.com";
        f.cloud.failNext("CreateDomainExtension", lostAfterwards());
        checkDeployed(f, f.deploy());
        CHECK(f.cloud.count("CreateDomainExtension") == 1);
    }
    SECTION("a change that did not take place is repeated") {
        f.cloud.refuseNext(kSet, 500, "InternalError");
        checkDeployed(f, f.deploy());
        CHECK(f.cloud.count(kSet) == 2);
    }
}

TEST_CASE("busy states are waited out", "[slb][deploy]") {
    Fixture f;
    f.cloud.refuseNext(kSet, 400, "ServiceIsConfiguring", 3);
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kSet) == 4);
}

TEST_CASE("the listener's other settings survive a service that resets what it is not told", "[slb][deploy]") {
    Fixture f;
    f.cloud.strictSet = true;
    f.listener().settings = {{"Bandwidth", "-1"},
                             {"HealthCheck", "on"},
                             {"HealthCheckDomain", "up.example"},
                             {"HealthCheckURI", "/up"},
                             {"StickySession", "on"},
                             {"StickySessionType", "insert"},
                             {"CookieTimeout", "60"},
                             {"IdleTimeout", "30"},
                             {"RequestTimeout", "90"},
                             {"Gzip", "on"},
                             {"BackendServerPort", "80"}};
    const auto before = f.listener().settings;
    checkDeployed(f, f.deploy());
    CHECK(f.listener().settings == before);
}

TEST_CASE("a setting that changed all the same is reported", "[slb][deploy]") {
    Fixture f;
    f.cloud.setChangesGzip = true;
    f.listener().settings = {{"Gzip", "on"}};
    const Outcome outcome = f.deploy();
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kInternalError);
    CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS("Gzip was \"on\" and is \"off\""));
    CHECK_FALSE(outcome.rolledBack);
}

TEST_CASE("an EC key is refused before anything is touched", "[slb][deploy]") {
    Fixture f;
    f.wanted = test::makePair("shop.example.com", 0, test::KeyKind::kP256);
    const Outcome outcome = f.deploy();
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kInvalidCertificate);
    CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS("RSA"));
    CHECK(f.cloud.writes() == 0);
}

TEST_CASE("a full store is reported with its numbers", "[slb][deploy]") {
    Fixture f;
    f.cloud.quota = 3;
    f.store(test::makePair("a.example", 2).leaf);
    f.store(test::makePair("b.example", 3).leaf);
    f.cloud.certificates.back().tags[slb::kManagedTag] = "true";
    const std::string before = f.listener().certificateID;
    const Outcome outcome = f.deploy();
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kQuotaExceeded);
    CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS("it holds 3, 1 of them uploaded by certbinder"));
    CHECK(f.listener().certificateID == before);
    CHECK_FALSE(outcome.changed);
}

TEST_CASE("a missing listener is created, started and proven where the spec says how", "[slb][deploy]") {
    Fixture f;
    f.cloud.balancers["lb-1"].listeners.clear();
    SECTION("with a listener block") {
        f.spec().listener = listenerBlock();
        checkDeployed(f, f.deploy());
        CHECK(f.listener().status == "running");
        CHECK(f.listener().settings.at("TLSCipherPolicy") == "tls_cipher_policy_1_2");
        CHECK(f.cloud.count(kStart) == 1);
    }
    SECTION("without one it is not found") {
        const Outcome outcome = f.deploy();
        REQUIRE(outcome.error);
        CHECK(outcome.error->reason() == Reason::kTargetNotFound);
        CHECK(f.cloud.writes() == 0);
    }
    SECTION("for a domain, with the certificate as the listener's own too") {
        f.spec().listener = listenerBlock();
        f.spec().serverName = "shop.example.com";
        checkDeployed(f, f.deploy());
        REQUIRE(f.listener().extensions.size() == 1);
        CHECK(f.listener().extensions[0].certificateID == f.listener().certificateID);
    }
}

TEST_CASE("an existing listener keeps its settings whatever the listener block says", "[slb][deploy]") {
    Fixture f;
    f.spec().listener = listenerBlock();
    f.listener().settings = {{"TLSCipherPolicy", "tls_cipher_policy_1_0"}};
    checkDeployed(f, f.deploy());
    CHECK(f.listener().settings.at("TLSCipherPolicy") == "tls_cipher_policy_1_0");
}

TEST_CASE("a stopped listener is started", "[slb][deploy]") {
    Fixture f;
    f.listener().status = "stopped";
    SECTION("by a deployment") {
        checkDeployed(f, f.deploy());
    }
    SECTION("by an activation") {
        f.listener().certificateID = f.store(f.wanted.leaf);
        checkDeployed(f, f.act(Action::kActivate));
        CHECK(f.cloud.count(kUpload) == 0);
        CHECK(f.cloud.count(kSet) == 0);
    }
    CHECK(f.listener().status == "running");
}

TEST_CASE("a domain's certificate leaves the listener's own alone", "[slb][deploy]") {
    Fixture f;
    const std::string own = f.listener().certificateID;
    f.spec().serverName = "shop.example.com";
    SECTION("when the domain is new") {
        checkDeployed(f, f.deploy());
        REQUIRE(f.listener().extensions.size() == 1);
        CHECK(f.listener().extensions[0].domain == "shop.example.com");
    }
    SECTION("when the domain has another certificate, beside others") {
        f.listener().extensions = {{"de-1", "other.example", own}, {"de-2", "shop.example.com", own}};
        checkDeployed(f, f.deploy());
        REQUIRE(f.listener().extensions.size() == 2);
        CHECK(f.listener().extensions[0].certificateID == own);
        CHECK(f.listener().extensions[1].certificateID != own);
    }
    CHECK(f.listener().certificateID == own);
    CHECK(f.cloud.count(kSet) == 0);
}

TEST_CASE("the data plane is given three minutes to follow", "[slb][deploy]") {
    Fixture f;
    const std::string old = f.listener().certificateID;
    const auto begin = f.clock.passed();
    f.cloud.dataPlane = [&](const std::string& referred) { return f.clock.passed() - begin > 150s ? referred : old; };
    checkDeployed(f, f.deploy());
    CHECK(f.cloud.count(kSet) == 1);
}

TEST_CASE("a certificate that clients never get is taken back", "[slb][deploy]") {
    Fixture f;
    const std::string old = f.listener().certificateID;
    f.cloud.dataPlane = [old](const std::string&) { return old; };
    const std::string served = f.earlier.leaf.fingerprintSHA256;

    SECTION("from the listener") {
        f.listener().settings = {{"HealthCheck", "on"}, {"HealthCheckDomain", "up.example"}};
        const Outcome outcome = f.deploy();
        REQUIRE(outcome.error);
        CHECK(outcome.error->reason() == Reason::kServedCertificateDiffers);
        CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS(f.wanted.leaf.fingerprintSHA256));
        CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS(served));
        CHECK(outcome.rolledBack);
        CHECK(f.listener().certificateID == old);
        CHECK(f.listener().settings.at("HealthCheckDomain") == "up.example");
        CHECK(outcome.after.looked);
        CHECK(outcome.after.serverCertificateID == old);
        REQUIRE(outcome.after.deployed);
        CHECK_FALSE(outcome.after.deployed->is(f.wanted.leaf));
    }
    SECTION("from a domain that had another") {
        f.spec().serverName = "shop.example.com";
        f.listener().extensions = {{"de-1", "shop.example.com", old}};
        const Outcome outcome = f.deploy();
        CHECK(outcome.rolledBack);
        CHECK(f.listener().extensions[0].certificateID == old);
    }
    SECTION("together with a domain that is new") {
        f.spec().serverName = "shop.example.com";
        const Outcome outcome = f.deploy();
        CHECK(outcome.rolledBack);
        CHECK(f.listener().extensions.empty());
        CHECK_FALSE(outcome.after.deployed);
    }
    SECTION("and a domain that answers for the probe's name is pointed out") {
        f.listener().extensions = {{"de-1", "*.example.com", old}};
        const Outcome outcome = f.deploy();
        CHECK(outcome.rolledBack);
        CHECK_THAT(outcome.error->message(),
                   CERTBINDER_CONTAINS("domain *.example.com; name another probe.serverName"));
    }
    SECTION("and where that fails, the error says so") {
        f.cloud.failNext(kSet, {});
        f.cloud.refuseNext(kSet, 403, "Forbidden.RAM");
        const Outcome outcome = f.deploy();
        REQUIRE(outcome.error);
        CHECK_FALSE(outcome.rolledBack);
        CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS("switching back failed"));
    }
    SECTION("but not by an activation, which brought nothing") {
        f.listener().certificateID = f.store(f.wanted.leaf);
        const Outcome outcome = f.act(Action::kActivate);
        REQUIRE(outcome.error);
        CHECK(outcome.error->reason() == Reason::kServedCertificateDiffers);
        CHECK_FALSE(outcome.rolledBack);
        CHECK(f.cloud.writes() == 0);
    }
}

TEST_CASE("a listener that cannot be reached from here keeps the new certificate", "[slb][deploy]") {
    Fixture f;
    f.prober.unreachable = true;
    const Outcome outcome = f.deploy();
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kUnreachable);
    CHECK_THAT(outcome.error->message(), CERTBINDER_CONTAINS("could not be proven from here"));
    CHECK_FALSE(outcome.rolledBack);
    CHECK(outcome.after.deployed->is(f.wanted.leaf));
    CHECK(f.clock.passed() < 60s);
}

TEST_CASE("without an address nothing is proven, and that is no error", "[slb][deploy]") {
    Fixture f;
    f.cloud.balancers["lb-1"].addressType = "intranet";
    const Outcome outcome = f.deploy();
    checkDeployed(f, outcome);
    CHECK(outcome.after.probe == ProbeState::kDisabled);
}

TEST_CASE("what has no time left says so and keeps its hands off", "[slb][deploy]") {
    Fixture f;
    const Outcome outcome =
        f.target.act(f.request(), f.endpoint(), Action::kDeploy, base::CallContext().within(0ms, f.clock));
    REQUIRE(outcome.error);
    CHECK(outcome.error->remedy() == base::Remedy::kTime);
    CHECK(f.cloud.writes() == 0);
}

TEST_CASE("no error of a deployment holds the key", "[slb][deploy]") {
    for (const char* code : {"SignatureDoesNotMatch", "IncompleteSignature", "KeyFormatError", "InvalidParameter"}) {
        Fixture f;
        f.transport.handle([&](const http::Request& request) -> base::Expected<http::Response> {
            if (request.body.reveal().find("UploadServerCertificate") == std::string_view::npos) {
                return f.cloud.answer(request);
            }
            // The gateway answers with the string that it signed, as the real one does.
            return test::refusal(400, code, "server string to sign is:" + std::string(request.body.reveal()));
        });
        const Outcome outcome = f.deploy();
        REQUIRE(outcome.error);
        CHECK(outcome.error->message().find("PrivateKey") == std::string::npos);
        CHECK(outcome.error->message().find("RSA") == std::string::npos);
    }
}
