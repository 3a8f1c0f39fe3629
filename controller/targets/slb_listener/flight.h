#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"

namespace certbinder::targets::slb {

/// How often a waiting thread looks at its deadline, which may be that of another clock than the condition's.
inline constexpr std::chrono::milliseconds kDeadlineCheck{20};

/// One look-up that many threads want: one of them does it, and the others share its answer as long as it is young
/// enough for them. Thread-safe. The clock must outlive it.
template <typename T>
class SharedLookup {
  public:
    using Load = std::function<base::Expected<T>(const base::CallContext&)>;
    using Patch = std::function<void(T&)>;

    explicit SharedLookup(const base::Clock& clock) : clock_(clock) {}

    /// Hands `read` an answer that was asked for at `notOlderThan` or later, and returns what it makes of it. `read`
    /// runs under the lock: it copies what it needs.
    template <typename Read>
    auto with(base::SteadyTime notOlderThan, const Load& load, const base::CallContext& context, Read read)
        -> base::Expected<decltype(read(std::declval<const T&>()))> {
        std::unique_lock lock(mutex_);
        for (;;) {
            if (value_ && askedAt_ >= notOlderThan) {
                return read(std::as_const(*value_));
            }
            if (!loading_) {
                if (auto loaded = fly(lock, load, context); !loaded) {
                    return base::unexpected(std::move(loaded.error()));
                }
                return read(std::as_const(*value_));
            }
            const bool youngEnough = loadingSince_ >= notOlderThan;
            const std::size_t flight = flights_;
            while (flights_ == flight) {
                if (context.over(clock_)) {
                    return base::unexpected(base::Reason::kUnreachable,
                                            "the time ran out while another binding's look-up was being waited for");
                }
                landed_.wait_for(lock, kDeadlineCheck, [&] { return flights_ != flight; });
            }
            if (youngEnough && error_) {
                return base::unexpected(*error_);
            }
        }
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

  private:
    base::Expected<void> fly(std::unique_lock<std::mutex>& lock, const Load& load, const base::CallContext& context) {
        loading_ = true;
        loadingSince_ = clock_.steadyNow();
        lock.unlock();
        base::Expected<T> loaded = load(context);
        lock.lock();
        loading_ = false;
        ++flights_;
        landed_.notify_all();
        error_.reset();
        if (!loaded) {
            // A look-up that ended because its caller had no more time says nothing to the others: they look
            // themselves.
            if (!context.over(clock_)) {
                error_ = loaded.error();
            }
            patches_.clear();
            return base::unexpected(std::move(loaded.error()));
        }
        value_ = std::move(*loaded);
        askedAt_ = loadingSince_;
        for (const Patch& change : patches_) {
            change(*value_);
        }
        patches_.clear();
        return {};
    }

    const base::Clock& clock_;

    std::mutex mutex_;  // guards all below
    std::condition_variable landed_;
    std::optional<T> value_;
    base::SteadyTime askedAt_{};
    bool loading_ = false;
    base::SteadyTime loadingSince_{};
    std::size_t flights_ = 0;
    std::optional<base::Error> error_;  // of the last flight
    std::vector<Patch> patches_;        // made during the flight
};

/// Mutual exclusion by name, for as long as a context lasts: one flight per load balancer, one upload per certificate.
/// Thread-safe.
class KeyedMutex {
  public:
    class Hold {
      public:
        Hold(Hold&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
        Hold& operator=(Hold&&) = delete;
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() {
            if (owner_ != nullptr) {
                owner_->release(key_);
            }
        }

      private:
        friend class KeyedMutex;
        Hold(KeyedMutex* owner, std::string key) : owner_(owner), key_(std::move(key)) {}
        KeyedMutex* owner_;
        std::string key_;
    };

    explicit KeyedMutex(const base::Clock& clock) : clock_(clock) {}

    /// Waits until nobody holds `key`; kThrottled where the context is over first.
    base::Expected<Hold> acquire(const std::string& key, const base::CallContext& context) {
        std::unique_lock lock(mutex_);
        while (held_.count(key) != 0) {
            if (context.over(clock_)) {
                return base::unexpected(base::Reason::kThrottled,
                                        "the time ran out while another change to the same place was going on");
            }
            released_.wait_for(lock, kDeadlineCheck, [&] { return held_.count(key) == 0; });
        }
        held_.insert(key);
        return Hold(this, key);
    }

  private:
    void release(const std::string& key) {
        const std::scoped_lock lock(mutex_);
        held_.erase(key);
        released_.notify_all();
    }

    const base::Clock& clock_;

    std::mutex mutex_;  // guards all below
    std::condition_variable released_;
    std::set<std::string> held_;
};

}  // namespace certbinder::targets::slb
