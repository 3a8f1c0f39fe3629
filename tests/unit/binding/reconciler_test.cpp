#include "binding/reconciler.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/bindings.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_source.h"
#include "support/fake_store.h"
#include "support/fake_target.h"
#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using namespace std::chrono_literals;
using api::ConditionStatus;
using api::EndpointState;
using base::Error;
using base::Reason;
using Calls = std::vector<std::string>;

namespace {

const api::ObjectKey kShop{"default", "shop"};

/// A reconciler on fakes; the source has certificate b, the hosts have nothing.
struct World {
    /// By default one endpoint after the other, so that the order of calls is known.
    explicit World(const std::vector<std::string>& hosts = {"a"}, std::size_t atOnce = 1) {
        source.give("shop-tls", test::bundleOf(test::certificateNamed('b')));
        store.putSecret({"default", "shop-tls"});
        store.putSecret({"default", "web-ssh"});
        settings.endpointsAtOnce = atOnce;
        put(test::nginxBinding(hosts));
    }

    void put(const api::CertificateBinding& binding) {
        store.put(binding);
        reconciler().learn(binding);
    }

    void edit(const std::function<void(api::CertificateBinding&)>& how, const api::ObjectKey& key = kShop) {
        api::CertificateBinding binding = *store.binding(key);
        how(binding);
        put(binding);
    }

    binding::Reconciler& reconciler() {
        if (!made) {
            made = std::make_unique<binding::Reconciler>(store, binding::Providers{source, source, target, target},
                                                         index, clock, random, settings);
        }
        return *made;
    }

    std::chrono::milliseconds pass(const api::ObjectKey& key = kShop) {
        const auto outcome = reconciler().reconcile(key, options);
        REQUIRE(outcome.has_value());
        return outcome->again;
    }

    api::Status status(const api::ObjectKey& key = kShop) { return store.binding(key)->status; }

    api::Condition condition(const char* type, const api::ObjectKey& key = kShop) {
        const api::Status now = status(key);
        REQUIRE(now.find(type) != nullptr);
        return *now.find(type);
    }

    Calls calls() {
        Calls all = target.calls();
        target.forgetCalls();
        return all;
    }

    std::vector<std::string> events() const {
        std::vector<std::string> all;
        for (const objects::Event& event : store.events()) {
            all.push_back(event.reason);
        }
        return all;
    }

    test::FakeStore store;
    test::FakeSource source;
    test::FakeTarget target;
    test::FakeClock clock;
    test::FakeRandom random;
    binding::BindingIndex index;
    binding::ReconcilerSettings settings;
    binding::PassOptions options;
    std::unique_ptr<binding::Reconciler> made;
};

}  // namespace

TEST_CASE("a pass deploys, proves and records", "[binding][reconciler]") {
    World world({"a", "b"});
    CHECK(world.pass() == 10min);
    CHECK(world.calls() == Calls{"full a:22", "full b:22", "deploy a:22", "deploy b:22"});
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    CHECK(world.status().inSync == "2/2");
    CHECK(world.status().endpoint("b:22")->deployedFingerprintSHA256 == test::fingerprintOf('b'));
    CHECK(world.events() == std::vector<std::string>{"Deployed", "Deployed"});
}

TEST_CASE("long work shows itself while it goes on", "[binding][reconciler]") {
    World world({"a", "b"});
    world.pass();
    const auto writes = world.store.writes();
    REQUIRE(writes.size() == 3);
    CHECK(writes[0].endpoint("a:22")->state == EndpointState::kDeploying);
    CHECK(writes[0].endpoint("b:22")->state == EndpointState::kPending);
    CHECK(writes[0].find("Ready")->status == ConditionStatus::kUnknown);
    CHECK(writes[0].find("Reconciling") != nullptr);
    CHECK(writes[1].endpoint("a:22")->state == EndpointState::kInSync);
    CHECK(writes[1].endpoint("b:22")->state == EndpointState::kDeploying);
}

TEST_CASE("a pass that changes nothing writes nothing and tells nothing", "[binding][reconciler]") {
    World world({"a", "b"});
    world.pass();
    world.store.forgetHistory();
    for (int i = 0; i < 14; ++i) {
        world.clock.advance(10min);
        world.pass();
    }
    CHECK(world.store.writes().empty());
    CHECK(world.store.events().empty());
}

