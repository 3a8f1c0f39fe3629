#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/unique_fd.h"

namespace certbinder::ssh {

/// Waits for a socket no longer than a context lets it: a stop wakes it at once, through an eventfd. Used by one
/// thread; the stop may come from any.
class Waiter {
  public:
    Waiter();

    void setContext(const base::CallContext& context);
    const base::CallContext& context() const { return context_; }

    /// Until one of poll(2)'s `events` (or an error condition) is there. kUnreachable with "no answer in time" or
    /// "stopped".
    base::Expected<void> wait(int fd, short events);

    /// Fails as wait() does if the context is over already.
    base::Expected<void> checkTime() const;

  private:
    base::UniqueFd wakeUp_;
    base::CallContext context_;
    std::optional<std::stop_callback<std::function<void()>>> onStop_;
};

}  // namespace certbinder::ssh
