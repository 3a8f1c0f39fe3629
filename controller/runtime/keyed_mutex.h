#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/call_context.h"
#include "base/clock.h"

namespace certbinder::runtime {

/// Mutual exclusion by name, for as long as a context lasts: one transaction per host, one flight per load balancer,
/// one upload per certificate. Thread-safe. The clock must outlive it.
class KeyedMutex {
  public:
    /// Held until it is destroyed; the mutex must outlive it.
    class Hold {
      public:
        Hold(Hold&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
        Hold& operator=(Hold&&) = delete;
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold();

      private:
        friend class KeyedMutex;
        Hold(KeyedMutex* owner, std::string key) : owner_(owner), key_(std::move(key)) {}

        KeyedMutex* owner_;
        std::string key_;
    };

    explicit KeyedMutex(const base::Clock& clock) : clock_(clock) {}

    /// Waits until nobody holds `key`; nothing where the context is over first.
    std::optional<Hold> acquire(const std::string& key, const base::CallContext& context);

  private:
    void release(const std::string& key);

    const base::Clock& clock_;

    std::mutex mutex_;  // guards all below
    std::condition_variable released_;
    std::set<std::string> held_;
};

}  // namespace certbinder::runtime
