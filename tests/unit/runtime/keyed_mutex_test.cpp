#include "runtime/keyed_mutex.h"

#include <chrono>
#include <future>
#include <optional>
#include <stop_token>

#include "support/fake_clock.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using runtime::KeyedMutex;

TEST_CASE("a keyed mutex admits one at a time, and keys do not wait for each other", "[runtime][keyed]") {
    KeyedMutex mutex(base::systemClock());
    std::optional<KeyedMutex::Hold> first = mutex.acquire("a", {});
    REQUIRE(first);
    CHECK(mutex.acquire("b", {}));
    auto waiting = std::async(std::launch::async, [&] { return mutex.acquire("a", {}).has_value(); });
    first.reset();
    CHECK(waiting.get());
    CHECK(mutex.acquire("a", {}));
}

TEST_CASE("a keyed mutex gives up with the context's own clock", "[runtime][keyed]") {
    test::FakeClock clock;
    KeyedMutex mutex(clock);
    const auto held = mutex.acquire("a", {});
    CHECK_FALSE(mutex.acquire("a", base::CallContext().within(0ms, clock)));
    auto waiting = std::async(std::launch::async, [&, context = base::CallContext().within(1h, clock)] {
        return mutex.acquire("a", context).has_value();
    });
    clock.advance(1h);
    CHECK_FALSE(waiting.get());
}

TEST_CASE("a stop ends the waiting for a keyed mutex", "[runtime][keyed]") {
    KeyedMutex mutex(base::systemClock());
    const auto held = mutex.acquire("a", {});
    std::stop_source stop;
    auto waiting = std::async(std::launch::async, [&] {
        return mutex.acquire("a", {base::SteadyTime::max(), stop.get_token()}).has_value();
    });
    stop.request_stop();
    CHECK_FALSE(waiting.get());
}
