#include "kube/connection.h"

#include <atomic>
#include <thread>

#include "kube/login.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/temp_directory.h"
#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using namespace certbinder::kube;
using namespace std::chrono_literals;
using certbinder::test::FakeClock;
using certbinder::test::FakeTransport;
using certbinder::test::TempDirectory;

namespace {

std::vector<std::string> valuesOf(const http::Request& request, const std::string& name) {
    std::vector<std::string> values;
    for (const auto& [header, value] : request.headers) {
        if (header == name) {
            values.push_back(value);
        }
    }
    return values;
}

/// Lends the connection a transport that the test keeps.
class Lent final : public http::Transport {
  public:
    explicit Lent(std::shared_ptr<FakeTransport> real) : real_(std::move(real)) {}
    base::Expected<http::Response> send(const http::Request& request, const base::CallContext& context) override {
        return real_->send(request, context);
    }
    base::Expected<void> stream(const http::Request& request, const std::function<bool(const http::Response&)>& onHead,
                                const std::function<bool(std::string_view)>& onPiece, std::chrono::milliseconds silence,
                                const base::CallContext& context) override {
        return real_->stream(request, onHead, onPiece, silence, context);
    }

  private:
    std::shared_ptr<FakeTransport> real_;
};

/// A connection over a fake server, and what transports it asked for.
struct Bench {
    TempDirectory directory;
    FakeClock clock;
    std::shared_ptr<FakeTransport> server = std::make_shared<FakeTransport>();
    std::vector<http::TransportSettings> made;
    bool refuseTransports = false;
    ClusterConfig config;

    Bench() {
        config.server = "https://api.example.com:6443/prefix";
        config.credentials = makeCredentials({}, clock);
        server->handle([](const http::Request&) { return test::answer(200, "{}"); });
    }

    std::unique_ptr<Connection> connect() {
        return std::make_unique<Connection>(
            std::move(config), http::TransportSettings{},
            [this](const http::TransportSettings& settings) -> base::Expected<std::unique_ptr<http::Transport>> {
                if (refuseTransports) {
                    return base::unexpected(base::Reason::kInvalidSpec, "no PEM certificate");
                }
                made.push_back(settings);
                return std::unique_ptr<http::Transport>(std::make_unique<Lent>(server));
            });
    }

    void useTokenFile(const std::string& token) {
        Login login;
        login.tokenFile = directory.write("token", token);
        config.credentials = makeCredentials(std::move(login), clock);
    }

    std::string lastToken() const {
        const auto requests = server->requests();
        const auto values = valuesOf(requests.back(), "Authorization");
        return values.empty() ? "" : values.front();
    }
};

Call callOf(const std::string& method = "GET") {
    Call call;
    call.method = method;
    call.target = "/api/v1/secrets";
    call.shown = method + " secrets";
    return call;
}

}  // namespace

TEST_CASE("a call goes to the server's prefix with its headers, body and impersonation", "[kube]") {
    Bench bench;
    bench.config.impersonation = {"jane", "u-1", {"dev", "ops"}, {{"example.com/scope x", {"a", "b"}}}};
    Call call = callOf("PATCH");
    call.contentType = "application/merge-patch+json";
    call.body = "{}";
    call.repeatable = true;
    REQUIRE(bench.connect()->send(call, {}));
    const auto requests = bench.server->requests();
    REQUIRE(requests.size() == 1);
    const http::Request& request = requests.front();
    CHECK(request.url == "https://api.example.com:6443/prefix/api/v1/secrets");
    CHECK(request.method == "PATCH");
    CHECK(request.repeatable);
    CHECK(request.body.reveal() == "{}");
    CHECK(valuesOf(request, "Accept") == std::vector<std::string>{"application/json"});
    CHECK(valuesOf(request, "Content-Type") == std::vector<std::string>{"application/merge-patch+json"});
    CHECK(valuesOf(request, "Authorization").empty());
    CHECK(valuesOf(request, "Impersonate-User") == std::vector<std::string>{"jane"});
    CHECK(valuesOf(request, "Impersonate-Uid") == std::vector<std::string>{"u-1"});
    CHECK(valuesOf(request, "Impersonate-Group") == std::vector<std::string>{"dev", "ops"});
    CHECK(valuesOf(request, "Impersonate-Extra-example.com%2Fscope%20x") == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a rotated token is used within a minute, and the last good one while the file is gone", "[kube]") {
    Bench bench;
    bench.useTokenFile("first\n");
    const auto connection = bench.connect();
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.lastToken() == "Bearer first");
    bench.directory.replace("token", "second");
    bench.clock.advance(59s);
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.lastToken() == "Bearer first");
    bench.clock.advance(1s);
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.lastToken() == "Bearer second");
    bench.directory.replace("token", "");
    bench.clock.advance(60s);
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.lastToken() == "Bearer second");
    CHECK(bench.made.size() == 2);  // a token alone needs no new connections
}

