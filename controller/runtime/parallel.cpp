#include "runtime/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace certbinder::runtime {

void forEachParallel(std::size_t count, std::size_t limit, const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next{0};
    const auto drain = [&] {
        for (std::size_t i = next++; i < count; i = next++) {
            work(i);
        }
    };
    const std::size_t threads = std::min(count, std::max<std::size_t>(limit, 1));
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) {
        helpers.emplace_back(drain);
    }
    drain();
}

}  // namespace certbinder::runtime
