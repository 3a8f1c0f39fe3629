#pragma once

#include <cstddef>
#include <functional>

namespace certbinder::runtime {

/// Calls `work(0)` to `work(count - 1)`, at most `limit` at a time, and returns when all have returned. `work` must not
/// throw. With a single item or a limit of one everything runs in the caller's thread, in order.
void forEachParallel(std::size_t count, std::size_t limit, const std::function<void(std::size_t)>& work);

}  // namespace certbinder::runtime
