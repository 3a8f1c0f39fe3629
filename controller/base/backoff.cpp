#include "base/backoff.h"

#include <algorithm>
#include <cmath>

namespace certbinder::base {

std::chrono::milliseconds Backoff::next(Random& random) {
    const double grown = static_cast<double>(settings_.first.count()) * std::pow(settings_.factor, failures_);
    const double bounded = std::min(grown, static_cast<double>(settings_.most.count()));
    failures_ = std::min(failures_ + 1, 1000);  // far beyond the longest wait, far below an overflow of pow
    return jittered(std::chrono::milliseconds(static_cast<std::int64_t>(bounded)), settings_.jitter, random);
}

std::chrono::milliseconds jittered(std::chrono::milliseconds wait, double share, Random& random) {
    const double extra = static_cast<double>(wait.count()) * share * random.uniform();
    return wait + std::chrono::milliseconds(static_cast<std::int64_t>(extra));
}

}  // namespace certbinder::base
