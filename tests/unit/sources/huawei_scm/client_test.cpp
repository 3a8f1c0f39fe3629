#include "sources/huawei_scm/client.h"

#include <string>
#include <vector>

#include "fake_scm.h"
#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

using base::Reason;
using std::chrono::seconds;

constexpr const char* kSecretKey = "secret-access-key-that-nobody-may-see";

struct Fixture {
    explicit Fixture(bool temporary = false) {
        transport.handle([this](const http::Request& request) { return cloud(request); });
        AccessKey key{"ACCESSKEY0000000001", base::SecretBytes(kSecretKey), {}};
        if (temporary) {
            key.securityToken = base::SecretBytes("temporary-security-token");
        }
        client = std::make_unique<ScmClient>(settings, place(), Credentials(std::move(key)), transport, clock, random);
    }

    static ScmClient::Place place() {
        return {"http://127.0.0.1:8080", "", {"http://127.0.0.1:8080", "ap-southeast-1", ""}};
    }

    void fill(int count) {
        for (int i = 0; i < count; ++i) {
            test::FakeCertificate certificate;
            certificate.id = "scs" + std::to_string(1000 + i);
            certificate.names = {"n" + std::to_string(i) + ".example.com"};
            certificate.expireTime = "2027-01-01 00:00:00.0";
            certificate.status = i % 2 == 0 ? "ISSUED" : "EXPIRED";
            cloud.put(certificate);
        }
    }

    std::string header(std::size_t request, const std::string& name) const {
        return test::headerOf(transport.requests().at(request), name);
    }

    test::FakeScm cloud;
    test::FakeTransport transport;
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances, test::pkiNow()};
    test::FakeRandom random;
    Settings settings;
    std::unique_ptr<ScmClient> client;
};

TEST_CASE("a request is signed for the host it goes to, and asks for English", "[sources][scm][client]") {
    Fixture f(true);
    REQUIRE(f.client->list("0", {}));
    CHECK(f.header(0, "X-Language") == "en-us");
    CHECK(f.header(0, "Host") == "127.0.0.1:8080");
    CHECK(f.header(0, "X-Sdk-Date") == "20260101T000000Z");
    CHECK(f.header(0, "X-Security-Token") == "temporary-security-token");
    CHECK_THAT(
        f.header(0, "Authorization"),
        CERTBINDER_CONTAINS("SDK-HMAC-SHA256 Access=ACCESSKEY0000000001, "
                            "SignedHeaders=content-type;host;x-language;x-sdk-date;x-security-token, Signature="));
    CHECK(f.transport.requests()[0].url ==
          "http://127.0.0.1:8080/v3/scm/certificates?enterprise_project_id=0&limit=50&offset=0&sort_dir=DESC&"
          "sort_key=certExpiredTime");
}

TEST_CASE("all pages are read, and no more", "[sources][scm][client]") {
    for (const auto& [count, calls] : {std::pair{0, 1}, {1, 1}, {49, 1}, {50, 1}, {51, 2}, {100, 2}, {120, 3}}) {
        Fixture f;
        f.fill(count);
        const auto listing = f.client->list("", {});
        REQUIRE(listing);
        CHECK(listing->certificates.size() == static_cast<std::size_t>(count));
        CHECK_FALSE(listing->truncated);
        CHECK(f.cloud.count("ListCertificates") == calls);
    }
}

TEST_CASE("a list that changes while it is read is read again", "[sources][scm][client]") {
    Fixture f;
    f.fill(60);
    f.cloud.setUnsteady(1);
    REQUIRE(f.client->list("", {}));
    CHECK(f.cloud.count("ListCertificates") == 4);
}

TEST_CASE("a total that is never right does not keep the list from being used", "[sources][scm][client]") {
    Fixture f;
    f.fill(60);
    f.cloud.setUnsteady(1000);
    const auto listing = f.client->list("", {});
    REQUIRE(listing);
    CHECK(listing->certificates.size() == 60);
    CHECK(f.cloud.count("ListCertificates") == 2 * f.settings.mostListings);
}

TEST_CASE("a certificate that moved over a page's edge is listed once", "[sources][scm][client]") {
    Fixture f;
    std::string page = R"({"total_count":51,"certificates":[)";
    for (int i = 0; i < 50; ++i) {
        page += std::string(i > 0 ? "," : "") + R"({"id":"scs)" + std::to_string(i) + R"(","domain":"a.example"})";
    }
    page += "]}";
    f.transport.push(200, page);
    f.transport.push(200, R"({"total_count":51,"certificates":[{"id":"scs49","domain":"a.example","sans":null}]})");
    f.fill(1);
    // The first reading saw 50 different ones of 51, so there is a second one.
    const auto listing = f.client->list("", {});
    REQUIRE(listing);
    CHECK(f.transport.requestCount() == 3);
    CHECK(listing->certificates.size() == 1);
}

