#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/call_context.h"
#include "base/expected.h"

namespace certbinder::targets::nginx {

/// One transaction at a time on each host: the test of a configuration looks at all pairs of a host, so a pair that
/// another transaction has just switched would fail this one's test. Thread-safe.
class HostLocks {
  public:
    /// Held until it is destroyed; the locks must outlive it.
    class Hold {
      public:
        Hold(HostLocks& locks, std::string host) : locks_(&locks), host_(std::move(host)) {}
        Hold(Hold&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), host_(std::move(other.host_)) {}
        Hold& operator=(Hold&&) = delete;
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold();

      private:
        HostLocks* locks_;
        std::string host_;
    };

    /// Waits for the host; kUnreachable when the context is over before it is free.
    base::Expected<Hold> acquire(const std::string& host, const base::CallContext& context);

  private:
    std::mutex mutex_;  // guards busy_
    std::condition_variable_any freed_;
    std::set<std::string> busy_;
};

}  // namespace certbinder::targets::nginx