TEST_CASE("the regular look is a handshake, every sixth a full one", "[binding][reconciler]") {
    World world;
    world.pass();
    world.calls();
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 5; ++i) {
            world.pass();
            CHECK(world.calls() == Calls{"served a:22"});
        }
        world.pass();
        CHECK(world.calls() == Calls{"full a:22"});
    }
}

TEST_CASE("bindings look closely at different times after a start", "[binding][reconciler]") {
    World world;
    world.pass();
    world.made.reset();
    const test::FakeRandom late(0.99);
    binding::Reconciler restarted(world.store, {world.source, world.source, world.target, world.target}, world.index,
                                  world.clock, const_cast<test::FakeRandom&>(late), world.settings);
    world.calls();
    restarted.reconcile(kShop, {});
    CHECK(world.calls() == Calls{"full a:22"});
}

TEST_CASE("what the handshake shows to differ is looked at closely and repaired", "[binding][reconciler]") {
    World world({"a", "b"});
    world.pass();
    world.calls();
    world.target.change("a:22", [](auto& site) { site.deployed = site.served = test::certificateNamed('x'); });
    world.pass();
    CHECK(world.calls() == Calls{"served a:22", "full a:22", "served b:22", "deploy a:22"});
    const std::vector<std::string> told = world.events();
    CHECK(std::count(told.begin(), told.end(), "DriftDetected") == 1);
    CHECK(std::count(told.begin(), told.end(), "DriftCorrected") == 1);
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
}

TEST_CASE("what is deployed and not served is activated", "[binding][reconciler]") {
    World world;
    world.pass();
    world.calls();
    world.target.change("a:22", [](auto& site) { site.served = test::certificateNamed('x'); });
    world.pass();
    CHECK(world.calls() == Calls{"served a:22", "full a:22", "activate a:22"});
}

TEST_CASE("a renewed certificate is looked into closely and deployed, canary first", "[binding][reconciler]") {
    World world({"a", "b", "c"});
    world.pass();
    world.calls();
    world.source.give("shop-tls",
                      test::bundleOf(test::certificateNamed('c', *base::parseTime("2026-11-20T00:00:00Z"))));
    world.pass();
    CHECK(world.calls() == Calls{"full a:22", "full b:22", "full c:22", "deploy a:22", "deploy b:22", "deploy c:22"});
    CHECK(world.status().certificate->fingerprintSHA256 == test::fingerprintOf('c'));
    CHECK(world.events() == std::vector<std::string>{"Deployed", "Deployed", "Deployed", "SourceRenewed", "Deployed",
                                                     "Deployed", "Deployed"});
}

TEST_CASE("one endpoint that fails delays no other", "[binding][reconciler]") {
    World world({"a", "b", "c"});
    SECTION("when it cannot be looked at") {
        world.target.change("a:22", [](auto& site) { site.lookError = Error(Reason::kUnreachable, "no route"); });
    }
    SECTION("when it cannot be acted on") {
        world.target.change("a:22", [](auto& site) { site.actError = Error(Reason::kPermissionDenied, "read-only"); });
    }
    SECTION("when the code for it has a defect") {
        world.target.onObserve = [](const targets::Endpoint& endpoint) {
            if (endpoint.name == "a:22") {
                throw std::logic_error("out of range");
            }
        };
    }
    SECTION("when the defect shows while acting") {
        world.target.onAct = [](const targets::Endpoint& endpoint, const base::CallContext&) {
            if (endpoint.name == "a:22") {
                throw std::logic_error("out of range");
            }
        };
    }
    world.pass();
    CHECK(world.status().inSync == "2/3");
    CHECK(world.status().endpoint("a:22")->state == EndpointState::kFailed);
    CHECK(world.status().endpoint("b:22")->state == EndpointState::kInSync);
    CHECK(world.status().endpoint("c:22")->state == EndpointState::kInSync);
    CHECK(world.condition("Ready").status == ConditionStatus::kFalse);
}

