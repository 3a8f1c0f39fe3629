#pragma once

#include <chrono>

#include "base/random.h"

namespace certbinder::base {

struct BackoffSettings {
    std::chrono::milliseconds first{1000};          ///< wait after the first failure
    std::chrono::milliseconds most{5 * 60 * 1000};  ///< no wait is longer, jitter aside
    double factor = 2.0;                            ///< growth from one failure to the next
    double jitter = 0.2;                            ///< a wait is spread over [wait, wait * (1 + jitter)]
};

/// Waits that grow with each failure. Not thread-safe.
class Backoff {
  public:
    explicit Backoff(BackoffSettings settings = {}) : settings_(settings) {}

    /// The wait before the next try. Jitter is only ever added, so that what a server asked for stays a floor.
    std::chrono::milliseconds next(Random& random);
    void reset() { failures_ = 0; }
    int failures() const { return failures_; }

  private:
    BackoffSettings settings_;
    int failures_ = 0;
};

/// `wait` plus up to `share` of it.
std::chrono::milliseconds jittered(std::chrono::milliseconds wait, double share, Random& random);

}  // namespace certbinder::base
