#include "sources/huawei_scm/iam.h"

#include <string>
#include <thread>
#include <vector>

#include "document/json.h"
#include "fake_scm.h"
#include "sources/huawei_scm/client.h"
#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

using base::Reason;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Fixture {
    Fixture() {
        transport.handle([this](const http::Request& request) { return cloud(request); });
    }

    static PasswordLogin login() { return {"reader", base::SecretBytes("pass\"word"), "example-account"}; }

    TokenSource source(const std::string& projectID = "") {
        return {settings, {"http://127.0.0.1:9", "ap-southeast-1", projectID}, login(), transport, clock, random};
    }

    std::unique_ptr<ScmClient> client() {
        return std::make_unique<ScmClient>(
            settings, ScmClient::Place{"http://127.0.0.1:8", "", {"http://127.0.0.1:9", "ap-southeast-1", ""}},
            Credentials(login()), transport, clock, random);
    }

    test::FakeScm cloud;
    test::FakeTransport transport;
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances, test::pkiNow()};
    test::FakeRandom random;
    Settings settings;
};

TEST_CASE("a login asks for a token of the project that is named like the region", "[sources][scm][iam]") {
    Fixture f;
    TokenSource source = f.source();
    REQUIRE(source.token({}));
    CHECK(f.transport.requests()[0].method == "POST");
    CHECK(f.transport.requests()[0].url == "http://127.0.0.1:9/v3/auth/tokens?nocatalog=true");
    const auto auth = (*document::parseJson(f.cloud.tokenBodies()[0]))["auth"];
    CHECK(auth["identity"]["methods"].asList()[0].asString() == "password");
    const document::Value& user = auth["identity"]["password"]["user"];
    CHECK(user["name"].asString() == "reader");
    CHECK(user["password"].asString() == "pass\"word");
    CHECK(user["domain"]["name"].asString() == "example-account");
    CHECK(auth["scope"]["project"]["name"].asString() == "ap-southeast-1");
}

TEST_CASE("a project id, or the whole domain, may be the scope instead", "[sources][scm][iam]") {
    Fixture f;
    REQUIRE(f.source("0123abcd").token({}));
    f.settings.tokenScope = TokenScope::kDomain;
    REQUIRE(f.source().token({}));
    const auto bodies = f.cloud.tokenBodies();
    CHECK((*document::parseJson(bodies[0]))["auth"]["scope"]["project"]["id"].asString() == "0123abcd");
    CHECK((*document::parseJson(bodies[1]))["auth"]["scope"]["domain"]["name"].asString() == "example-account");
}

TEST_CASE("a token serves all calls until 40 minutes before its end", "[sources][scm][iam]") {
    Fixture f;
    TokenSource source = f.source();
    const auto first = *source.token({});
    f.clock.advance(hours(23));
    CHECK(*source.token({}) == first);
    f.clock.advance(minutes(21));
    CHECK(*source.token({}) != first);
    CHECK(f.cloud.count("CreateToken") == 2);
}

TEST_CASE("a token of a short life is renewed at half of it", "[sources][scm][iam]") {
    Fixture f;
    f.cloud.setTokenLife(600);
    TokenSource source = f.source();
    const auto first = *source.token({});
    f.clock.advance(seconds(299));
    CHECK(*source.token({}) == first);
    f.clock.advance(seconds(1));
    CHECK(*source.token({}) != first);
}

TEST_CASE("while a renewal fails the present token is used on, until it ends", "[sources][scm][iam]") {
    Fixture f;
    TokenSource source = f.source();
    const auto first = *source.token({});
    f.transport.handle([](const http::Request&) { return test::answer(503); });
    f.clock.advance(hours(23) + minutes(30));
    CHECK(*source.token({}) == first);
    const std::size_t requests = f.transport.requestCount();
    CHECK(*source.token({}) == first);
    CHECK(f.transport.requestCount() == requests);  // not at every call
    f.clock.advance(minutes(31));
    CHECK(source.token({}).error().reason() == Reason::kUnreachable);
}

TEST_CASE("many callers share one login", "[sources][scm][iam]") {
    Fixture f;
    TokenSource source = f.source();
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&] { static_cast<void>(source.token({})); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(f.cloud.count("CreateToken") == 1);
}

TEST_CASE("a wrong password is CredentialsInvalid, at once, and not shown", "[sources][scm][iam]") {
    Fixture f;
    f.transport.handle([](const http::Request&) {
        return test::answer(401, R"({"error":{"code":401,"message":"wrong pass\"word","title":"Unauthorized"}})");
    });
    const auto token = f.source().token({});
    REQUIRE_FALSE(token);
    CHECK(token.error().reason() == Reason::kCredentialsInvalid);
    CHECK(f.transport.requestCount() == 1);
    CHECK(token.error().message().find("pass\"word") == std::string::npos);
}

TEST_CASE("an answer without a token is an error", "[sources][scm][iam]") {
    Fixture f;
    f.transport.push(201, "{}");
    CHECK(f.source().token({}).error().reason() == Reason::kUnreachable);
}

TEST_CASE("a token that the service refuses is renewed once, and the call goes on", "[sources][scm][iam]") {
    Fixture f;
    const auto client = f.client();
    REQUIRE(client->list("", {}));
    f.cloud.revokeTokens();
    REQUIRE(client->list("", {}));
    CHECK(f.cloud.count("CreateToken") == 2);
}

TEST_CASE("a token that is refused although it is new ends the call", "[sources][scm][iam]") {
    Fixture f;
    const auto client = f.client();
    f.transport.handle([&](const http::Request& request) -> base::Expected<http::Response> {
        if (request.url.find("/v3/auth/tokens") != std::string::npos) {
            return f.cloud(request);
        }
        return test::scmError(401, "SCM.1000");
    });
    CHECK(client->list("", {}).error().reason() == Reason::kCredentialsInvalid);
    CHECK(f.cloud.count("CreateToken") == 2);
}

TEST_CASE("a 401 that means a missing permission asks for no new token", "[sources][scm][iam]") {
    Fixture f;
    const auto client = f.client();
    REQUIRE(client->list("", {}));
    f.transport.push(test::scmError(401, "SCM.4002"));
    const auto listing = client->list("", {});
    CHECK(listing.error().reason() == Reason::kAccessDenied);
    CHECK_THAT(listing.error().message(), CERTBINDER_CONTAINS("grant scm:cert:list"));
    CHECK(f.cloud.count("CreateToken") == 1);
}

TEST_CASE("an IAM that does not answer is not asked over and over by one call", "[sources][scm][iam]") {
    Fixture f;
    f.transport.handle([](const http::Request&) { return base::unexpected(test::noAnswer(http::Failure::kRefused)); });
    CHECK(f.client()->list("", {}).error().reason() == Reason::kUnreachable);
    CHECK(f.transport.requestCount() == 4);
}

}  // namespace
}  // namespace certbinder::sources::scm
