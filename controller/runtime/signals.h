#pragma once

#include <functional>
#include <stop_token>
#include <thread>

namespace certbinder::runtime {

/// Turns SIGTERM and SIGINT into a stop: the first asks for an orderly end, the second ends the process at once.
/// SIGPIPE is ignored: a peer or reader that goes away is an error of a call. Must be made before any other thread,
/// since threads inherit which signals they leave to it. One per process.
class SignalStop {
  public:
    SignalStop();
    ~SignalStop();
    SignalStop(const SignalStop&) = delete;
    SignalStop& operator=(const SignalStop&) = delete;

    std::stop_token token() const { return stop_.get_token(); }

  private:
    std::stop_source stop_;
    std::jthread waiter_;
};

}  // namespace certbinder::runtime
