#include "probe/stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace certbinder::probe {
namespace {

// Bounds what one poll is given: its timeout is an int of milliseconds, a deadline may be "never". Also how long a stop
// goes unseen where no descriptor was left for the signal.
constexpr std::chrono::milliseconds kLongestWithSignal{60'000};
constexpr std::chrono::milliseconds kLongestWithout{100};

}  // namespace

void StopSignal::Raise::operator()() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof(one));
}

StopSignal::StopSignal(std::stop_token stop)
    : stop_(std::move(stop)), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_) {
        callback_.emplace(stop_, Raise{event_.get()});
    }
}

Wait StopSignal::waitFor(int fd, short events, base::SteadyTime deadline) const {
    for (;;) {
        if (stop_.stop_requested()) {
            return Wait::kStopped;
        }
        const auto now = std::chrono::steady_clock::now();
        const auto most = event_ ? kLongestWithSignal : kLongestWithout;
        // Rounded up, or the last millisecond would be spent turning round.
        const auto left = deadline - now >= most ? most : std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
        std::array<pollfd, 2> fds{pollfd{fd, events, 0}, pollfd{event_ ? event_.get() : -1, POLLIN, 0}};
        const int timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        const int ready = ::poll(fds.data(), fds.size(), timeout);
        if (ready > 0 && fds[0].revents != 0 && !stop_.stop_requested()) {
            return Wait::kReady;
        }
        if (ready == 0 && std::chrono::steady_clock::now() >= deadline) {
            return Wait::kDeadline;
        }
    }
}

}  // namespace certbinder::probe
