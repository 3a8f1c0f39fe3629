#include "http/rate_limiter.h"

#include <algorithm>

#include "base/log.h"
#include "base/time_text.h"

namespace certbinder::http {
namespace {

using Seconds = std::chrono::duration<double>;

/// A server that says "at once" does not mean it.
constexpr std::chrono::milliseconds kLeastPause{1000};

/// Rounded up, so that a caller that waits it out is not early by a fraction.
std::chrono::milliseconds roundedUp(base::SteadyTime::duration span) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(span, base::SteadyTime::duration::zero()));
}

}  // namespace

TokenBucket::TokenBucket(RateLimit settings) : settings_(settings) {
    settings_.perSecond = std::max(settings_.perSecond, 0.001);
    settings_.burst = std::max(settings_.burst, 1.0);
    tokens_ = settings_.burst;
}

void TokenBucket::refill(base::SteadyTime now) {
    if (filledAt_ && now > *filledAt_) {
        tokens_ = std::min(settings_.burst, tokens_ + Seconds(now - *filledAt_).count() * settings_.perSecond);
    }
    filledAt_ = filledAt_ ? std::max(*filledAt_, now) : now;
}

TokenBucket::Turn TokenBucket::reserve(base::SteadyTime now, base::SteadyTime deadline) {
    refill(now);
    const double missing = std::max(0.0, 1.0 - tokens_);
    const base::SteadyTime filled =
        now + std::chrono::ceil<base::SteadyTime::duration>(Seconds(missing / settings_.perSecond));
    const base::SteadyTime time = std::max(filled, pausedUntil_);
    if (time > deadline) {
        return {time, false};
    }
    tokens_ -= 1.0;
    return {time, true};
}

void TokenBucket::giveBack() {
    tokens_ = std::min(settings_.burst, tokens_ + 1.0);
}

void TokenBucket::pauseUntil(base::SteadyTime time) {
    pausedUntil_ = std::max(pausedUntil_, time);
}

RateLimiter::RateLimiter(RateLimit settings, const base::Clock& clock, base::Random& random)
    : clock_(clock),
      random_(random),
      state_(State{TokenBucket(settings), base::Backoff(settings.pause), settings.pause.jitter}) {}

base::Expected<void> RateLimiter::acquire(const base::CallContext& context) {
    const base::SteadyTime now = clock_.steadyNow();
    TokenBucket::Turn turn = state_.lock()->bucket.reserve(now, context.deadline);
    while (turn.taken && (turn.time > clock_.steadyNow() || context.stop.stop_requested())) {
        if (!clock_.waitUntil(turn.time, context.stop)) {
            state_.lock()->bucket.giveBack();
            return base::unexpected(base::Reason::kUnreachable, "stopped while waiting for a turn to call");
        }
        // Somebody may have been throttled while this caller waited: then it waits on, for the pause to end.
        auto state = state_.lock();
        turn.time = std::max(turn.time, state->bucket.pausedUntil());
        if (turn.time > context.deadline) {
            state->bucket.giveBack();
            turn.taken = false;
        }
    }
    if (!turn.taken) {
        const std::chrono::milliseconds wait = roundedUp(turn.time - clock_.steadyNow());
        return base::unexpected(
            base::Error(base::Reason::kThrottled, "the account's calls are paced; the next one is free in " +
                                                      base::formatDuration(wait) + ", after this call's deadline")
                .after(wait));
    }
    return {};
}

void RateLimiter::throttled(std::optional<std::chrono::milliseconds> retryAfter) {
    const base::SteadyTime now = clock_.steadyNow();
    auto state = state_.lock();
    if (now < state->bucket.pausedUntil()) {
        // The answer to a call from before the pause: it says nothing about whether the pause is long enough.
        state->bucket.pauseUntil(now + retryAfter.value_or(std::chrono::milliseconds(0)));
        return;
    }
    // Who names a time knows it better than a back-off does, which may be much longer.
    const std::chrono::milliseconds grown = state->backoff.next(random_);
    const std::chrono::milliseconds wait =
        retryAfter ? base::jittered(std::max(*retryAfter, kLeastPause), state->jitter, random_) : grown;
    state->bucket.pauseUntil(now + wait);
    base::logWarning("the service throttles; all calls of this account pause", {{"milliseconds", wait.count()}});
}

void RateLimiter::succeeded() {
    state_.lock()->backoff.reset();
}

}  // namespace certbinder::http
