#pragma once

#include <utility>

#include "base/backoff.h"
#include "base/call_context.h"
#include "base/clock.h"
#include "base/random.h"
#include "sources/huawei_scm/settings.h"

namespace certbinder::sources::scm {

/// What one call has gone through already, and whether it may go on. Used by one thread.
class Patience {
  public:
    Patience(const Settings& settings, const base::Clock& clock, base::Random& random)
        : settings_(settings), clock_(clock), random_(random), transient_(settings.transientWait) {}

    /// Waits; false where it is enough, or the context ends first.
    bool afterTransient(const base::CallContext& context) {
        if (++transients_ >= settings_.mostTransientTries) {
            return false;
        }
        const base::SteadyTime until = clock_.steadyNow() + transient_.next(random_);
        return until < context.deadline && clock_.waitUntil(until, context.stop);
    }

    /// The wait itself is the rate limiter's, at the next turn.
    bool afterThrottled() { return ++throttled_ < settings_.mostThrottledTries; }

    /// Once each.
    bool afterToken() { return !std::exchange(tokenRenewed_, true); }
    bool afterClock() { return !std::exchange(clockSet_, true); }

  private:
    const Settings& settings_;
    const base::Clock& clock_;
    base::Random& random_;
    base::Backoff transient_;
    int transients_ = 0;
    int throttled_ = 0;
    bool tokenRenewed_ = false;
    bool clockSet_ = false;
};

}  // namespace certbinder::sources::scm
