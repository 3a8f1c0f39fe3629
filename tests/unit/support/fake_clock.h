#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/clock.h"

namespace certbinder::test {

/// A clock that stands still until the test moves it. Wall and steady time move together. Thread-safe.
class FakeClock final : public base::Clock {
  public:
    /// What waiting does: block until the test advances the clock, or move the clock itself and go on at once, which
    /// suits code under test that runs in the test's own thread.
    enum class Waiting { kBlocks, kAdvances };

    /// Starts at 2026-11-22T08:00:00Z.
    explicit FakeClock(Waiting waiting = Waiting::kBlocks,
                       base::WallTime start = base::WallTime(std::chrono::seconds(1795334400)))
        : waiting_(waiting), start_(start) {}

    base::SteadyTime steadyNow() const override {
        const std::scoped_lock lock(mutex_);
        return kSteadyStart + passed_;
    }

    base::WallTime wallNow() const override {
        const std::scoped_lock lock(mutex_);
        return start_ + std::chrono::floor<std::chrono::seconds>(passed_);
    }

    bool waitUntil(base::SteadyTime time, std::stop_token stop) const override {
        std::unique_lock lock(mutex_);
        if (stop.stop_requested()) {
            return false;
        }
        if (waiting_ == Waiting::kAdvances) {
            passed_ = std::max(passed_, time - kSteadyStart);
            return true;
        }
        ++waiters_;
        changed_.notify_all();
        changed_.wait(lock, stop, [&] { return kSteadyStart + passed_ >= time; });
        --waiters_;
        return !stop.stop_requested();
    }

    /// Moves the time on and wakes those whose time has come.
    void advance(std::chrono::nanoseconds by) {
        const std::scoped_lock lock(mutex_);
        passed_ += by;
        changed_.notify_all();
    }

    /// Since the clock was made.
    std::chrono::milliseconds passed() const {
        const std::scoped_lock lock(mutex_);
        return std::chrono::duration_cast<std::chrono::milliseconds>(passed_);
    }

    /// Waits, in real time, until `count` threads or more wait for this clock. False if they do not come in time.
    bool hasWaiters(int count, std::chrono::milliseconds limit = std::chrono::seconds(10)) const {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] { return waiters_ >= count; });
    }

  private:
    // Far from zero, so that a time in the past is still a valid one.
    static constexpr base::SteadyTime kSteadyStart{std::chrono::hours(1000)};

    const Waiting waiting_;
    const base::WallTime start_;
    mutable std::mutex mutex_;
    mutable std::condition_variable_any changed_;
    mutable std::chrono::nanoseconds passed_{0};
    mutable int waiters_ = 0;
};

}  // namespace certbinder::test
