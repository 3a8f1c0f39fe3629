#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "runtime/queue_core.h"

namespace certbinder::runtime {

/// QueueCore with a lock and the patience of workers around it. Thread-safe.
template <typename Key>
class WorkQueue {
  public:
    using Urgency = typename QueueCore<Key>::Urgency;

    explicit WorkQueue(const base::Clock& clock) : clock_(clock) {}

    void add(const Key& key, Urgency urgency = Urgency::kLive) {
        const std::scoped_lock lock(mutex_);
        core_.add(key, urgency);
        wake_.notify_one();
    }

    void addAt(const Key& key, base::SteadyTime due) {
        const std::scoped_lock lock(mutex_);
        core_.addAt(key, due);
        wake_.notify_all();  // whoever waits for a later time must look at the new one
    }

    void forget(const Key& key) {
        const std::scoped_lock lock(mutex_);
        core_.forget(key);
    }

    void done(const Key& key) {
        const std::scoped_lock lock(mutex_);
        core_.done(key);
        wake_.notify_one();
    }

    /// Waits for work; nothing once a stop is asked for.
    std::optional<Key> take(std::stop_token stop) {
        std::unique_lock lock(mutex_);
        while (!stop.stop_requested()) {
            if (std::optional<Key> key = core_.take(clock_.steadyNow())) {
                return key;
            }
            // condition_variable_any wakes on the stop as well, without the race of a callback that notifies between
            // the test and the wait. Who wakes early merely looks again.
            if (const auto due = core_.nextDue()) {
                wake_.wait_until(lock, stop, *due, [&] { return core_.ready() > 0 || core_.nextDue() != due; });
            } else {
                wake_.wait(lock, stop, [this] { return core_.ready() > 0 || core_.nextDue(); });
            }
        }
        return std::nullopt;
    }

  private:
    const base::Clock& clock_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    QueueCore<Key> core_;
};

}  // namespace certbinder::runtime
