#pragma once

#include <chrono>
#include <optional>

#include "base/backoff.h"
#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/guarded.h"
#include "base/random.h"

namespace certbinder::http {

struct RateLimit {
    double perSecond = 10;  ///< of the long run
    double burst = 10;      ///< calls that may come at once after a quiet time; at least 1
    /// The pause after throttling answers that name no time of their own.
    base::BackoffSettings pause{std::chrono::seconds(1), std::chrono::minutes(2), 2.0, 0.2};
};

/// A token bucket that can be paused, as arithmetic over given times: it neither waits nor asks for the time. Callers
/// are served in the order in which they reserve. Not thread-safe.
class TokenBucket {
  public:
    explicit TokenBucket(RateLimit settings);

    /// When the caller may go on, `now` included; nothing is taken where that is after `deadline`.
    struct Turn {
        base::SteadyTime time;
        bool taken = false;
    };
    Turn reserve(base::SteadyTime now, base::SteadyTime deadline);
    /// Gives back what a caller took and did not use.
    void giveBack();

    /// Nobody goes on before `time`; never shortens a pause.
    void pauseUntil(base::SteadyTime time);
    base::SteadyTime pausedUntil() const { return pausedUntil_; }

  private:
    void refill(base::SteadyTime now);

    RateLimit settings_;
    double tokens_;  ///< below zero: that many callers wait already
    std::optional<base::SteadyTime> filledAt_;
    base::SteadyTime pausedUntil_ = base::SteadyTime::min();
};

/// The pace of all calls to one account of a cloud: a token bucket, paused for everybody when the other side throttles
/// anybody. Thread-safe. Clock and Random must outlive it.
class RateLimiter {
  public:
    RateLimiter(RateLimit settings, const base::Clock& clock, base::Random& random);

    /// Waits for this caller's turn. Fails with kThrottled, and how long to wait, without waiting where the turn would
    /// come after the deadline; with kUnreachable where the context is stopped.
    base::Expected<void> acquire(const base::CallContext& context);

    /// The other side said "too many": all callers pause for as long as it asked (a floor, to which jitter is added),
    /// or, where it named no time, for a back-off that grows until the next success.
    void throttled(std::optional<std::chrono::milliseconds> retryAfter);
    void succeeded();

  private:
    struct State {
        TokenBucket bucket;
        base::Backoff backoff;
        double jitter;
    };

    const base::Clock& clock_;
    base::Random& random_;
    base::Guarded<State> state_;
};

}  // namespace certbinder::http
