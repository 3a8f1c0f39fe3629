#include "targets/slb_listener/client.h"

#include <set>

#include "fake_slb.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_transport.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets::slb;
using base::Reason;
using namespace std::chrono_literals;

namespace {

constexpr const char* kListingCall = "DescribeServerCertificates";
constexpr const char* kStartCall = "StartLoadBalancerListener";

struct ClientFixture {
    test::FakeSlb cloud;
    test::FakeTransport transport{[this](const http::Request& request) { return cloud.answer(request); }};
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances};
    test::FakeRandom random;
    ClientSettings settings;
    std::shared_ptr<const Credentials> credentials = std::make_shared<const Credentials>(
        Credentials{"testid", base::SecretBytes("testsecret"), base::SecretBytes("token")});
    SlbClient client{settings, {"https://slb.cn-test.aliyuncs.com/", "cn-test"}, credentials, transport, clock, random};

    ClientFixture() { cloud.balancers["lb-1"].listeners[443].status = "stopped"; }

    base::CallContext within(std::chrono::milliseconds limit) { return base::CallContext().within(limit, clock); }
};

}  // namespace

TEST_CASE("every call is a POST whose URL holds nothing and whose form names the region", "[slb][client]") {
    ClientFixture f;
    REQUIRE(f.client.describeCertificates({}));
    REQUIRE(f.client.describeListeners("", {}));
    REQUIRE(f.client.startListener("lb-1", 443, {}));
    for (const http::Request& request : f.transport.requests()) {
        CHECK(request.method == "POST");
        CHECK(request.url == "https://slb.cn-test.aliyuncs.com/");
        const test::Form form = test::decodeForm(request.body.reveal());
        CHECK(form.at("RegionId") == "cn-test");
        CHECK(form.at("SecurityToken") == "token");
    }
}

TEST_CASE("a busy load balancer is asked again until it is free", "[slb][client]") {
    ClientFixture f;
    f.cloud.refuseNext(kStartCall, 400, "ServiceIsConfiguring", 3);
    REQUIRE(f.client.startListener("lb-1", 443, {}));
    CHECK(f.cloud.count(kStartCall) == 4);
    CHECK(f.clock.passed() >= 7s);  // 1, 2 and 4 seconds

    std::set<std::string> nonces;
    for (const test::Form& form : f.cloud.calls(kStartCall)) {
        nonces.insert(form.at("SignatureNonce"));
    }
    CHECK(nonces.size() == 4);
}

TEST_CASE("a load balancer that stays busy is given up after the budget, or at the deadline", "[slb][client]") {
    ClientFixture f;
    f.cloud.refuseNext(kStartCall, 409, "BackendServer.configuring", 1000);
    const auto result = f.client.startListener("lb-1", 443, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().reason() == Reason::kThrottled);
    CHECK(result.error().code() == "BackendServer.configuring");
    CHECK(f.clock.passed() > 280s);
    CHECK(f.clock.passed() <= 300s);

    const auto before = f.clock.passed();
    CHECK_FALSE(f.client.startListener("lb-1", 443, f.within(5s)));
    CHECK(f.clock.passed() - before < 5s);
}

TEST_CASE("a throttled call slows down the whole account for as long as it was asked", "[slb][client]") {
    ClientFixture f;
    f.cloud.failNext(kListingCall,
                     {test::refusal(400, "Throttling.User", "", {{"x-acs-retry-after", "30000"}}), false});
    REQUIRE(f.client.describeCertificates({}));
    CHECK(f.clock.passed() >= 30s);

    f.cloud.failNext(kListingCall, {test::refusal(400, "Throttling", "", {{"x-acs-retry-after", "30000"}}), false});
    const auto throttled = f.client.describeCertificates(f.within(10s));
    REQUIRE_FALSE(throttled);
    CHECK(throttled.error().reason() == Reason::kThrottled);
    // Another call, of another action, has to wait as well: it cannot within a second.
    const std::size_t sent = f.transport.requestCount();
    const auto other = f.client.describeListeners("", f.within(1s));
    REQUIRE_FALSE(other);
    CHECK(other.error().reason() == Reason::kThrottled);
    CHECK(f.transport.requestCount() == sent);
}

