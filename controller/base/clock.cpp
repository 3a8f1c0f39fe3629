#include "base/clock.h"

#include <condition_variable>
#include <mutex>

namespace certbinder::base {
namespace {

class SystemClock final : public Clock {
  public:
    SteadyTime steadyNow() const override { return std::chrono::steady_clock::now(); }

    WallTime wallNow() const override {
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    }

    bool waitUntil(SteadyTime time, std::stop_token stop) const override {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        wake.wait_until(lock, stop, time, [] { return false; });
        return !stop.stop_requested();
    }
};

}  // namespace

const Clock& systemClock() {
    static const SystemClock clock;
    return clock;
}

}  // namespace certbinder::base