TEST_CASE("defects in threads of endpoints do not end the process", "[binding][reconciler]") {
    World world({"a", "b", "c", "d"}, 4);
    world.target.onObserve = [](const targets::Endpoint&) { throw std::runtime_error("defect"); };
    world.pass();
    CHECK(world.condition("Ready").reason == Reason::kInternalError);
    CHECK_THAT(world.condition("Ready").message, CERTBINDER_CONTAINS("defect"));
}

TEST_CASE("a source with a defect is a failing source", "[binding][reconciler]") {
    World world;
    world.source.onLoad = [](const sources::SourceRequest&) { throw std::runtime_error("defect"); };
    world.pass();
    CHECK(world.condition("SourceReady").reason == Reason::kInternalError);
}

TEST_CASE("a failed host halts the waves not yet started", "[binding][reconciler]") {
    World world({"a", "b", "c"});
    world.target.change("a:22", [](auto& site) {
        site.actError = Error(Reason::kConfigTestFailed, "nginx: [emerg]");
        site.rollsBack = true;
    });
    world.pass();
    CHECK(world.calls() == Calls{"full a:22", "full b:22", "full c:22", "deploy a:22"});
    CHECK(world.condition("Ready").reason == Reason::kRolloutHalted);
    CHECK(world.condition("Deployed").reason == Reason::kConfigTestFailed);
    CHECK(world.status().endpoint("a:22")->state == EndpointState::kRolledBack);
    SECTION("and the next pass tries the failed one alone") {
        world.pass();
        CHECK(world.calls() == Calls{"full a:22", "full b:22", "full c:22", "deploy a:22"});
    }
    SECTION("and once it succeeds the others follow") {
        world.target.change("a:22", [](auto& site) { site.actError.reset(); });
        world.pass();
        CHECK(world.calls().size() == 6);
        CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    }
}

TEST_CASE("a canary that cannot be reached is replaced by the next host", "[binding][reconciler]") {
    World world({"a", "b", "c", "d"});
    world.edit([](auto& binding) {
        std::get<api::NginxTarget>(binding.spec.target).rollout.maxConcurrent = {3, false};
    });
    world.target.change("a:22", [](auto& site) { site.actError = Error(Reason::kUnreachable, "connection reset"); });
    world.target.change("b:22", [](auto& site) { site.actError = Error(Reason::kConfigTestFailed, "nginx: [emerg]"); });
    world.pass();
    CHECK(world.calls() == Calls{"full a:22", "full b:22", "full c:22", "full d:22", "deploy a:22", "deploy b:22"});
    CHECK_THAT(world.status().endpoint("c:22")->message, CERTBINDER_CONTAINS("halted"));
}

TEST_CASE("an older certificate is refused, and nothing is touched", "[binding][reconciler]") {
    World world;
    const auto newer = test::certificateNamed('n', *base::parseTime("2026-11-20T00:00:00Z"));
    world.target.change("a:22", [&](auto& site) { site.deployed = site.served = newer; });
    CHECK(world.pass() == 10min);
    CHECK(world.calls() == Calls{"full a:22"});
    CHECK(world.condition("Ready").reason == Reason::kDowngradeRefused);
    CHECK(world.condition("Stalled").reason == Reason::kDowngradeRefused);
    world.edit([](auto& binding) { binding.spec.allowDowngrade = true; });
    world.pass();
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
}

