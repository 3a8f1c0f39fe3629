#include "targets/slb_listener/account.h"

#include <thread>

#include "fixture.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets::slb;
using namespace std::chrono_literals;

namespace {

struct AccountFixture {
    test::FakeSlb cloud;
    test::FakeTransport transport{[this](const http::Request& request) { return cloud.answer(request); }};
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances};
    test::FakeRandom random;
    Account account{
        std::make_unique<SlbClient>(ClientSettings{}, SlbClient::Place{"https://slb.cn-test.aliyuncs.com/", "cn-test"},
                                    std::make_shared<const Credentials>(), transport, clock, random),
        clock};
};

std::string balancerName(int number) {
    return "lb-" + std::to_string(100'000 + number);
}

}  // namespace

TEST_CASE("ten thousand listeners are listed by a hundred calls, for all bindings together", "[slb][account]") {
    AccountFixture f;
    for (int i = 0; i < 10'000; ++i) {
        f.cloud.balancers[balancerName(i)].listeners[443].certificateID = "cert-" + std::to_string(i);
    }
    const base::SteadyTime pass = f.clock.steadyNow();
    for (int i = 0; i < 10'000; ++i) {
        const auto listener = f.account.listener(balancerName(i), 443, pass, {});
        REQUIRE(listener);
        REQUIRE(*listener);
        REQUIRE((*listener)->serverCertificateID == "cert-" + std::to_string(i));
    }
    CHECK(f.cloud.count("DescribeLoadBalancerListeners") == 100);

    f.clock.advance(1s);
    REQUIRE(f.account.listener(balancerName(7), 443, f.clock.steadyNow(), {}));
    CHECK(f.cloud.count("DescribeLoadBalancerListeners") == 200);
}

TEST_CASE("what is not listed is nothing", "[slb][account]") {
    AccountFixture f;
    f.cloud.balancers["lb-1"].listeners[443] = {};
    const auto listener = f.account.listener("lb-1", 80, {}, {});
    REQUIRE(listener);
    CHECK_FALSE(*listener);
    const auto balancer = f.account.loadBalancer("lb-2", {}, {});
    REQUIRE(balancer);
    CHECK_FALSE(*balancer);
}

TEST_CASE("load balancers are listed page by page", "[slb][account]") {
    AccountFixture f;
    for (int i = 0; i < 250; ++i) {
        f.cloud.balancers[balancerName(i)].address = "203.0.113." + std::to_string(i);
    }
    const auto balancer = f.account.loadBalancer(balancerName(249), {}, {});
    REQUIRE(balancer);
    REQUIRE(*balancer);
    CHECK((*balancer)->address == "203.0.113.249");
    CHECK(f.cloud.count("DescribeLoadBalancers") == 3);
}

TEST_CASE("many threads share one listing", "[slb][account]") {
    AccountFixture f;
    f.cloud.balancers["lb-1"].listeners[443] = {};
    const base::SteadyTime pass = f.clock.steadyNow();
    std::atomic<int> found{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 20; ++i) {
            threads.emplace_back([&] {
                const auto listener = f.account.listener("lb-1", 443, pass, {});
                found += listener && *listener ? 1 : 0;
            });
        }
    }
    CHECK(found == 20);
    CHECK(f.cloud.count("DescribeLoadBalancerListeners") == 1);
}

TEST_CASE("an own change shows in the listing at hand", "[slb][account]") {
    AccountFixture f;
    f.cloud.balancers["lb-1"].listeners[443].certificateID = "old";
    const base::SteadyTime pass = f.clock.steadyNow();
    REQUIRE(f.account.listener("lb-1", 443, pass, {}));
    ListenerAttributes changed;
    changed.status = "running";
    changed.serverCertificateID = "new";
    f.account.noteListener("lb-1", 443, changed);
    const auto seen = f.account.listener("lb-1", 443, pass, {});
    REQUIRE((seen && *seen));
    CHECK((*seen)->serverCertificateID == "new");
    CHECK(f.cloud.count("DescribeLoadBalancerListeners") == 1);
}

TEST_CASE("a change made while a listing is under way outlives the listing", "[slb][account]") {
    AccountFixture f;
    f.cloud.balancers["lb-1"].listeners[443].certificateID = "old";
    f.transport.handle([&](const http::Request& request) {
        auto answer = f.cloud.answer(request);  // the service answers, and then the change happens
        ListenerAttributes changed;
        changed.serverCertificateID = "new";
        f.account.noteListener("lb-1", 443, changed);
        return answer;
    });
    const auto seen = f.account.listener("lb-1", 443, {}, {});
    REQUIRE((seen && *seen));
    CHECK((*seen)->serverCertificateID == "new");
}

TEST_CASE("a failed listing fails its caller and is not remembered", "[slb][account]") {
    AccountFixture f;
    f.cloud.balancers["lb-1"].listeners[443] = {};
    f.cloud.refuseNext("DescribeLoadBalancerListeners", 403, "Forbidden.RAM");
    CHECK_FALSE(f.account.listener("lb-1", 443, {}, {}));
    CHECK(f.account.listener("lb-1", 443, {}, {}));
}

TEST_CASE("a certificate younger than the listing is looked for once more", "[slb][account]") {
    AccountFixture f;
    const base::SteadyTime pass = f.clock.steadyNow();
    REQUIRE(f.account.certificates(pass, {}));
    f.clock.advance(1s);
    f.cloud.certificates.push_back({"young", "", "aa", 0, 0, false, {}});
    const auto young = f.account.certificate("young", pass, {});
    REQUIRE(young);
    CHECK(*young);
    CHECK(f.cloud.count("DescribeServerCertificates") == 2);
}
