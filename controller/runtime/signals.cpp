#include "runtime/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "base/log.h"

namespace certbinder::runtime {
namespace {

sigset_t stopSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void waitForSignals(const std::stop_token& ended, const std::stop_source& stop) {
    const sigset_t set = stopSignals();
    while (!ended.stop_requested()) {
        // The destructor wakes this thread by a signal of its own (SIGTERM to the thread), so no polling is needed.
        int signal = 0;
        if (sigwait(&set, &signal) != 0 || ended.stop_requested()) {
            continue;
        }
        if (stop.stop_requested()) {
            base::logWarning("second signal: ending at once, without finishing the work in hand");
            _exit(128 + signal);
        }
        base::logInfo("stopping: finishing the work in hand", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
        stop.request_stop();
    }
}

}  // namespace

SignalStop::SignalStop() {
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // fails for numbers alone that are no signal
    const sigset_t set = stopSignals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    waiter_ = std::jthread([stop = stop_](const std::stop_token& ended) { waitForSignals(ended, stop); });
}

SignalStop::~SignalStop() {
    waiter_.request_stop();
    // It ends the wait, not the thread: the signal is blocked.
    pthread_kill(waiter_.native_handle(), SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread,cert-pos44-c)
}

}  // namespace certbinder::runtime