TEST_CASE("the source is judged before any host is touched", "[binding][reconciler]") {
    World world;
    const auto expectRefused = [&](Reason reason, const char* said) {
        world.pass();
        CHECK(world.calls().empty());
        CHECK(world.condition("SourceReady").status == ConditionStatus::kFalse);
        CHECK(world.condition("SourceReady").reason == reason);
        CHECK(world.condition("Ready").reason == reason);
        CHECK_THAT(world.condition("SourceReady").message, CERTBINDER_CONTAINS(said));
    };
    SECTION("a certificate that ended") {
        world.source.give("shop-tls",
                          test::bundleOf(test::certificateNamed('b', *base::parseTime("2026-01-01T00:00:00Z"))));
        expectRefused(Reason::kCertificateExpired, "shop-tls");
    }
    SECTION("a name of the probe that it does not cover") {
        world.edit([](auto& binding) {
            std::get<api::NginxTarget>(binding.spec.target).probe.serverName = "mail.example.com";
        });
        expectRefused(Reason::kNameNotCovered, "mail.example.com");
    }
    SECTION("a domain of the source that it does not cover") {
        world.edit([](auto& binding) {
            api::HuaweiScmSource scm;
            scm.domain = "mail.example.com";
            scm.credentialsRef = "shop-tls";
            binding.spec.source = scm;
        });
        expectRefused(Reason::kNameNotCovered, "mail.example.com");
    }
    SECTION("the server name of a domain extension that it does not cover") {
        world.edit([](auto& binding) {
            api::SlbListenerTarget slb;
            slb.loadBalancerID = "lb-1";
            slb.serverName = "mail.example.com";
            binding.spec.target = slb;
        });
        expectRefused(Reason::kNameNotCovered, "mail.example.com");
    }
    SECTION("a source that fails itself") {
        world.source.fail(Error(Reason::kNoMatchingCertificate, "no certificate covers it"));
        expectRefused(Reason::kNoMatchingCertificate, "covers");
    }
    SECTION("no Secret for the source") {
        world.store.removeSecret({"default", "shop-tls"});
        expectRefused(Reason::kSourceNotFound, "default/shop-tls");
        CHECK(world.source.loads() == 0);
    }
    SECTION("a CA bundle that is not there") {
        world.edit([](auto& binding) { binding.spec.trustBundleRef = "ca"; });
        expectRefused(Reason::kChainNotTrusted, "default/ca");
    }
}

TEST_CASE("a chain must lead to the authority that is asked for", "[binding][reconciler]") {
    World world;
    const auto trusted = test::makeChain("shop.example.com");
    const auto stranger = test::makeChain("shop.example.com");
    const base::WallTime issued = test::pkiNow();
    const auto bundle =
        certificate::makeBundle(trusted.leaf.pem() + trusted.intermediate.pem(), trusted.leaf.key().secret(), issued);
    REQUIRE(bundle.has_value());
    auto shared = std::make_shared<certificate::Bundle>();
    shared->leaf = bundle->leaf;
    shared->chainPem = bundle->chainPem;
    shared->chainLength = bundle->chainLength;
    world.source.give("shop-tls", shared);
    world.edit([](auto& binding) { binding.spec.trustBundleRef = "ca"; });
    // Back to when the test's certificates are valid.
    test::FakeClock then(test::FakeClock::Waiting::kBlocks, issued);
    binding::Reconciler reconciler(world.store, {world.source, world.source, world.target, world.target}, world.index,
                                   then, world.random, world.settings);
    world.store.putConfigMap({"default", "ca"}, {{"ca.crt", stranger.root.pem()}});
    reconciler.reconcile(kShop, {});
    CHECK(world.condition("SourceReady").reason == Reason::kChainNotTrusted);
    CHECK(world.calls().empty());
    world.store.putConfigMap({"default", "ca"}, {{"ca.crt", trusted.root.pem()}});
    reconciler.reconcile(kShop, {});
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
}

TEST_CASE("credentials that are missing are told by name", "[binding][reconciler]") {
    World world;
    SECTION("of the target") {
        world.store.removeSecret({"default", "web-ssh"});
        world.pass();
        CHECK(world.condition("Deployed").reason == Reason::kCredentialsNotFound);
        CHECK(world.condition("SourceReady").status == ConditionStatus::kTrue);
        CHECK_THAT(world.condition("Ready").message, CERTBINDER_CONTAINS("default/web-ssh"));
    }
    SECTION("of the jump host") {
        world.edit([](auto& binding) {
            std::get<api::NginxTarget>(binding.spec.target).ssh.jumpHost =
                api::JumpHost{"jump", 22, "root", "jump-ssh"};
        });
        world.pass();
        CHECK_THAT(world.condition("Ready").message, CERTBINDER_CONTAINS("default/jump-ssh"));
    }
    SECTION("of the source") {
        world.edit([](auto& binding) {
            api::HuaweiScmSource scm;
            scm.credentialsRef = "huawei";
            binding.spec.source = scm;
        });
        world.pass();
        CHECK(world.condition("SourceReady").reason == Reason::kCredentialsNotFound);
        CHECK(world.condition("Deployed").reason == Reason::kProgressing);
    }
    CHECK(world.calls().empty());
}

