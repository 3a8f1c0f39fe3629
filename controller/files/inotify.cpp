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

constexpr std::uint32_t kInteresting =
    IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

}  // namespace

base::Expected<Inotify> Inotify::make() {
    base::UniqueFd events(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    base::UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!events || !wake) {
        return base::unexpected(base::Reason::kInternalError,
                                "the files cannot be watched: " + std::generic_category().message(errno) +
                                    "; raise fs.inotify.max_user_instances if many programs watch files here");
    }
    return Inotify(std::move(events), std::move(wake));
}

void Inotify::watch(const std::vector<WatchedDirectory>& directories) {
    std::map<int, Interest> interests;
    for (const WatchedDirectory& directory : directories) {
        const int watch = inotify_add_watch(events_.get(), directory.path.c_str(), kInteresting | IN_ONLYDIR);
        if (watch >= 0) {
            Interest& interest = interests[watch];
            interest.all = interest.all || directory.names.empty();
            interest.names.insert(directory.names.begin(), directory.names.end());
        } else if (errno != ENOENT && errno != ENOTDIR) {
            base::logWarning("a directory cannot be watched; its changes take effect at the next change elsewhere",
                             {{"directory", directory.path}, {"error", std::generic_category().message(errno)}});
        }
    }
    for (const auto& [watch, interest] : interests_) {
        if (!interests.contains(watch)) {
            inotify_rm_watch(events_.get(), watch);  // fails where the directory is gone, and the watch with it
        }
    }
    interests_ = std::move(interests);
}

/// A directory that is watched for a few entries alone may be a busy one, such as /etc or /tmp.
bool Inotify::matters(int watch, unsigned mask, const char* name) const {
    if ((mask & IN_Q_OVERFLOW) != 0) {
        return true;  // events were lost: anything may have changed
    }
    const auto interest = interests_.find(watch);
    if (interest == interests_.end()) {
        return false;
    }
    return interest->second.all || (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0 ||
           interest->second.names.contains(name);
}

bool Inotify::drain() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    bool any = false;
    ssize_t size = 0;
    while ((size = ::read(events_.get(), buffer.data(), buffer.size())) > 0) {
        // Which file it was does not matter beyond that: everything is read anew.
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            any = any || matters(event->wd, event->mask, event->len > 0 ? event->name : "");
            at += sizeof(inotify_event) + event->len;
        }
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
