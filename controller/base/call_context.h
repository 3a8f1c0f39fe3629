#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>

#include "base/clock.h"

namespace certbinder::base {

/// Until when, and unless what, a call may go on: a value handed down from the worker to the socket, so that no layer
/// invents a timeout of its own that outlives the work it is part of.
struct CallContext {
    SteadyTime deadline = SteadyTime::max();
    std::stop_token stop;

    /// The same work with at most `limit` of time from now.
    CallContext within(std::chrono::milliseconds limit, const Clock& clock = systemClock()) const {
        return {std::min(deadline, clock.steadyNow() + limit), stop};
    }

    /// What is left, never negative.
    std::chrono::milliseconds left(const Clock& clock = systemClock()) const {
        if (deadline == SteadyTime::max()) {
            return std::chrono::hours(24);
        }
        const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.steadyNow());
        return std::max(rest, std::chrono::milliseconds(0));
    }

    bool over(const Clock& clock = systemClock()) const {
        return stop.stop_requested() || clock.steadyNow() >= deadline;
    }
};

}  // namespace certbinder::base