TEST_CASE("a Secret that cannot be read is no missing one", "[binding][reconciler]") {
    World world;
    world.store.failSecrets(Error(Reason::kUnreachable, "the API server does not answer"));
    CHECK(world.pass() < 2s);
    CHECK(world.condition("SourceReady").reason == Reason::kUnreachable);
    CHECK_THAT(world.condition("SourceReady").message, CERTBINDER_CONTAINS("default/shop-tls"));
}

TEST_CASE("no place is claimed twice: the older binding holds it", "[binding][reconciler]") {
    World world;
    auto younger = test::nginxBinding({"a"}, "another");
    younger.metadata.creationTimestamp = base::parseTime("2026-11-02T00:00:00Z");
    const api::ObjectKey another = younger.metadata.key;
    world.put(younger);
    world.pass(another);
    CHECK(world.calls().empty());
    CHECK(world.condition("Ready", another).reason == Reason::kConflict);
    CHECK_THAT(world.condition("Ready", another).message, CERTBINDER_CONTAINS("default/shop"));
    world.pass();
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    world.store.removeBinding(kShop);
    CHECK(world.reconciler().forget(kShop) == std::set<api::ObjectKey>{another});
    world.pass(another);
    CHECK(world.condition("Ready", another).status == ConditionStatus::kTrue);
}

TEST_CASE("a spec that only the target knows to be wrong stalls", "[binding][reconciler]") {
    World world;
    world.target.fault = Error(Reason::kInvalidSpec, "this path is never written");
    CHECK(world.pass() == 10min);
    CHECK(world.calls().empty());
    CHECK(world.condition("Stalled").reason == Reason::kInvalidSpec);
}

TEST_CASE("a suspended binding is left alone", "[binding][reconciler]") {
    World world;
    world.edit([](auto& binding) { binding.spec.suspend = true; });
    CHECK(world.pass() == 10min);
    CHECK(world.calls().empty());
    CHECK(world.source.loads() == 0);
    CHECK(world.condition("Ready").reason == Reason::kSuspended);
}

TEST_CASE("back-off grows, ends with success and honours what the server asked for", "[binding][reconciler]") {
    World world;
    world.source.fail(Error(Reason::kUnreachable, "no route"));
    CHECK(world.pass() == 1s);
    CHECK(world.pass() == 2s);
    CHECK(world.pass() == 4s);
    world.source.fail(Error(Reason::kThrottled, "slow down").after(90s));
    CHECK(world.pass() == 90s);
    for (int i = 0; i < 20; ++i) {
        world.pass();
    }
    CHECK(world.pass() == 5min);
    world.source.give("shop-tls", test::bundleOf(test::certificateNamed('b')));
    CHECK(world.pass() == 10min);
    world.source.fail(Error(Reason::kUnreachable, "no route"));
    CHECK(world.pass() == 1s);
}

TEST_CASE("waits are spread, never shortened", "[binding][reconciler]") {
    World world;
    test::FakeRandom most(0.999);
    binding::Reconciler reconciler(world.store, {world.source, world.source, world.target, world.target}, world.index,
                                   world.clock, most, world.settings);
    world.source.fail(Error(Reason::kThrottled, "slow down").after(100s));
    const auto throttled = reconciler.reconcile(kShop, {})->again;
    CHECK(throttled > 100s);
    CHECK(throttled <= 120s);
    world.source.give("shop-tls", test::bundleOf(test::certificateNamed('b')));
    const auto regular = reconciler.reconcile(kShop, {})->again;
    CHECK(regular > 10min);
    CHECK(regular <= 10min + 30s);
}

TEST_CASE("what only a change can heal waits for the regular look", "[binding][reconciler]") {
    World world;
    world.edit([](auto& binding) { binding.spec.checkInterval = 7min; });
    world.source.fail(Error(Reason::kAccessDenied, "scm:cert:export is needed"));
    CHECK(world.pass() == 7min);
    CHECK(world.pass() == 7min);
}

