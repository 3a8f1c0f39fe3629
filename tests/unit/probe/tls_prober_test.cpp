#include "probe/tls_prober.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/test.h"
#include "support/test_pki.h"
#include "tls_server.h"

using namespace certbinder;
using namespace std::chrono_literals;
using base::Reason;
using probe::Place;
using probe::TlsProber;

namespace {

/// Long enough that only a defect reaches it.
base::CallContext patient() {
    return base::CallContext{}.within(20s);
}

Place local(std::uint16_t port, std::string name = "") {
    return {"127.0.0.1", port, std::move(name)};
}

std::string failure(TlsProber& prober, const Place& place, const base::CallContext& context = patient()) {
    const auto served = prober.handshake(place, context);
    REQUIRE_FALSE(served);
    CHECK(served.error().reason() == Reason::kUnreachable);
    return served.error().message();
}

std::string withPort(const std::string& address, std::uint16_t port) {
    return address + ":" + std::to_string(port) + ": ";
}

}  // namespace

TEST_CASE("the prober tells which leaf and how long a chain is served for a name", "[probe]") {
    const auto a = test::makeChain("a.example", GENERATE(test::KeyKind::kP256, test::KeyKind::kRsa2048));
    const auto b = test::makeChain("b.example");
    test::TlsServer server({{a.leaf, a.intermediate}, {{"b.example", {b.leaf}}}, 0, "127.0.0.1"});
    TlsProber prober;

    auto served = prober.handshake(local(server.port(), "a.example"), patient());
    REQUIRE(served);
    CHECK(served->leaf.commonName == "a.example");
    CHECK(served->chainLength == 2);
    CHECK(server.lastName() == "a.example");

    served = prober.handshake(local(server.port(), "b.example."), patient());
    REQUIRE(served);
    CHECK(served->leaf.dnsNames == std::vector<std::string>{"b.example"});
    CHECK(served->chainLength == 1);
    CHECK(server.lastName() == "b.example");
}

TEST_CASE("no name is sent for an address or for nothing", "[probe]") {
    const auto chain = test::makeChain("a.example");
    test::TlsServer server({{chain.leaf}, {}, 0, "127.0.0.1"});
    TlsProber prober;
    const std::string name = GENERATE("", "192.0.2.1", "2001:db8::1");
    REQUIRE(prober.handshake(local(server.port(), name), patient()));
    CHECK_FALSE(server.lastName());
}

TEST_CASE("every handshake is a full one", "[probe]") {
    const auto chain = test::makeChain("a.example");
    test::TlsServer server({{chain.leaf}, {}, GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), "127.0.0.1"});
    TlsProber prober;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(prober.handshake(local(server.port(), "a.example"), patient()));
    }
    CHECK(server.resumed() == 0);
}

TEST_CASE("an expired certificate and a small key are reported, not judged", "[probe]") {
    test::Request request;
    request.commonName = "old.example";
    request.notAfter = test::pkiNow() - std::chrono::days(5);
    const auto old = test::Certificate::selfSigned(request, test::Key::make(test::KeyKind::kRsa1024));
    test::TlsServer server({{old}, {}, TLS1_2_VERSION, "127.0.0.1"});
    TlsProber prober;
    const auto served = prober.handshake(local(server.port()), patient());
    REQUIRE(served);
    CHECK(served->leaf.key == "RSA 1024");
    CHECK(served->leaf.notAfter == request.notAfter);
}

TEST_CASE("a server that is too old is told apart from one that is not there", "[probe]") {
    const auto chain = test::makeChain("a.example");
    test::TlsServer server({{chain.leaf}, {}, TLS1_1_VERSION, "127.0.0.1"});
    TlsProber prober;
    CHECK_THAT(failure(prober, local(server.port())),
               CERTBINDER_CONTAINS(withPort("127.0.0.1", server.port()) + "the TLS handshake failed: the server does "
                                                                          "not speak TLS 1.2"));
}

TEST_CASE("a closed port is named together with the step that failed", "[probe]") {
    std::uint16_t port = 0;
    {
        const auto server = test::LocalServer::start(nullptr);
        port = server->port();
    }
    TlsProber prober;
    CHECK_THAT(failure(prober, local(port)), CERTBINDER_CONTAINS(withPort("127.0.0.1", port) + "connecting failed: "
                                                                                               "Connection refused"));
}