TEST_CASE("a service that heeds no offset does not hold the client for ever", "[sources][scm][client]") {
    Fixture f;
    std::string page = R"({"total_count":500,"certificates":[)";
    for (int i = 0; i < 50; ++i) {
        page += std::string(i > 0 ? "," : "") + R"({"id":"scs)" + std::to_string(i) + R"("})";
    }
    page += "]}";
    f.transport.handle([&](const http::Request&) { return test::answer(200, page); });
    REQUIRE(f.client->list("", {}));
    CHECK(f.transport.requestCount() == 6);
}

TEST_CASE("where deep pages are refused, the states that count are listed by themselves", "[sources][scm][client]") {
    Fixture f;
    f.fill(240);
    f.cloud.setDeepOffsetRefused();
    const auto listing = f.client->list("", {});
    REQUIRE(listing);
    CHECK_FALSE(listing->truncated);
    const auto issued = std::count_if(listing->certificates.begin(), listing->certificates.end(),
                                      [](const auto& c) { return c.status == kIssued; });
    CHECK(issued == 120);

    // Where a filter is not known either, what was seen is used.
    Fixture partner;
    partner.fill(240);
    partner.cloud.setDeepOffsetRefused();
    partner.transport.handle([&](const http::Request& request) -> base::Expected<http::Response> {
        return request.url.find("status=") != std::string::npos ? test::scmError(400, "SCM.0005")
                                                                : partner.cloud(request);
    });
    const auto seen = partner.client->list("", {});
    REQUIRE(seen);
    CHECK(seen->truncated);
    CHECK(seen->certificates.size() == 150);

    Fixture more;
    more.fill(400);
    more.cloud.setDeepOffsetRefused();
    CHECK(more.client->list("", {})->truncated);
}

TEST_CASE("failures that pass are tried again with growing waits", "[sources][scm][client]") {
    Fixture f;
    f.transport.push(base::unexpected(test::noAnswer(http::Failure::kReset)));
    f.transport.push(502, "<html>bad gateway</html>");
    f.transport.push(200, R"({"certificates":[)");
    REQUIRE(f.client->list("", {}));
    CHECK(f.transport.requestCount() == 4);
    CHECK(f.clock.passed() == std::chrono::milliseconds(500 + 1000 + 2000));
}

TEST_CASE("failures that do not pass end the call after a few tries", "[sources][scm][client]") {
    Fixture f;
    f.transport.handle([](const http::Request&) { return test::scmError(500, "SCM.4001", "oops"); });
    const auto listing = f.client->list("", {});
    REQUIRE_FALSE(listing);
    CHECK(listing.error().reason() == Reason::kUnreachable);
    CHECK(f.transport.requestCount() == 4);
    CHECK_THAT(listing.error().message(), CERTBINDER_CONTAINS("ListCertificates was answered 500 SCM.4001: oops"));
}

TEST_CASE("no try begins after the deadline", "[sources][scm][client]") {
    Fixture f;
    f.transport.handle([](const http::Request&) { return test::answer(503); });
    REQUIRE_FALSE(f.client->list("", {f.clock.steadyNow() + std::chrono::milliseconds(600), {}}));
    CHECK(f.transport.requestCount() == 2);
}