TEST_CASE("a status that could not be written is tried again soon", "[binding][reconciler]") {
    World world;
    world.store.failWrites(Error(Reason::kInternalError, "the disk is full"));
    CHECK(world.pass() == 1s);
    world.store.failWrites(std::nullopt);
    CHECK(world.pass() == 10min);
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
}

TEST_CASE("an endpoint that is not as wanted, though nothing failed, is tried again soon", "[binding][reconciler]") {
    World world;
    world.target.change("a:22", [](auto& site) { site.idle = true; });
    CHECK(world.pass() == 1s);
    CHECK(world.pass() == 2s);
    CHECK(world.condition("Ready").status != ConditionStatus::kTrue);
    world.target.change("a:22", [](auto& site) { site.idle = false; });
    CHECK(world.pass() == 10min);
}

TEST_CASE("a crash at any point is repaired by the next start", "[binding][reconciler]") {
    World world({"a", "b"});
    // The process ends somewhere; all that is left is what it wrote and what the hosts have.
    SECTION("before the first host is touched") {
        world.target.onAct = [&](const targets::Endpoint&, const base::CallContext&) {
            world.store.failWrites(Error(Reason::kInternalError, "crashed"));
        };
        world.target.change("a:22", [](auto& site) { site.actError = Error(Reason::kUnreachable, "crashed"); });
        world.target.change("b:22", [](auto& site) { site.actError = Error(Reason::kUnreachable, "crashed"); });
    }
    SECTION("after the hosts are done and before that is recorded") {
        world.target.onAct = [&](const targets::Endpoint&, const base::CallContext&) {
            world.store.failWrites(Error(Reason::kInternalError, "crashed"));
        };
    }
    SECTION("in the middle of a host") {
        world.target.change("a:22", [](auto& site) {
            site.interrupted = true;
            site.actError = Error(Reason::kUnreachable, "crashed");
        });
    }
    world.pass();
    for (const char* name : {"a:22", "b:22"}) {
        world.target.change(name, [](auto& site) { site.actError.reset(); });
    }
    world.target.onAct = nullptr;
    world.store.failWrites(std::nullopt);
    world.made.reset();
    world.pass();
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    CHECK(world.status().inSync == "2/2");
}

TEST_CASE("a stop between waves leaves the rest as it is", "[binding][reconciler]") {
    World world({"a", "b", "c"});
    std::stop_source stop;
    world.options.gentleStop = stop.get_token();
    world.target.onAct = [&](const targets::Endpoint&, const base::CallContext&) { stop.request_stop(); };
    world.pass();
    CHECK(world.calls() == Calls{"full a:22", "full b:22", "full c:22", "deploy a:22"});
    CHECK(world.status().endpoint("a:22")->state == EndpointState::kInSync);
    CHECK(world.status().endpoint("b:22")->state == EndpointState::kPending);
    CHECK(world.condition("Ready").reason == Reason::kProgressing);
}

TEST_CASE("a pass that is cut off does not blame the endpoint", "[binding][reconciler]") {
    World world;
    world.pass();
    world.target.change("a:22", [](auto& site) {
        site.deployed = site.served = test::certificateNamed('x');
        site.actError = Error(Reason::kUnreachable, "stopped");
    });
    std::stop_source stop;
    world.options.context.stop = stop.get_token();
    world.target.onAct = [&](const targets::Endpoint&, const base::CallContext&) { stop.request_stop(); };
    world.store.forgetHistory();
    world.pass();
    CHECK(world.status().endpoint("a:22")->state == EndpointState::kDeploying);
    CHECK(world.store.events().empty());
}

TEST_CASE("wrong credentials are told with the Secret they are in", "[binding][reconciler]") {
    World world;
    world.target.change("a:22",
                        [](auto& site) { site.lookError = Error(Reason::kCredentialsInvalid, "no known_hosts"); });
    world.pass();
    CHECK_THAT(world.condition("Ready").message, CERTBINDER_CONTAINS("Secret default/web-ssh: no known_hosts"));
}