TEST_CASE("a server that speaks plain text is told to be one", "[probe]") {
    const auto server = test::LocalServer::start([](int fd) {
        std::array<char, 1024> hello{};
        [[maybe_unused]] const auto got = ::recv(fd, hello.data(), hello.size(), 0);
        const std::string answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        [[maybe_unused]] const auto sent = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    });
    TlsProber prober;
    CHECK_THAT(failure(prober, local(server->port())),
               CERTBINDER_CONTAINS("the TLS handshake failed: the answer is not TLS"));
}

TEST_CASE("a server that hangs up is told to have done so", "[probe]") {
    const auto server = test::LocalServer::start([](int fd) {
        std::array<char, 4096> hello{};
        [[maybe_unused]] const auto got = ::recv(fd, hello.data(), hello.size(), 0);
    });
    TlsProber prober;
    CHECK_THAT(failure(prober, local(server->port())), CERTBINDER_CONTAINS("the server closed the connection"));
}

TEST_CASE("a server that stays silent costs no more than the deadline", "[probe]") {
    const auto server = test::LocalServer::start(nullptr);
    TlsProber prober;
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THAT(failure(prober, local(server->port()), base::CallContext{}.within(200ms)),
               CERTBINDER_CONTAINS("the TLS handshake failed: no answer in time"));
    const auto took = std::chrono::steady_clock::now() - begin;
    CHECK(took >= 200ms);
    CHECK(took < 10s);
}

TEST_CASE("a stop ends a handshake that hangs", "[probe]") {
    const auto server = test::LocalServer::start(nullptr);
    TlsProber prober;
    std::stop_source stop;
    bool connected = false;
    std::thread stopper([&] {
        connected = server->waitForConnections(1);
        stop.request_stop();
    });
    const auto served = prober.handshake(local(server->port()), {base::SteadyTime::max(), stop.get_token()});
    stopper.join();
    CHECK(connected);
    REQUIRE_FALSE(served);
    CHECK(served.error().reason() == Reason::kUnreachable);
    CHECK_THAT(served.error().message(), CERTBINDER_CONTAINS("stopped"));
}

TEST_CASE("after a stop nothing is begun", "[probe]") {
    std::stop_source stop;
    stop.request_stop();
    TlsProber prober;
    const std::string address = GENERATE("127.0.0.1", "localhost");
    const auto served = prober.handshake({address, 9, ""}, {base::SteadyTime::max(), stop.get_token()});
    REQUIRE_FALSE(served);
    CHECK_THAT(served.error().message(), CERTBINDER_CONTAINS("stopped"));
}

TEST_CASE("a host name is resolved and its addresses tried in turn", "[probe]") {
    const auto chain = test::makeChain("a.example");
    test::TlsServer server({{chain.leaf}, {}, 0, "127.0.0.1"});
    TlsProber prober;
    const auto served = prober.handshake({"localhost", server.port(), "a.example"}, patient());
    REQUIRE(served);
    CHECK(served->leaf.commonName == "a.example");
}

TEST_CASE("a name that does not exist fails at resolving", "[probe]") {
    TlsProber prober;
    const std::string host = GENERATE(std::string("no-such-host.invalid"), std::string(300, 'a'), std::string("a b\n"));
    const std::string message = failure(prober, {host, 443, ""});
    CHECK_THAT(message, CERTBINDER_CONTAINS(":443: resolving the name failed"));
    CHECK(message.find('\n') == std::string::npos);
}

TEST_CASE("an IPv6 address is reached, and bracketed in messages", "[probe]") {
    const auto chain = test::makeChain("a.example");
    TlsProber prober;
    test::TlsServer server({{chain.leaf}, {}, 0, "::1"});
    if (server.running()) {
        CHECK(prober.handshake({"::1", server.port(), "a.example"}, patient()));
    } else {
        CHECK_THAT(failure(prober, {"::1", 443, ""}), CERTBINDER_CONTAINS("[::1]:443: "));
    }
    CHECK_THAT(failure(prober, {"::1", 1, ""}), CERTBINDER_CONTAINS("[::1]:1: connecting failed"));
}

TEST_CASE("many threads probe with one prober", "[probe]") {
    const auto a = test::makeChain("a.example");
    const auto b = test::makeChain("b.example");
    test::TlsServer server({{a.leaf}, {{"b.example", {b.leaf}}}, 0, "127.0.0.1"});
    TlsProber prober;
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            const std::string name = i % 2 == 0 ? "a.example" : "b.example";
            const std::string address = i % 4 < 2 ? "127.0.0.1" : "localhost";
            for (int round = 0; round < 5; ++round) {
                const auto served = prober.handshake({address, server.port(), name}, patient());
                right += served && served->leaf.commonName == name ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(right == 40);
}
