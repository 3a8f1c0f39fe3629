#include "runtime/keyed_mutex.h"

#include <chrono>

namespace certbinder::runtime {

KeyedMutex::Hold::~Hold() {
    if (owner_ != nullptr) {
        owner_->release(key_);
    }
}

std::optional<KeyedMutex::Hold> KeyedMutex::acquire(const std::string& key, const base::CallContext& context) {
    // The deadline may be that of another clock than the condition's, so it is looked at now and then.
    constexpr std::chrono::milliseconds kDeadlineCheck{20};
    std::unique_lock lock(mutex_);
    while (held_.contains(key)) {
        if (context.over(clock_)) {
            return std::nullopt;
        }
        released_.wait_for(lock, kDeadlineCheck, [&] { return !held_.contains(key); });
    }
    held_.insert(key);
    return Hold(this, key);
}

void KeyedMutex::release(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    held_.erase(key);
    released_.notify_all();
}

}  // namespace certbinder::runtime
