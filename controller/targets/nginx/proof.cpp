#include "targets/nginx/proof.h"

#include <algorithm>

namespace certbinder::targets::nginx {

namespace {

constexpr std::chrono::milliseconds kFirstWait{50};
constexpr std::chrono::milliseconds kMostWait{1000};

}  // namespace

base::Expected<probe::Served> shakeHands(const Watch& watch, const base::CallContext& context) {
    return watch.prober.handshake(watch.place, context.within(watch.timeout, watch.clock));
}

Proof watchUntil(const Watch& watch, const std::function<bool(const certificate::CertificateInfo&)>& accepted,
                 const base::CallContext& context) {
    Proof proof;
    const base::SteadyTime end = watch.clock.steadyNow() + watch.timeout;
    std::chrono::milliseconds wait = kFirstWait;
    for (int streak = 0; !context.over(watch.clock);) {
        const auto served = shakeHands(watch, context);
        proof.error.reset();
        if (!served) {
            proof.error = served.error();
            streak = 0;
        } else {
            proof.last = served->leaf;
            const bool right = accepted(served->leaf);
            streak = right ? streak + 1 : 0;
            ++(right ? proof.expected : proof.others);
        }
        if (streak >= kStreak) {
            proof.proven = true;
            return proof;
        }
        const base::SteadyTime now = watch.clock.steadyNow();
        if (streak == 0 && now >= end) {
            return proof;
        }
        // The last handshake is made when the time is up, so that none of it is given away.
        const base::SteadyTime next = streak > 0 ? now + kStreakWait : std::min(now + wait, end);
        wait = streak > 0 ? kFirstWait : std::min(wait * 2, kMostWait);
        if (!watch.clock.waitUntil(std::min(next, context.deadline), context.stop)) {
            return proof;
        }
    }
    return proof;
}

}  // namespace certbinder::targets::nginx
