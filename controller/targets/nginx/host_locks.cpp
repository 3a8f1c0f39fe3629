#include "targets/nginx/host_locks.h"

namespace certbinder::targets::nginx {

HostLocks::Hold::~Hold() {
    if (locks_ == nullptr) {
        return;
    }
    {
        const std::lock_guard lock(locks_->mutex_);
        locks_->busy_.erase(host_);
    }
    locks_->freed_.notify_all();
}

base::Expected<HostLocks::Hold> HostLocks::acquire(const std::string& host, const base::CallContext& context) {
    std::unique_lock lock(mutex_);
    const auto isFree = [&] { return busy_.count(host) == 0; };
    if (!freed_.wait_until(lock, context.stop, context.deadline, isFree)) {
        return base::unexpected(base::Reason::kUnreachable,
                                "the time ran out while another deployment to the same host was being waited for");
    }
    busy_.insert(host);
    return Hold(*this, host);
}

}  // namespace certbinder::targets::nginx
