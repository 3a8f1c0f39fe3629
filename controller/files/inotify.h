#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/expected.h"
#include "base/unique_fd.h"

namespace certbinder::files {

/// Notices changes in directories. Not thread-safe, but for `wakeUp`.
class Inotify {
  public:
    static base::Expected<Inotify> make();

    /// Watches these from now on; those watched already stay so. A directory that is not there (any more) is no error:
    /// its parent's change tells.
    void watch(const std::vector<std::string>& directories);

    /// Waits for a change and then until the directories have been at rest for `quiet` (a checkout, an editor's save
    /// and a copy make many changes), but no longer than `most`. False when woken without a change.
    bool wait(std::chrono::milliseconds quiet, std::chrono::milliseconds most);

    /// Ends a wait; from any thread.
    void wakeUp();

  private:
    Inotify(base::UniqueFd events, base::UniqueFd wake) : events_(std::move(events)), wake_(std::move(wake)) {}
    bool drain();

    base::UniqueFd events_;
    base::UniqueFd wake_;
};

}  // namespace certbinder::files
