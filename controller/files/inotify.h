#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/expected.h"
#include "base/unique_fd.h"
#include "files/manifests.h"

namespace certbinder::files {

/// Notices changes in directories. Not thread-safe, but for `wakeUp`.
class Inotify {
  public:
    static base::Expected<Inotify> make();

    /// Watches these from now on, and no others. A directory that is not there (any more) is no error:
    /// its parent's change tells.
    void watch(const std::vector<WatchedDirectory>& directories);

    /// Waits for a change and then until the directories have been at rest for `quiet` (a checkout, an editor's save
    /// and a copy make many changes), but no longer than `most`. False when woken without a change.
    bool wait(std::chrono::milliseconds quiet, std::chrono::milliseconds most);

    /// Ends a wait; from any thread.
    void wakeUp();

  private:
    Inotify(base::UniqueFd events, base::UniqueFd wake) : events_(std::move(events)), wake_(std::move(wake)) {}
    bool drain();
    bool matters(int watch, unsigned mask, const char* name) const;

    struct Interest {
        bool all = false;
        std::set<std::string> names;
    };

    base::UniqueFd events_;
    base::UniqueFd wake_;
    std::map<int, Interest> interests_;  ///< by the kernel's number of the watch
};

}  // namespace certbinder::files
