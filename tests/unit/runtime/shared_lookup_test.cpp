#include "runtime/shared_lookup.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

#include "support/fake_clock.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using base::CallContext;
using base::Expected;
using base::Reason;

namespace {

using Lookup = runtime::SharedLookup<int>;

struct Fixture {
    test::FakeClock clock;
    Lookup lookup{clock};
    std::atomic<int> loads{0};
    const Lookup::Load count = [this](const CallContext&) { return Expected<int>(++loads); };

    int get(base::SteadyTime notOlderThan) { return lookup.get(notOlderThan, count, {}).value_or(-1); }
};

/// A look-up that stays under way until it is let go.
struct Held {
    std::promise<void> begun;
    std::promise<void> go;

    Lookup::Load load(std::function<Expected<int>()> answer) {
        return [this, answer = std::move(answer)](const CallContext&) {
            begun.set_value();
            go.get_future().wait();
            return answer();
        };
    }
};

}  // namespace

TEST_CASE("an answer serves until somebody wants a younger one", "[runtime][lookup]") {
    Fixture f;
    const base::SteadyTime first = f.clock.steadyNow();
    CHECK_FALSE(f.lookup.last());
    CHECK(f.get(first) == 1);
    f.clock.advance(1s);
    CHECK(f.get(first) == 1);
    CHECK(f.get(f.clock.steadyNow()) == 2);
    CHECK(f.lookup.last() == 2);
}

TEST_CASE("many who ask at once share one look-up", "[runtime][lookup]") {
    Fixture f;
    Held held;
    const base::SteadyTime now = f.clock.steadyNow();
    auto first = std::async(std::launch::async, [&] {
        return f.lookup.get(now, held.load([&] { return Expected<int>(++f.loads); }), {}).value_or(-1);
    });
    held.begun.get_future().wait();
    std::vector<std::future<int>> others;
    for (int i = 0; i < 4; ++i) {
        others.push_back(std::async(std::launch::async, [&] { return f.get(now); }));
    }
    held.go.set_value();
    CHECK(first.get() == 1);
    for (auto& other : others) {
        CHECK(other.get() == 1);
    }
    CHECK(f.loads == 1);
}

TEST_CASE("a failure is not remembered", "[runtime][lookup]") {
    Fixture f;
    const Lookup::Load fails = [](const CallContext&) { return base::unexpected(Reason::kThrottled, "slow down"); };
    const auto failed = f.lookup.get(f.clock.steadyNow(), fails, {});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().reason() == Reason::kThrottled);
    CHECK(f.get(f.clock.steadyNow()) == 1);
}

TEST_CASE("who waits for a look-up that a defect ends looks for itself", "[runtime][lookup]") {
    Fixture f;
    Held held;
    const base::SteadyTime now = f.clock.steadyNow();
    auto broken = std::async(std::launch::async, [&] {
        return f.lookup.get(now, held.load([]() -> Expected<int> { throw std::runtime_error("a defect"); }), {});
    });
    held.begun.get_future().wait();
    f.lookup.patch([](int& value) { value = 77; });  // belongs to the flight that fails
    auto waiting = std::async(std::launch::async, [&] { return f.get(now); });
    held.go.set_value();
    CHECK_THROWS_AS(broken.get(), std::runtime_error);
    CHECK(waiting.get() == 1);
}

TEST_CASE("a look-up cut short by its own caller's time does not fail the others", "[runtime][lookup]") {
    Fixture f;
    Held held;
    const base::SteadyTime now = f.clock.steadyNow();
    std::stop_source stop;
    auto hurried = std::async(std::launch::async, [&] {
        const auto load = held.load([] { return base::unexpected(Reason::kUnreachable, "stopped"); });
        return f.lookup.get(now, load, {base::SteadyTime::max(), stop.get_token()}).has_value();
    });
    held.begun.get_future().wait();
    auto waiting = std::async(std::launch::async, [&] { return f.get(now); });
    stop.request_stop();
    held.go.set_value();
    CHECK_FALSE(hurried.get());
    CHECK(waiting.get() == 1);
}

TEST_CASE("who waits for another's look-up gives up with its own context", "[runtime][lookup]") {
    Fixture f;
    Held held;
    const base::SteadyTime now = f.clock.steadyNow();
    auto first = std::async(std::launch::async, [&] {
        return f.lookup.get(now, held.load([] { return Expected<int>(1); }), {}).value_or(-1);
    });
    held.begun.get_future().wait();
    const auto late = f.lookup.get(now, f.count, CallContext().within(0ms, f.clock));
    REQUIRE_FALSE(late);
    CHECK(late.error().reason() == Reason::kUnreachable);
    held.go.set_value();
    CHECK(first.get() == 1);
}

TEST_CASE("an own change shows in the answer at hand and in the one under way", "[runtime][lookup]") {
    Fixture f;
    const base::SteadyTime first = f.clock.steadyNow();
    f.get(first);
    f.lookup.patch([](int& value) { value += 10; });
    CHECK(f.get(first) == 11);
    f.clock.advance(1s);
    Held held;
    auto younger = std::async(std::launch::async, [&] {
        return f.lookup.get(f.clock.steadyNow(), held.load([] { return Expected<int>(5); }), {}).value_or(-1);
    });
    held.begun.get_future().wait();
    f.lookup.patch([](int& value) { value += 100; });
    held.go.set_value();
    CHECK(younger.get() == 105);
}

TEST_CASE("what is known to be wrong is asked for anew, once", "[runtime][lookup]") {
    Fixture f;
    const base::SteadyTime now = f.clock.steadyNow();
    CHECK(f.get(now) == 1);
    f.lookup.discardIf([](int value) { return value == 9; });
    CHECK(f.get(now) == 1);
    f.lookup.discardIf([](int value) { return value == 1; });
    CHECK(f.lookup.last() == 1);
    CHECK(f.get(now) == 2);
    CHECK(f.get(now) == 2);
}
