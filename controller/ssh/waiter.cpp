#include "ssh/waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace certbinder::ssh {

using base::Reason;

Waiter::Waiter() : wakeUp_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Waiter::setContext(const base::CallContext& context) {
    // Ends the old callback (waiting for it, if it runs just now) before its signal is taken back.
    onStop_.reset();
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(wakeUp_.get(), &count, sizeof count);
    context_ = context;
    onStop_.emplace(context_.stop, [fd = wakeUp_.get()] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = ::write(fd, &one, sizeof one);
    });
}

base::Expected<void> Waiter::checkTime() const {
    if (context_.stop.stop_requested()) {
        return base::unexpected(Reason::kUnreachable, "stopped before it was done");
    }
    if (context_.over()) {
        return base::unexpected(Reason::kUnreachable, "no answer in time");
    }
    return {};
}

base::Expected<void> Waiter::wait(int fd, short events) {
    std::array<pollfd, 2> watched{{{fd, events, 0}, {wakeUp_.get(), POLLIN, 0}}};
    while (true) {
        if (auto time = checkTime(); !time) {
            return time;
        }
        // Rounded up, so that the last millisecond is not spent in a busy loop.
        const int limit = static_cast<int>(std::min<std::int64_t>(context_.left().count() + 1, 3'600'000));
        const int ready = ::poll(watched.data(), watched.size(), limit);
        if (ready > 0 && watched[0].revents != 0) {
            return {};
        }
        if (ready < 0 && errno != EINTR) {
            return base::unexpected(Reason::kInternalError, "poll: " + std::generic_category().message(errno));
        }
    }
}

}  // namespace certbinder::ssh
