#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "base/call_context.h"
#include "base/unique_fd.h"

namespace certbinder::probe {

enum class Wait {
    kReady,     ///< the descriptor can be used (or has an error to tell)
    kDeadline,  ///< the time is over
    kStopped    ///< stop was asked for
};

/// Waits for a descriptor, for a deadline and for a stop at once: the stop is turned into a descriptor, so that it ends
/// a wait at once instead of at the next look. Not thread-safe; the stop may come from any thread.
class StopSignal {
  public:
    explicit StopSignal(std::stop_token stop);

    /// `events` as poll(2) has them.
    Wait waitFor(int fd, short events, base::SteadyTime deadline) const;

  private:
    struct Raise {
        int fd;
        void operator()() const;
    };

    std::stop_token stop_;
    base::UniqueFd event_;  // before the callback, which writes to it until it is gone
    std::optional<std::stop_callback<Raise>> callback_;
};

}  // namespace certbinder::probe
