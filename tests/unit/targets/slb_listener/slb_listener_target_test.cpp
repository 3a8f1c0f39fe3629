#include "targets/slb_listener/slb_listener_target.h"

#include "fixture.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets;
using base::Reason;
using test::Fixture;

TEST_CASE("an endpoint is named and claimed by load balancer, port and domain", "[slb][target]") {
    Fixture f;
    CHECK(f.endpoint().name == "lb-1:443");
    CHECK(f.endpoint().claims == std::vector<std::string>{"slb/cn-test/lb-1:443"});
    f.spec().serverName = "Shop.example.com";
    CHECK(f.endpoint().name == "lb-1:443/Shop.example.com");
    CHECK(f.endpoint().claims == std::vector<std::string>{"slb/cn-test/lb-1:443/shop.example.com"});
}

TEST_CASE("a look tells what is deployed and what is served, and changes nothing", "[slb][target]") {
    Fixture f;
    const auto seen = f.observe();
    REQUIRE(seen);
    CHECK(seen->looked);
    REQUIRE(seen->deployed);
    CHECK_FALSE(seen->deployed->is(f.wanted.leaf));
    CHECK(seen->deployed->notAfter);
    CHECK(seen->faults.empty());
    CHECK(seen->serverCertificateID == f.listener().certificateID);
    CHECK(seen->probe == ProbeState::kServed);
    REQUIRE(seen->served);
    CHECK(seen->served->fingerprintSHA1 == seen->deployed->fingerprintSHA1);
    CHECK(f.cloud.writes() == 0);
    CHECK(f.prober.places().front().address == "203.0.113.7");
}

TEST_CASE("a hundred bindings of an account are looked at with one listing of each kind", "[slb][target]") {
    Fixture f;
    for (int i = 0; i < 100; ++i) {
        f.cloud.balancers["lb-" + std::to_string(i)].listeners[443].certificateID = f.listener().certificateID;
    }
    const base::SteadyTime pass = f.clock.steadyNow();
    for (int i = 0; i < 100; ++i) {
        f.spec().loadBalancerID = "lb-" + std::to_string(i);
        REQUIRE(f.target.observe({f.binding, f.secrets, f.wanted, pass}, f.endpoint(), Look::kFull, {}));
    }
    CHECK(f.transport.requestCount() <= 5);
}

TEST_CASE("a stopped listener is a fault, and no handshake is waited for", "[slb][target]") {
    Fixture f;
    f.listener().status = "stopped";
    const auto seen = f.observe();
    REQUIRE(seen);
    CHECK(seen->faults == std::vector<std::string>{"the listener is stopped"});
    CHECK(seen->probe == ProbeState::kFailed);
    CHECK(f.prober.places().empty());
}

TEST_CASE("a certificate id that the account does not list is a fault", "[slb][target]") {
    Fixture f;
    f.cloud.certificates.clear();
    const auto seen = f.observe();
    REQUIRE(seen);
    REQUIRE(seen->deployed);
    CHECK_FALSE(seen->deployed->is(f.wanted.leaf));
    CHECK(seen->faults.size() == 1);
}

TEST_CASE("a missing load balancer and a missing listener are told apart", "[slb][target]") {
    Fixture f;
    f.spec().port = 8443;
    const auto listener = f.observe();
    REQUIRE_FALSE(listener);
    CHECK(listener.error().reason() == Reason::kTargetNotFound);
    CHECK_THAT(listener.error().message(), CERTBINDER_CONTAINS("port 8443"));

    document::Value block;
    block.set("backendServerPort", 80);
    f.spec().listener = block;
    const auto declared = f.observe();
    REQUIRE(declared);
    CHECK(declared->looked);
    CHECK_FALSE(declared->deployed);
    CHECK(declared->faults.size() == 1);

    f.spec().loadBalancerID = "lb-404";
    const auto balancer = f.observe();
    REQUIRE_FALSE(balancer);
    CHECK(balancer.error().reason() == Reason::kTargetNotFound);
    CHECK_THAT(balancer.error().message(), CERTBINDER_CONTAINS("lb-404 in cn-test"));
}

TEST_CASE("an intranet load balancer without a probe address is not probed", "[slb][target]") {
    Fixture f;
    f.cloud.balancers["lb-1"].addressType = "intranet";
    const auto seen = f.observe();
    REQUIRE(seen);
    CHECK(seen->probe == ProbeState::kDisabled);
    CHECK(f.prober.places().empty());
}

TEST_CASE("a failed handshake is part of the observation", "[slb][target]") {
    Fixture f;
    f.prober.unreachable = true;
    const auto seen = f.observe();
    REQUIRE(seen);
    CHECK(seen->probe == ProbeState::kFailed);
    REQUIRE(seen->probeError);
}

TEST_CASE("the domain's certificate is looked at where a server name is given", "[slb][target]") {
    Fixture f;
    f.spec().serverName = "shop.example.com";
    auto seen = f.observe();
    REQUIRE(seen);
    CHECK(seen->looked);
    CHECK_FALSE(seen->deployed);
    CHECK(seen->faults.empty());

    f.clock.advance(std::chrono::seconds(1));
    f.listener().extensions.push_back({"de-1", "shop.example.com", f.store(f.wanted.leaf)});
    seen = f.observe();
    REQUIRE(seen);
    REQUIRE(seen->deployed);
    CHECK(seen->deployed->is(f.wanted.leaf));
}

TEST_CASE("credentials that are missing or incomplete are named", "[slb][target]") {
    Fixture f;
    f.credentials->entries.erase("accessKeySecret");
    auto seen = f.observe();
    REQUIRE_FALSE(seen);
    CHECK(seen.error().reason() == Reason::kCredentialsInvalid);
    CHECK_THAT(seen.error().message(), CERTBINDER_CONTAINS("accessKeySecret"));
    f.secrets.clear();
    seen = f.observe();
    REQUIRE_FALSE(seen);
    CHECK(seen.error().reason() == Reason::kCredentialsNotFound);
    CHECK(f.transport.requestCount() == 0);
}

TEST_CASE("changed credentials are used at once", "[slb][target]") {
    Fixture f;
    REQUIRE(f.observe());
    f.credentials->entries["accessKeyID"] = base::SecretBytes("LTAI-second");
    REQUIRE(f.observe());
    CHECK(f.cloud.calls("DescribeLoadBalancerListeners").front().at("AccessKeyId") == "LTAI-test");
    CHECK(f.cloud.calls("DescribeLoadBalancerListeners").back().at("AccessKeyId") == "LTAI-second");
}

TEST_CASE("what this version does not take is refused without a call", "[slb][target]") {
    Fixture f;
    f.spec().roleARN = "acs:ram::1:role/x";
    CHECK(f.target.check(f.binding));
    const Outcome outcome = f.deploy();
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kInvalidSpec);
    CHECK(f.transport.requestCount() == 0);
}
