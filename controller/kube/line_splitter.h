#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/secret_bytes.h"

namespace certbinder::kube {

/// Puts the pieces of a stream together into lines. What is kept of an unfinished line is wiped, since an object may
/// hold secrets. Not thread-safe.
class LineSplitter {
  public:
    using OnLine = std::function<bool(std::string_view line)>;

    explicit LineSplitter(std::size_t mostBytes) : mostBytes_(mostBytes) {}

    enum class State { kMore, kEnough, kTooLong };

    /// Hands on every line that the piece completes, without its end (LF or CRLF); empty lines are passed over. kEnough
    /// after `onLine` returned false; kTooLong where a line is over the limit, and then also for all that follows.
    State take(std::string_view piece, const OnLine& onLine);

    /// Hands on what stands after the last line end; to be called only where the stream ended cleanly.
    State finish(const OnLine& onLine);

  private:
    State hand(std::string_view line, const OnLine& onLine);

    std::size_t mostBytes_;
    base::SecretBytes rest_;
    State state_ = State::kMore;
};

}  // namespace certbinder::kube
