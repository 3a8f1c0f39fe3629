#include "targets/nginx/nginx_target.h"

#include <future>

#include "targets/nginx/world.h"

namespace certbinder::targets::nginx {

using base::Reason;
using test::makePair;
using test::messageOf;
using test::World;

TEST_CASE("an endpoint is a host's SSH side, and claims the paths of certificate and key there", "[nginx]") {
    World world;
    world.spec().hosts.push_back({"fd00::7", 2222, std::nullopt});
    const auto endpoints = world.target.endpoints(world.binding);
    REQUIRE(endpoints.size() == 2);
    CHECK(endpoints[0].name == "10.0.0.4:22");
    CHECK(endpoints[0].claims == std::vector<std::string>{"nginx/10.0.0.4:22/etc/nginx/ssl/shop.pem",
                                                          "nginx/10.0.0.4:22/etc/nginx/ssl/shop.key"});
    CHECK(endpoints[1].name == "[fd00::7]:2222");
}

TEST_CASE("a spec that this target cannot carry out is refused in a sentence", "[nginx]") {
    World world;
    CHECK_FALSE(world.target.check(world.binding));
    std::string words;
    SECTION("sudo") {
        world.spec().sudo = true;
        words = "logs in directly as a user who may write the files";
    }
    SECTION("a jump host") {
        world.spec().ssh.jumpHost = api::JumpHost{"10.0.0.1", 22, "jump", "jump-ssh"};
        words = "jumpHost";
    }
    SECTION("a path of the system") {
        world.spec().privateKeyPath = "/etc/shadow";
        words = "privateKeyPath /etc/shadow";
    }
    SECTION("a relative path") {
        world.spec().certificatePath = "ssl/shop.pem";
        words = "absolute";
    }
    SECTION("one file for both") {
        world.spec().privateKeyPath = world.spec().certificatePath;
        words = "same file";
    }
    SECTION("no command") {
        world.spec().reloadCommand.clear();
        words = "reloadCommand";
    }
    SECTION("a host twice") {
        world.spec().hosts.push_back(world.spec().hosts.front());
        words = "twice";
    }
    const auto error = world.target.check(world.binding);
    REQUIRE(error);
    CHECK(error->reason() == Reason::kInvalidSpec);
    CHECK_THAT(error->message(), CERTBINDER_CONTAINS(words));
}

TEST_CASE("the regular look is a handshake alone", "[nginx]") {
    World world;
    const auto pair = makePair();
    world.putPlain(*pair);
    const auto seen = world.observe(pair, Look::kServed);
    REQUIRE(seen);
    CHECK_FALSE(seen->looked);
    CHECK(seen->probe == ProbeState::kServed);
    CHECK(seen->served->fingerprintSHA256 == pair->leaf.fingerprintSHA256);
    CHECK(world.connector.logins().empty());
    world.nginx.silent = true;
    const auto failed = world.observe(pair, Look::kServed);
    CHECK(failed->probe == ProbeState::kFailed);
    CHECK(failed->probeError->reason() == Reason::kUnreachable);
}

TEST_CASE("without a probe the regular look goes over SSH", "[nginx]") {
    World world;
    const auto pair = makePair();
    world.putPlain(*pair);
    world.spec().probe.enabled = false;
    const auto seen = world.observe(pair, Look::kServed);
    CHECK(seen->looked);
    CHECK(seen->probe == ProbeState::kDisabled);
    CHECK(world.nginx.handshakes == 0);
}

TEST_CASE("a host's own probe stands in for the common one", "[nginx]") {
    World world;
    const auto pair = makePair();
    CHECK(world.observe(pair, Look::kServed));
    CHECK(world.nginx.places.back().address == "10.0.0.4");
    CHECK(world.nginx.places.back().port == 443);
    CHECK(world.nginx.places.back().serverName == "shop.example.com");
    api::ProbeSpec own;
    own.address = "203.0.113.9";
    own.port = 8443;
    own.serverName = "www.example.com";
    world.spec().hosts.front().probe = own;
    CHECK(world.observe(pair, Look::kServed));
    CHECK(world.nginx.places.back().address == "203.0.113.9");
    CHECK(world.nginx.places.back().port == 8443);
    CHECK(world.nginx.places.back().serverName == "www.example.com");
}

TEST_CASE("a full look changes nothing and says what is wrong", "[nginx]") {
    World world;
    const auto pair = makePair();
    const auto other = makePair();
    CHECK_FALSE(world.observe(pair)->deployed);
    world.putPlain(*pair, 0644);
    world.machine->put(World::kPrivateKey, other->keyPem.reveal(), 0644);
    const auto seen = world.observe(pair);
    REQUIRE(seen);
    CHECK(seen->looked);
    CHECK(seen->deployed->fingerprintSHA256 == pair->leaf.fingerprintSHA256);
    CHECK(seen->deployed->notAfter == pair->leaf.notAfter);
    std::string faults;
    for (const std::string& fault : seen->faults) {
        faults += fault + "\n";
    }
    CHECK_THAT(faults, CERTBINDER_CONTAINS("does not belong") && CERTBINDER_CONTAINS("0644") &&
                           CERTBINDER_CONTAINS("is not the link"));
    CHECK(faults.find("BEGIN") == std::string::npos);
    CHECK(world.machine->journal().empty());
}

TEST_CASE("a host that left the binding meanwhile is not touched", "[nginx]") {
    World world;
    const auto pair = makePair();
    const Endpoint gone{"10.9.9.9:22", {}};
    const TargetRequest request{world.binding, world.secrets, *pair, {}};
    CHECK(world.target.observe(request, gone, Look::kFull, {}).error().reason() == Reason::kTargetNotFound);
    CHECK(world.target.act(request, gone, Action::kDeploy, {}).error->reason() == Reason::kTargetNotFound);
    CHECK(world.connector.logins().empty());
}

TEST_CASE("missing credentials are named", "[nginx]") {
    World world;
    world.secrets.clear();
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == Reason::kCredentialsNotFound);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("web-ssh"));
}

TEST_CASE("neither none nor a refusal is acted on", "[nginx]") {
    World world;
    CHECK_FALSE(world.deploy(makePair(), Action::kNone).changed);
    CHECK_FALSE(world.deploy(makePair(), Action::kRefuse).changed);
    CHECK(world.connector.logins().empty());
}

TEST_CASE("two deployments to one host happen one after the other", "[nginx]") {
    World world;
    const auto pair = makePair();
    world.putPlain(*makePair());
    auto first = std::async(std::launch::async, [&] { return messageOf(world.deploy(pair)); });
    auto second = std::async(std::launch::async, [&] { return messageOf(world.deploy(pair)); });
    CHECK(first.get() == "");
    CHECK(second.get() == "");
    CHECK(world.nginx.reloads == 1);  // the second one found the work done
}

}  // namespace certbinder::targets::nginx