TEST_CASE("a reading call is repeated when the answer is lost or the service fails", "[slb][client]") {
    ClientFixture f;
    f.cloud.failNext(kListingCall, {base::unexpected(test::noAnswer(http::Failure::kReset)), false});
    f.cloud.refuseNext(kListingCall, 503, "ServiceUnavailable");
    f.cloud.refuseNext(kListingCall, 400, "SignatureNonceUsed");
    CHECK(f.client.describeCertificates({}));
    CHECK(f.cloud.count(kListingCall) == 4);

    f.cloud.refuseNext(kListingCall, 500, "InternalError", 10);
    const auto given = f.client.describeCertificates({});
    REQUIRE_FALSE(given);
    CHECK(given.error().reason() == Reason::kUnreachable);
    CHECK(f.cloud.count(kListingCall) == 8);
}

TEST_CASE("a writing call is not repeated when it may have been carried out", "[slb][client]") {
    ClientFixture f;
    f.cloud.failNext(kStartCall, {base::unexpected(test::noAnswer(http::Failure::kTimeout)), true});
    const auto lost = f.client.startListener("lb-1", 443, {});
    REQUIRE_FALSE(lost);
    CHECK(outcomeUnknown(lost.error()));
    CHECK(f.cloud.count(kStartCall) == 1);

    f.cloud.refuseNext(kStartCall, 500, "InternalError");
    CHECK_FALSE(f.client.startListener("lb-1", 443, {}));
    CHECK(f.cloud.count(kStartCall) == 2);
}

TEST_CASE("a writing call is repeated when there was no connection to send it by", "[slb][client]") {
    ClientFixture f;
    f.cloud.failNext(kStartCall, {base::unexpected(test::noAnswer(http::Failure::kRefused)), false});
    CHECK(f.client.startListener("lb-1", 443, {}));
    CHECK(f.cloud.count(kStartCall) == 2);
}

TEST_CASE("a wrong clock is corrected by the service's, once", "[slb][client]") {
    ClientFixture f;
    const auto expired = [] {
        return test::Fault{
            test::refusal(400, "InvalidTimeStamp.Expired", "", {{"Date", "Sun, 22 Nov 2026 09:00:00 GMT"}}), false};
    };
    f.cloud.failNext(kListingCall, expired());
    REQUIRE(f.client.describeCertificates({}));
    CHECK(f.cloud.calls(kListingCall)[0].at("Timestamp") == "2026-11-22T08:00:00Z");
    CHECK(f.cloud.calls(kListingCall)[1].at("Timestamp") == "2026-11-22T09:00:00Z");

    f.cloud.failNext(kListingCall, expired());
    f.cloud.failNext(kListingCall, expired());
    const auto again = f.client.describeCertificates({});
    REQUIRE_FALSE(again);
    CHECK_THAT(again.error().message(), CERTBINDER_CONTAINS("clock"));
    CHECK(f.cloud.count(kListingCall) == 4);
}

TEST_CASE("refused credentials and rights are not tried again", "[slb][client]") {
    ClientFixture f;
    f.cloud.refuseNext(kListingCall, 404, "InvalidAccessKeyId.NotFound");
    const auto unknown = f.client.describeCertificates({});
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().reason() == Reason::kCredentialsInvalid);
    f.cloud.refuseNext(kListingCall, 403, "Forbidden.RAM");
    const auto denied = f.client.describeCertificates({});
    REQUIRE_FALSE(denied);
    CHECK(denied.error().reason() == Reason::kAccessDenied);
    CHECK(f.cloud.count(kListingCall) == 2);
}

TEST_CASE("an answer of something else than the service is an error, not a crash", "[slb][client]") {
    ClientFixture f;
    for (const char* body : {"", "<html>", "[]", "{\"Listeners\": 7}", "null"}) {
        f.transport.push(200, body);
        const auto page = f.client.describeListeners("", {});
        CHECK((!page || page->items.empty()));
    }
    f.transport.push(200, "{}");
    CHECK_FALSE(f.client.uploadCertificate({"name", "chain", "key", {}}, {}));
}

TEST_CASE("a stopped context ends the waiting", "[slb][client]") {
    ClientFixture f;
    f.cloud.refuseNext(kStartCall, 400, "ServiceIsConfiguring", 1000);
    std::stop_source stop;
    stop.request_stop();
    CHECK_FALSE(f.client.startListener("lb-1", 443, {base::SteadyTime::max(), stop.get_token()}));
    CHECK(f.clock.passed() == 0s);
}

TEST_CASE("a missing listener is nothing, a missing load balancer is an error", "[slb][client]") {
    ClientFixture f;
    const auto missing = f.client.describeListener("lb-1", 8443, {});
    REQUIRE(missing);
    CHECK_FALSE(missing->has_value());
    const auto gone = f.client.describeListener("lb-2", 443, {});
    REQUIRE_FALSE(gone);
    CHECK(isLoadBalancerMissing(gone.error()));
}
