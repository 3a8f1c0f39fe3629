#pragma once

#include <chrono>
#include <functional>
#include <stop_token>

namespace certbinder::base {

/// Monotonic time: for durations, deadlines, back-off.
using SteadyTime = std::chrono::steady_clock::time_point;
/// Wall time in whole seconds: only to print, and to compare with a certificate's dates.
using WallTime = std::chrono::sys_seconds;

/// The only way to know the time or to wait for it. Thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;

    virtual SteadyTime steadyNow() const = 0;
    virtual WallTime wallNow() const = 0;

    /// Waits until `time`, or until stop is asked for. False if it ended because of the stop.
    virtual bool waitUntil(SteadyTime time, std::stop_token stop) const = 0;
};

/// The machine's clock; lives as long as the process.
const Clock& systemClock();

}  // namespace certbinder::base
