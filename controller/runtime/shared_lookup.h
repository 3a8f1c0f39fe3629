#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"

namespace certbinder::runtime {

/// One look-up that many threads want: one of them does it, the others wait and share its answer, which serves all who
/// take one of its age. Thread-safe. The clock must outlive it.
template <typename T>
class SharedLookup {
  public:
    /// Called without the lock, by one thread at a time.
    using Load = std::function<base::Expected<T>(const base::CallContext&)>;
    using Patch = std::function<void(T&)>;

    explicit SharedLookup(const base::Clock& clock) : clock_(clock) {}

    /// Hands `read` an answer that was asked for at `notOlderThan` or later, and returns what it makes of it. `read`
    /// runs under the lock: it copies what it needs. A failed look-up fails all who waited for it, unless it failed
    /// for want of its own caller's time; the next one who asks looks anew. kUnreachable: the context was over first.
    template <typename Read>
    auto with(base::SteadyTime notOlderThan, const Load& load, const base::CallContext& context, Read read)
        -> base::Expected<decltype(read(std::declval<const T&>()))> {
        std::unique_lock lock(mutex_);
        for (;;) {
            if (value_ && askedAt_ >= notOlderThan && !discarded_) {
                return read(std::as_const(*value_));
            }
            if (!loading_) {
                if (auto loaded = fly(lock, load, context); !loaded) {
                    return base::unexpected(std::move(loaded.error()));
                }
                return read(std::as_const(*value_));
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

    /// A copy of such an answer, for a T that is cheap to copy.
    base::Expected<T> get(base::SteadyTime notOlderThan, const Load& load, const base::CallContext& context) {
        return with(notOlderThan, load, context, [](const T& value) { return value; });
    }

    /// What was known last, however old or wrong; nothing before the first answer.
    std::optional<T> last() const {
        const std::scoped_lock lock(mutex_);
        return value_;
    }

    /// Notes an own change: in the answer at hand, and in one under way, which may have been given before the change.
    void patch(const Patch& change) {
        const std::scoped_lock lock(mutex_);
        if (value_) {
            change(*value_);
        }
        if (loading_) {
            patches_.push_back(change);
        }
    }

    /// Has the next one who asks look anew if what is known satisfies `isWrong`.
    template <typename Predicate>
    void discardIf(Predicate isWrong) {
        const std::scoped_lock lock(mutex_);
        discarded_ = discarded_ || (value_ && isWrong(std::as_const(*value_)));
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

    std::vector<Patch> land() {
        loading_ = false;
        ++flights_;
        error_.reset();
        landed_.notify_all();
        return std::exchange(patches_, {});
    }

    base::Expected<void> fly(std::unique_lock<std::mutex>& lock, const Load& load, const base::CallContext& context) {
        loading_ = true;
        loadingSince_ = clock_.steadyNow();
        lock.unlock();
        base::Expected<T> loaded = [&] {
            try {
                return load(context);
            } catch (...) {
                // A defect ends its own worker's pass; the others must not wait for it for ever.
                lock.lock();
                land();
                throw;
            }
        }();
        lock.lock();
        const std::vector<Patch> patches = land();
        if (!loaded) {
            // One that ended because its caller had no more time says nothing to the others: they look themselves.
            if (!context.over(clock_)) {
                error_ = loaded.error();
            }
            return base::unexpected(std::move(loaded.error()));
        }
        value_ = std::move(*loaded);
        askedAt_ = loadingSince_;
        discarded_ = false;
        for (const Patch& change : patches) {
            change(*value_);
        }
        return {};
    }

    const base::Clock& clock_;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable landed_;
    std::optional<T> value_;
    base::SteadyTime askedAt_{};
    bool discarded_ = false;
    bool loading_ = false;
    base::SteadyTime loadingSince_{};
    std::size_t flights_ = 0;
    std::optional<base::Error> error_;  // of the last flight
    std::vector<Patch> patches_;        // made during the flight
};

}  // namespace certbinder::runtime
