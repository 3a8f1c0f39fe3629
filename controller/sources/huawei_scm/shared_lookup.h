#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"

namespace certbinder::sources::scm {

/// One look-up that many threads want: one of them does it, the others wait and share its answer, which serves until
/// somebody wants a younger one. T is cheap to copy. Thread-safe. The clock must outlive it.
template <typename T>
class SharedLookup {
  public:
    /// Gets what is known so far, if anything.
    using Load = std::function<base::Expected<T>(const std::optional<T>& previous, const base::CallContext&)>;

    explicit SharedLookup(const base::Clock& clock) : clock_(clock) {}

    /// An answer that was asked for at `notOlderThan` or later.
    base::Expected<T> get(base::SteadyTime notOlderThan, const Load& load, const base::CallContext& context) {
        std::unique_lock lock(mutex_);
        for (;;) {
            if (value_ && askedAt_ >= notOlderThan && !stale_) {
                return *value_;
            }
            if (!loading_) {
                return fly(lock, load, context);
            }
            const bool youngEnough = loadingSince_ >= notOlderThan;
            if (!awaitLanding(lock, context)) {
                return base::unexpected(base::Reason::kUnreachable,
                                        "the time ran out while another binding's look-up was being waited for");
            }
            if (youngEnough && error_) {
                return base::unexpected(*error_);
            }
        }
    }

    /// Has the next get() ask anew if what is known satisfies `isWrong`.
    template <typename Predicate>
    void discardIf(Predicate isWrong) {
        const std::scoped_lock lock(mutex_);
        stale_ = stale_ || (value_ && isWrong(*value_));
    }

  private:
    bool awaitLanding(std::unique_lock<std::mutex>& lock, const base::CallContext& context) {
        // The deadline may be that of another clock than the condition's, so it is looked at now and then.
        constexpr std::chrono::milliseconds kDeadlineCheck{20};
        const std::size_t flight = flights_;
        while (flights_ == flight) {
            if (context.over(clock_)) {
                return false;
            }
            landed_.wait_for(lock, kDeadlineCheck, [&] { return flights_ != flight; });
        }
        return true;
    }

    void land() {
        loading_ = false;
        ++flights_;
        error_.reset();
        landed_.notify_all();
    }

    base::Expected<T> fly(std::unique_lock<std::mutex>& lock, const Load& load, const base::CallContext& context) {
        loading_ = true;
        loadingSince_ = clock_.steadyNow();
        const std::optional<T> previous = value_;
        lock.unlock();
        base::Expected<T> loaded = [&] {
            try {
                return load(previous, context);
            } catch (...) {
                // A defect ends its own worker's pass; the others must not wait for it for ever.
                lock.lock();
                land();
                throw;
            }
        }();
        lock.lock();
        land();
        if (!loaded) {
            // One that ended because its caller had no more time says nothing to the others: they look themselves.
            if (!context.over(clock_)) {
                error_ = loaded.error();
            }
            return loaded;
        }
        value_ = *loaded;
        askedAt_ = loadingSince_;
        stale_ = false;
        return loaded;
    }

    const base::Clock& clock_;

    std::mutex mutex_;  // guards all below
    std::condition_variable landed_;
    std::optional<T> value_;
    base::SteadyTime askedAt_{};
    bool stale_ = false;
    bool loading_ = false;
    base::SteadyTime loadingSince_{};
    std::size_t flights_ = 0;
    std::optional<base::Error> error_;  // of the last flight
};

}  // namespace certbinder::sources::scm