TEST_CASE("a 401 makes the token be read again, and the call be tried once more", "[kube]") {
    Bench bench;
    bench.useTokenFile("old");
    const auto connection = bench.connect();
    bench.server->handle([](const http::Request& request) {
        return test::answer(valuesOf(request, "Authorization").front() == "Bearer new" ? 201 : 401, "{}");
    });
    const auto refused = connection->send(callOf("POST"), {});
    REQUIRE(refused);
    CHECK(refused->status == 401);
    CHECK(bench.server->requestCount() == 2);
    bench.directory.replace("token", "new");
    const auto taken = connection->send(callOf("POST"), {});
    REQUIRE(taken);
    CHECK(taken->status == 201);
    CHECK(bench.server->requestCount() == 4);

    bench.directory.replace("token", "old");
    bench.clock.advance(60s);
    std::vector<int> heads;
    const auto note = [&](const http::Response& head) { return heads.push_back(head.status), true; };
    const auto all = [](std::string_view) { return true; };
    REQUIRE(connection->stream(callOf(), note, all, 1 << 20, 1s, {}));
    CHECK(heads == std::vector<int>{401});
    CHECK(bench.server->requestCount() == 6);
}

TEST_CASE("a new CA makes new transports, an unusable one keeps the old", "[kube]") {
    Bench bench;
    bench.config.trust = fileTrust(bench.directory.write("ca.crt", "one"), bench.clock);
    bench.config.tlsServerName = "kubernetes";
    const auto connection = bench.connect();
    REQUIRE(connection->send(callOf(), {}));
    REQUIRE(bench.made.size() == 2);
    CHECK(bench.made[0].onlyCaPem == "one");
    CHECK(bench.made[0].tlsServerName == "kubernetes");
    bench.directory.replace("ca.crt", "two");
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.made.size() == 2);
    bench.clock.advance(300s);
    REQUIRE(connection->send(callOf(), {}));
    REQUIRE(bench.made.size() == 4);
    CHECK(bench.made[2].onlyCaPem == "two");
    bench.directory.replace("ca.crt", "broken");
    bench.refuseTransports = true;
    bench.clock.advance(300s);
    CHECK(connection->send(callOf(), {}));
    bench.refuseTransports = false;
    CHECK(connection->send(callOf(), {}));
    CHECK(bench.made.size() == 4);
    bench.directory.replace("ca.crt", "three");
    bench.clock.advance(300s);
    CHECK(connection->send(callOf(), {}));
    CHECK(bench.made.back().onlyCaPem == "three");
}

TEST_CASE("a client certificate is taken anew only together with its key", "[kube]") {
    Bench bench;
    test::Request about;
    about.commonName = "certbinder";
    const auto one = test::Certificate::selfSigned(about, test::Key::make(test::KeyKind::kP256));
    const auto two = test::Certificate::selfSigned(about, test::Key::make(test::KeyKind::kP256));
    Login login;
    login.certificateFile = bench.directory.write("tls.crt", one.pem());
    login.keyFile = bench.directory.write("tls.key", one.key().pem());
    bench.config.credentials = makeCredentials(std::move(login), bench.clock);
    const auto connection = bench.connect();
    REQUIRE(connection->send(callOf(), {}));
    REQUIRE(bench.made.size() == 2);
    CHECK(bench.made[0].clientCertificate);
    bench.directory.replace("tls.crt", two.pem());
    bench.clock.advance(60s);
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.made.size() == 2);
    bench.directory.replace("tls.key", two.key().pem());
    REQUIRE(connection->send(callOf(), {}));
    CHECK(bench.made.size() == 4);
    CHECK(bench.made[2].clientCertificate != bench.made[0].clientCertificate);
}

TEST_CASE("without credentials nothing is sent", "[kube]") {
    Bench bench;
    Login login;
    login.tokenFile = bench.directory.path("absent");
    bench.config.credentials = makeCredentials(std::move(login), bench.clock);
    const auto refused = bench.connect()->send(callOf(), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().is(ApiReason::kNoCredentials));
    CHECK_THAT(refused.error().text(), CERTBINDER_CONTAINS("absent"));
    CHECK(bench.server->requestCount() == 0);
}

TEST_CASE("many threads share a connection while token and CA change", "[kube]") {
    Bench bench;
    bench.useTokenFile("t0");
    bench.config.trust = fileTrust(bench.directory.write("ca.crt", "ca0"), bench.clock);
    const auto connection = bench.connect();
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 200; ++k) {
                failures += connection->send(callOf(), {}) ? 0 : 1;
            }
        });
    }
    for (int i = 1; i <= 20; ++i) {
        bench.directory.replace("token", "t" + std::to_string(i));
        bench.directory.replace("ca.crt", "ca" + std::to_string(i));
        bench.clock.advance(300s);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failures == 0);
}
