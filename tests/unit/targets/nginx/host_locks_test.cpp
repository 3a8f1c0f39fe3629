#include "targets/nginx/host_locks.h"

#include <future>

#include "support/test.h"

namespace certbinder::targets::nginx {

TEST_CASE("a host is held by one transaction at a time, and hosts do not wait for each other", "[nginx]") {
    HostLocks locks;
    auto first = std::make_unique<HostLocks::Hold>(std::move(locks.acquire("a", {}).value()));
    CHECK(locks.acquire("b", {}));
    const base::CallContext short_{std::chrono::steady_clock::now(), {}};
    const auto second = locks.acquire("a", short_);
    REQUIRE_FALSE(second);
    CHECK(second.error().reason() == base::Reason::kUnreachable);
    auto waiting = std::async(std::launch::async, [&] { return locks.acquire("a", {}).has_value(); });
    first.reset();
    CHECK(waiting.get());
    CHECK(locks.acquire("a", short_));
}

TEST_CASE("a stop ends the waiting for a host", "[nginx]") {
    HostLocks locks;
    const auto held = locks.acquire("a", {});
    std::stop_source stop;
    auto waiting = std::async(std::launch::async, [&] {
        return locks.acquire("a", {base::SteadyTime::max(), stop.get_token()}).has_value();
    });
    stop.request_stop();
    CHECK_FALSE(waiting.get());
}

}  // namespace certbinder::targets::nginx
