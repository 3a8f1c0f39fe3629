#include "files/inotify.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/log.h"

namespace certbinder::files {
namespace {

constexpr std::uint32_t kInteresting = IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                       IN_DELETE_SELF | IN_MOVE_SELF;

std::string words(int error) {
    return std::error_code(error, std::generic_category()).message();
}

}  // namespace

base::Expected<Inotify> Inotify::make() {
    base::UniqueFd events(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    base::UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!events || !wake) {
        return base::unexpected(base::Reason::kInternalError,
                                "the files cannot be watched: " + words(errno) +
                                    "; raise fs.inotify.max_user_instances if many programs watch files here");
    }
    return Inotify(std::move(events), std::move(wake));
}

void Inotify::watch(const std::vector<std::string>& directories) {
    for (const std::string& directory : directories) {
        if (inotify_add_watch(events_.get(), directory.c_str(), kInteresting | IN_ONLYDIR) < 0 && errno != ENOENT) {
            base::logWarning("a directory cannot be watched; its changes take effect at the next change elsewhere",
                             {{"directory", directory}, {"error", words(errno)}});
        }
    }
}

bool Inotify::drain() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    bool any = false;
    while (::read(events_.get(), buffer.data(), buffer.size()) > 0) {
        any = true;  // which file it was does not matter: everything is read anew
    }
    return any;
}

bool Inotify::wait(std::chrono::milliseconds quiet, std::chrono::milliseconds most) {
    using Clock = std::chrono::steady_clock;
    bool changed = false;
    Clock::time_point end{};
    for (;;) {
        int timeout = -1;
        if (changed) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
            if (left.count() <= 0) {
                return true;
            }
            timeout = static_cast<int>(std::min(quiet, left).count());
        }
        std::array<pollfd, 2> fds{pollfd{events_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
        const int ready = ::poll(fds.data(), fds.size(), timeout);
        if (ready == 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if ((fds[1].revents & POLLIN) != 0) {
            return false;
        }
        if ((fds[0].revents & POLLIN) != 0 && drain() && !changed) {
            changed = true;
            end = Clock::now() + most;
        }
    }
}

void Inotify::wakeUp() {
    const std::uint64_t one = 1;
    // An eventfd takes eight bytes or says that it is full, which wakes as well.
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace certbinder::files
