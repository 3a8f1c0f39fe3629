#include "http/rate_limiter.h"

#include <future>
#include <utility>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;
using namespace std::chrono_literals;
using certbinder::test::FakeClock;
using certbinder::test::FakeRandom;

namespace {

constexpr base::SteadyTime kStart{std::chrono::hours(1)};
constexpr base::SteadyTime kNever = base::SteadyTime::max();

}  // namespace

TEST_CASE("a bucket gives its burst at once and then its rate", "[http][rate]") {
    TokenBucket bucket({10, 3, {}});
    for (int i = 0; i < 3; ++i) {
        CHECK(bucket.reserve(kStart, kNever).time == kStart);
    }
    CHECK(bucket.reserve(kStart, kNever).time == kStart + 100ms);
    CHECK(bucket.reserve(kStart, kNever).time == kStart + 200ms);
    CHECK(bucket.reserve(kStart + 1s, kNever).time == kStart + 1s);
}

TEST_CASE("a quiet time saves up no more than the burst", "[http][rate]") {
    TokenBucket bucket({10, 2, {}});
    CHECK(bucket.reserve(kStart, kNever).taken);
    const base::SteadyTime later = kStart + 1h;
    CHECK(bucket.reserve(later, kNever).time == later);
    CHECK(bucket.reserve(later, kNever).time == later);
    CHECK(bucket.reserve(later, kNever).time == later + 100ms);
}

TEST_CASE("a turn after the deadline is not taken", "[http][rate]") {
    TokenBucket bucket({1, 1, {}});
    CHECK(bucket.reserve(kStart, kStart).taken);
    const TokenBucket::Turn late = bucket.reserve(kStart, kStart + 500ms);
    CHECK_FALSE(late.taken);
    CHECK(late.time == kStart + 1s);
    CHECK(bucket.reserve(kStart, kNever).time == kStart + 1s);
}

TEST_CASE("a pause holds everybody up and is never shortened", "[http][rate]") {
    TokenBucket bucket({100, 5, {}});
    bucket.pauseUntil(kStart + 10s);
    bucket.pauseUntil(kStart + 5s);
    CHECK(bucket.reserve(kStart, kNever).time == kStart + 10s);
    CHECK(bucket.reserve(kStart + 11s, kNever).time == kStart + 11s);
}

TEST_CASE("settings without sense still let calls through", "[http][rate]") {
    TokenBucket bucket({0, 0, {}});
    CHECK(bucket.reserve(kStart, kNever).time == kStart);
    CHECK(bucket.reserve(kStart, kNever).time == kStart + 1000s);
}

TEST_CASE("a hundred calls at ten a second take nine and a half seconds after a burst of five", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random;
    RateLimiter limiter({10, 5, {}}, clock, random);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(limiter.acquire({}));
    }
    CHECK(clock.passed() == 9500ms);
}

TEST_CASE("a caller whose turn comes after its deadline is told when to come back", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random;
    RateLimiter limiter({1, 1, {}}, clock, random);
    const base::CallContext context{clock.steadyNow() + 400ms, {}};
    REQUIRE(limiter.acquire(context));
    const auto refused = limiter.acquire(context);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == base::Reason::kThrottled);
    CHECK(refused.error().retryAfter() == 1s);
    CHECK(clock.passed() == 0ms);
}

TEST_CASE("what the server asked for is a floor, with jitter above", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random(0.5);
    RateLimiter limiter({10, 10, {}}, clock, random);
    limiter.throttled(20s);
    REQUIRE(limiter.acquire({}));
    CHECK(clock.passed() == 22s);
}

TEST_CASE("a time that the server names is believed, also where a back-off would be longer", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random(0.0);
    RateLimiter limiter({10, 10, {60s, 600s, 2.0, 0.0}}, clock, random);
    const std::vector<std::pair<std::chrono::milliseconds, std::chrono::milliseconds>> times{
        {3s, 3s}, {5s, 5s}, {0s, 1s}};
    for (const auto& [asked, pause] : times) {
        const auto before = clock.passed();
        limiter.throttled(asked);
        REQUIRE(limiter.acquire({}));
        CHECK(clock.passed() - before == pause);
    }
}

TEST_CASE("the pause grows while throttling goes on and starts again after a success", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random(0.0);
    RateLimiter limiter({10, 10, {}}, clock, random);
    std::vector<std::chrono::milliseconds> pauses;
    for (int i = 0; i < 5; ++i) {
        const auto before = clock.passed();
        limiter.throttled(std::nullopt);
        REQUIRE(limiter.acquire({}));
        pauses.push_back(clock.passed() - before);
        if (i == 3) {
            limiter.succeeded();
        }
    }
    CHECK(pauses == std::vector<std::chrono::milliseconds>{1s, 2s, 4s, 8s, 1s});
}

TEST_CASE("many answers to calls from before the pause count as one", "[http][rate]") {
    const FakeClock clock(FakeClock::Waiting::kAdvances);
    FakeRandom random(0.0);
    RateLimiter limiter({10, 10, {}}, clock, random);
    for (int i = 0; i < 8; ++i) {
        limiter.throttled(std::nullopt);
    }
    REQUIRE(limiter.acquire({}));
    CHECK(clock.passed() == 1s);
}

TEST_CASE("a caller that waits already is held up by a pause as well", "[http][rate]") {
    /// Has the account throttled while the first caller waits.
    class ThrottlingClock final : public base::Clock {
      public:
        base::SteadyTime steadyNow() const override { return clock.steadyNow(); }
        base::WallTime wallNow() const override { return clock.wallNow(); }
        bool waitUntil(base::SteadyTime time, std::stop_token stop) const override {
            if (RateLimiter* first = std::exchange(limiter, nullptr)) {
                first->throttled(10s);
            }
            return clock.waitUntil(time, stop);
        }

        FakeClock clock{FakeClock::Waiting::kAdvances};
        mutable RateLimiter* limiter = nullptr;
    };
    ThrottlingClock clock;
    FakeRandom random(0.0);
    RateLimiter limiter({1, 1, {}}, clock, random);
    REQUIRE(limiter.acquire({}));
    clock.limiter = &limiter;
    REQUIRE(limiter.acquire({}));
    CHECK(clock.clock.passed() == 10s);
}

TEST_CASE("a stop ends the wait and gives the turn back", "[http][rate]") {
    FakeClock clock;
    FakeRandom random;
    RateLimiter limiter({1, 1, {}}, clock, random);
    REQUIRE(limiter.acquire({}));
    std::stop_source stop;
    auto waiting = std::async(std::launch::async, [&] {
        return limiter.acquire({base::SteadyTime::max(), stop.get_token()});
    });
    REQUIRE(clock.hasWaiters(1));
    stop.request_stop();
    CHECK(waiting.get().error().reason() == base::Reason::kUnreachable);
    clock.advance(1s);
    CHECK(limiter.acquire({clock.steadyNow(), {}}));
}
