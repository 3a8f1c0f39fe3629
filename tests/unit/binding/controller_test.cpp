#include "binding/controller.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "support/bindings.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_source.h"
#include "support/fake_store.h"
#include "support/fake_target.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;

namespace {

/// A controller that runs in a thread of its own until the test stops it.
struct World {
    World() {
        source.give("shop-tls", test::bundleOf(test::certificateNamed('b')));
        store.putSecret({"default", "shop-tls"});
        store.putSecret({"default", "web-ssh"});
    }

    void start() {
        thread = std::jthread([this](const std::stop_token& stop) {
            binding::Controller(store, reconciler, clock, {2, 20s}).run(stop);
            ended = true;
        });
    }

    bool isReady(const std::string& name) {
        return store.waitFor([&](const test::FakeStore& now) {
            const auto binding = now.binding({"default", name});
            return binding && binding->isReady();
        });
    }

    test::FakeStore store;
    test::FakeSource source;
    test::FakeTarget target;
    test::FakeClock clock;
    test::FakeRandom random;
    binding::BindingIndex index;
    binding::Reconciler reconciler{store, {source, source, target, target}, index, clock, random};
    std::atomic<bool> ended{false};
    std::jthread thread;
};

/// A gate that work waits at until it is opened or cut off.
class Gate {
  public:
    void pass(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        waiting_ = true;
        changed_.notify_all();
        changed_.wait(lock, stop, [this] { return open_; });
    }
    bool isReached() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [this] { return waiting_; });
    }
    void open() {
        const std::scoped_lock lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    bool waiting_ = false;
    bool open_ = false;
};

}  // namespace

TEST_CASE("what is there at the start is brought in order", "[binding][controller]") {
    World world;
    for (const char* name : {"one", "two", "three"}) {
        world.store.put(test::nginxBinding({name}, name));
    }
    world.start();
    CHECK(world.isReady("one"));
    CHECK(world.isReady("two"));
    CHECK(world.isReady("three"));
}

TEST_CASE("changes wake the bindings that they concern", "[binding][controller]") {
    World world;
    world.store.put(test::nginxBinding({"web"}));
    SECTION("a Secret that comes") {
        world.store.removeSecret({"default", "web-ssh"});
        world.start();
        REQUIRE(world.store.waitFor([](const test::FakeStore& now) { return !now.writes().empty(); }));
        world.store.putSecret({"default", "web-ssh"});
        REQUIRE(world.store.tell({{objects::Kind::kSecret, {"default", "web-ssh"}}}));
        CHECK(world.isReady("shop"));
    }
    SECTION("a binding that comes") {
        world.start();
        REQUIRE(world.isReady("shop"));
        world.store.put(test::nginxBinding({"other"}, "other"));
        REQUIRE(world.store.tell({{objects::Kind::kBinding, {"default", "other"}}}));
        CHECK(world.isReady("other"));
    }
    SECTION("a binding that goes and leaves its place to another") {
        auto younger = test::nginxBinding({"web"}, "younger");
        younger.metadata.creationTimestamp = base::parseTime("2026-11-05T00:00:00Z");
        world.store.put(younger);
        world.start();
        REQUIRE(world.isReady("shop"));
        world.store.removeBinding({"default", "shop"});
        REQUIRE(world.store.tell({{objects::Kind::kBinding, {"default", "shop"}}}));
        CHECK(world.isReady("younger"));
        CHECK(world.index.namingSecret({"default", "shop-tls"}) == std::set<api::ObjectKey>{{"default", "younger"}});
    }
}

TEST_CASE("a ConfigMap that changes wakes who trusts by it", "[binding][controller]") {
    World world;
    auto trusting = test::nginxBinding({"web"});
    trusting.spec.trustBundleRef = "ca";
    world.store.put(trusting);
    world.start();
    REQUIRE(world.store.waitFor([](const test::FakeStore& now) { return !now.writes().empty(); }));
    const int before = world.source.loads();
    REQUIRE(world.store.tell({{objects::Kind::kConfigMap, {"default", "ca"}}}));
    CHECK(world.store.waitFor([&](const test::FakeStore&) { return world.source.loads() > before; }));
}

TEST_CASE("a stop finishes the work in hand and begins no other", "[binding][controller]") {
    World world;
    world.store.put(test::nginxBinding({"web"}));
    Gate gate;
    world.target.onAct = [&](const targets::Endpoint&, const base::CallContext& context) { gate.pass(context.stop); };
    world.start();
    REQUIRE(gate.isReached());
    world.thread.request_stop();
    REQUIRE(world.clock.hasWaiters(1));
    CHECK_FALSE(world.ended);
    gate.open();
    world.thread.join();
    CHECK(world.store.binding({"default", "shop"})->isReady());
}

TEST_CASE("work that does not end in time is cut off", "[binding][controller]") {
    World world;
    world.store.put(test::nginxBinding({"web"}));
    Gate gate;
    world.target.onAct = [&](const targets::Endpoint&, const base::CallContext& context) { gate.pass(context.stop); };
    world.target.change("web:22",
                        [](auto& site) { site.actError = base::Error(base::Reason::kUnreachable, "cut off"); });
    world.start();
    REQUIRE(gate.isReached());
    REQUIRE(world.clock.hasWaiters(1));
    world.thread.request_stop();
    // The guard wakes by the stop and waits anew, now for the grace; time moves on until it has had it.
    CHECK(world.store.waitFor([&](const test::FakeStore&) {
        world.clock.advance(20s);
        return world.ended.load();
    }));
    world.thread.join();
    CHECK(world.store.binding({"default", "shop"})->status.endpoint("web:22")->state == api::EndpointState::kDeploying);
}

TEST_CASE("a defect in one binding does not end the loop of the others", "[binding][controller]") {
    World world;
    world.store.put(test::nginxBinding({"bad"}, "bad"));
    world.store.put(test::nginxBinding({"good"}, "good"));
    world.target.onObserve = [](const targets::Endpoint& endpoint) {
        if (endpoint.name == "bad:22") {
            throw std::logic_error("out of range");
        }
    };
    world.start();
    CHECK(world.isReady("good"));
    CHECK(world.store.waitFor([](const test::FakeStore& now) {
        const auto* ready = now.binding({"default", "bad"})->status.find("Ready");
        return ready != nullptr && ready->reason == base::Reason::kInternalError;
    }));
}
