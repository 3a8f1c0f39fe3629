#pragma once

#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <vector>

#include "base/random.h"

namespace certbinder::test {

/// Chance chosen by the test: the given values in turn, again and again. Thread-safe.
class FakeRandom final : public base::Random {
  public:
    explicit FakeRandom(double value = 0.0) : values_{value} {}
    FakeRandom(std::initializer_list<double> values) : values_(values) {}

    double uniform() override {
        const std::scoped_lock lock(mutex_);
        return values_[next_++ % values_.size()];
    }

  private:
    std::mutex mutex_;
    std::vector<double> values_;
    std::size_t next_ = 0;
};

}  // namespace certbinder::test