TEST_CASE("throttling slows all calls of the account down, by a minute where the service names no time",
          "[sources][scm][client]") {
    Fixture f;
    f.transport.push(test::scmError(429, "APIGW.0308"));
    REQUIRE(f.client->list("", {}));
    CHECK(f.clock.passed() >= seconds(60));

    Fixture asked;
    asked.transport.push(test::scmError(429, "APIGW.0308", "a text", {{"Retry-After", "90"}}));
    const auto refused = asked.client->list("", {asked.clock.steadyNow() + seconds(10), {}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == Reason::kThrottled);
    CHECK(*refused.error().retryAfter() >= seconds(80));
    // Another call of the account does not even go out.
    const auto other = asked.client->show("scs1", {asked.clock.steadyNow() + seconds(10), {}});
    REQUIRE_FALSE(other);
    CHECK(other.error().reason() == Reason::kThrottled);
    CHECK(asked.transport.requestCount() == 1);
}

TEST_CASE("throttling without an end is given up as Throttled", "[sources][scm][client]") {
    Fixture f;
    f.transport.handle([](const http::Request&) { return test::scmError(429, "APIGW.0308"); });
    CHECK(f.client->list("", {}).error().reason() == Reason::kThrottled);
    CHECK(f.transport.requestCount() == 3);
}

TEST_CASE("a wrong clock is corrected once by the service's time", "[sources][scm][client]") {
    Fixture f;
    f.transport.push(test::scmError(401, "APIGW.0301", "expired", {{"Date", "Thu, 01 Jan 2026 00:20:00 GMT"}}));
    REQUIRE(f.client->list("", {}));
    CHECK(f.header(1, "X-Sdk-Date") == "20260101T002000Z");
    REQUIRE(f.client->list("", {}));
    CHECK(f.header(2, "X-Sdk-Date") == "20260101T002000Z");
}

TEST_CASE("a wrong signature is no matter of the clock where that is right", "[sources][scm][client]") {
    Fixture f;
    f.transport.handle([](const http::Request&) {
        return test::scmError(401, "APIGW.0301", "verify aksk failed, ak:ACCESSKEY0000000001",
                              {{"Date", "Thu, 01 Jan 2026 00:00:10 GMT"}});
    });
    const auto listing = f.client->list("", {});
    REQUIRE_FALSE(listing);
    CHECK(listing.error().reason() == Reason::kCredentialsInvalid);
    CHECK(f.transport.requestCount() == 1);
    CHECK(listing.error().message().find("ACCESSKEY0000000001") == std::string::npos);
}

TEST_CASE("a clock that stays wrong ends after one more try", "[sources][scm][client]") {
    Fixture f;
    int minutes = 20;
    f.transport.handle([&](const http::Request&) {
        minutes += 10;
        return test::scmError(401, "APIGW.0301", "expired",
                              {{"Date", "Thu, 01 Jan 2026 00:" + std::to_string(minutes) + ":00 GMT"}});
    });
    CHECK(f.client->list("", {}).error().reason() == Reason::kCredentialsInvalid);
    CHECK(f.transport.requestCount() == 2);
}

TEST_CASE("a certificate that does not exist is told apart from a wrong endpoint", "[sources][scm][client]") {
    Fixture f;
    CHECK(f.client->show("scs1", {}).error().reason() == Reason::kNoMatchingCertificate);
    f.transport.push(test::scmError(404, "APIGW.0101"));
    CHECK(f.client->show("scs1", {}).error().reason() == Reason::kInvalidSpec);
}

TEST_CASE("an export keeps leaf and chain apart from the key", "[sources][scm][client]") {
    Fixture f;
    f.transport.push(200, R"({"certificate":"LEAF","certificate_chain":"CHAIN","private_key":"KEY"})");
    const auto exported = f.client->exportCertificate("scs1", {});
    REQUIRE(exported);
    CHECK(exported->certificatePem == "LEAF\nCHAIN");
    CHECK(exported->keyPem.reveal() == "KEY");
    CHECK(f.transport.requests()[0].method == "POST");

    f.transport.push(200, R"({"certificate":"LEAF","entire_certificate":"ALL","private_key":null})");
    const auto entire = f.client->exportCertificate("scs1", {});
    CHECK(entire->certificatePem == "ALL");
    CHECK(entire->keyPem.empty());

    f.transport.push(200, R"({"private_key":"KEY"})");
    CHECK(f.client->exportCertificate("scs1", {}).error().reason() == Reason::kUnreachable);
}

TEST_CASE("answers of any shape are an error or a value, never a crash", "[sources][scm][client]") {
    for (const std::string body :
         {"", "[]", "1", "null", "{}", R"({"certificates":1})", R"({"certificates":null})",
          R"({"certificates":[null,1,{"id":5}],"total_count":"x"})", R"({"certificates":null,"total_count":0})"}) {
        Fixture f;
        f.transport.handle([&](const http::Request&) { return test::answer(200, body); });
        const auto listing = f.client->list("", {});
        CHECK((!listing || listing->certificates.empty()));
        const auto shown = f.client->show("scs1", {});
        const auto exported = f.client->exportCertificate("scs1", {});
        CHECK_FALSE(exported);
        CHECK((shown || shown.error().reason() == Reason::kUnreachable));
    }
}

TEST_CASE("no message holds a key or a token, whatever the service quotes", "[sources][scm][client]") {
    const std::string quoted =
        std::string("ak:ACCESSKEY0000000001 sk ") + kSecretKey + " |x-security-token:temporary-security-token| -";
    for (const int status : {400, 401, 403, 404, 429, 500, 503}) {
        for (const std::string code : {"APIGW.0301", "SCM.4002", "SCM.0005", "SCM.0010", "UNKNOWN"}) {
            Fixture f(true);
            f.transport.handle([&](const http::Request&) { return test::scmError(status, code, quoted); });
            for (const std::string& message :
                 {f.client->list("", {}).error().message(), f.client->show("scs1", {}).error().message(),
                  f.client->exportCertificate("scs1", {}).error().message()}) {
                CHECK(message.find("ACCESSKEY0000000001") == std::string::npos);
                CHECK(message.find(kSecretKey) == std::string::npos);
                CHECK(message.find("temporary-security-token") == std::string::npos);
            }
        }
    }
}

}  // namespace
}  // namespace certbinder::sources::scm