TEST_CASE("an orderly stop cuts looking off, and blames nobody for it", "[binding][reconciler]") {
    World world;
    world.pass();
    std::stop_source stop;
    world.options.gentleStop = stop.get_token();
    bool told = false;
    world.target.onLook = [&](const base::CallContext& context) {
        stop.request_stop();
        told = context.stop.stop_requested();
    };
    world.target.change("a:22", [](auto& site) { site.lookError = Error(Reason::kUnreachable, "stopped"); });
    world.store.forgetHistory();
    world.pass();
    CHECK(told);
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    CHECK(world.store.events().empty());
}

TEST_CASE("the annotation asks for a close look now, once", "[binding][reconciler]") {
    World world;
    world.pass();
    world.calls();
    world.edit([](auto& binding) { binding.metadata.annotations[api::kReconcileAnnotation] = "1"; });
    world.pass();
    CHECK(world.calls() == Calls{"full a:22"});
    CHECK(world.source.lastNotOlderThan() == world.clock.steadyNow());
    CHECK(world.status().lastHandledReconcileAt == "1");
    world.pass();
    CHECK(world.calls() == Calls{"served a:22"});
    CHECK(world.source.lastNotOlderThan() == world.clock.steadyNow() - 10s);
}

TEST_CASE("a changed spec is looked into closely", "[binding][reconciler]") {
    World world;
    world.pass();
    world.calls();
    world.edit([](auto& binding) { binding.metadata.generation = 2; });
    world.pass();
    CHECK(world.calls() == Calls{"full a:22"});
    CHECK(world.status().observedGeneration == 2);
}

TEST_CASE("listings are shared for no longer than half an interval", "[binding][reconciler]") {
    World world;
    world.edit([](auto& binding) { binding.spec.checkInterval = 1s; });
    world.pass();
    CHECK(world.source.lastNotOlderThan() == world.clock.steadyNow() - 500ms);
}

TEST_CASE("a plan touches and writes nothing", "[binding][reconciler]") {
    World world({"a", "b"});
    world.options.fullLook = true;
    const binding::PassRecord record = world.reconciler().plan(*world.store.binding(kShop), world.options);
    CHECK(world.calls() == Calls{"full a:22", "full b:22"});
    CHECK(world.store.writes().empty());
    CHECK(world.store.events().empty());
    REQUIRE(record.endpoints.size() == 2);
    CHECK(record.endpoints[0].step->action == targets::Action::kDeploy);
}

TEST_CASE("a binding that is gone is forgotten", "[binding][reconciler]") {
    World world;
    world.store.removeBinding(kShop);
    CHECK_FALSE(world.reconciler().reconcile(kShop, {}).has_value());
    CHECK(world.reconciler().namingSecret({"default", "shop-tls"}).empty());
}

TEST_CASE("a coming end of the certificate is told once", "[binding][reconciler]") {
    World world;
    world.source.give("shop-tls",
                      test::bundleOf(test::certificateNamed('b', *base::parseTime("2026-09-01T00:00:00Z"))));
    world.pass();
    world.pass();
    const auto events = world.events();
    CHECK(std::count(events.begin(), events.end(), "CertificateExpiring") == 1);
}

TEST_CASE("without a probe the deployed state is what is looked at", "[binding][reconciler]") {
    World world;
    world.target.change("a:22", [](auto& site) { site.probed = false; });
    world.pass();
    CHECK(world.condition("Ready").status == ConditionStatus::kTrue);
    CHECK(world.condition("Served").reason == Reason::kProbeDisabled);
    world.target.change("a:22", [](auto& site) { site.deployed = test::certificateNamed('x'); });
    world.calls();
    world.pass();
    CHECK(world.calls() == Calls{"served a:22", "full a:22", "deploy a:22"});
}

TEST_CASE("after a failure that shows nothing, what was seen before is kept", "[binding][reconciler]") {
    World world;
    world.target.change("a:22", [](auto& site) {
        site.deployed = site.served = test::certificateNamed('x', *base::parseTime("2026-09-01T00:00:00Z"));
        site.actError = Error(Reason::kUnreachable, "the connection broke");
        site.blind = true;
    });
    world.pass();
    CHECK(world.status().endpoint("a:22")->deployedFingerprintSHA256 == test::fingerprintOf('x'));
    CHECK(world.condition("Served").reason == Reason::kServedCertificateDiffers);
}
