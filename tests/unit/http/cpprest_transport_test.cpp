#include "http/cpprest_transport.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <random>

#include "http/raw_server.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;
using namespace std::chrono_literals;
using certbinder::test::RawConnection;
using certbinder::test::RawServer;

namespace {

using Steady = std::chrono::steady_clock;

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const std::string kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// As main() does, before there are threads.
const bool kPrepared = (prepareProcess(), true);

base::WallTime wallNow() {
    return base::systemClock().wallNow();
}

test::Request rootRequest() {
    test::Request request;
    request.commonName = "certbinder test authority";
    request.authority = true;
    request.notBefore = wallNow() - std::chrono::days(10);
    request.notAfter = wallNow() + std::chrono::days(10);
    return request;
}

const test::Certificate& root() {
    static const test::Certificate certificate = test::Certificate::selfSigned(rootRequest());
    return certificate;
}

test::Request serverRequest() {
    test::Request request;
    request.commonName = "server";
    request.names = {"localhost"};
    request.addresses = {"127.0.0.1", "::1"};
    request.notBefore = wallNow() - std::chrono::days(1);
    request.notAfter = wallNow() + std::chrono::days(1);
    return request;
}

auto tls(const test::Request& request = serverRequest()) {
    return test::serverContext(root().issue(request));
}

std::unique_ptr<Transport> newTransport(std::chrono::milliseconds silence = 20s) {
    TransportSettings settings;
    settings.userAgent = "certbinder/test";
    settings.extraCaPem = root().pem();
    settings.silence = silence;
    auto made = makeCpprestTransport(std::move(settings));
    REQUIRE(made);
    return std::move(*made);
}

Request get(std::string url) {
    Request request;
    request.url = std::move(url);
    return request;
}

base::CallContext within(std::chrono::milliseconds limit) {
    return base::CallContext{}.within(limit);
}

base::CallContext soon() {
    return within(20s);
}

/// A script that answers each request of a connection with the same bytes.
RawServer::Script answering(std::string bytes) {
    return [bytes](RawConnection& connection) {
        while (!connection.readRequest().empty() && connection.write(bytes)) {
        }
    };
}

/// A script that reads a request and goes on as told.
RawServer::Script afterRequest(std::function<void(RawConnection&)> then) {
    return [then](RawConnection& connection) {
        if (!connection.readRequest().empty()) {
            then(connection);
        }
    };
}

std::string code(const base::Error& error) {
    return error.code();
}

struct Streamed {
    int status = 0;
    std::string body;
    std::string code;  ///< of the error; "" for a clean end
};

Streamed streamed(Transport& transport, const std::string& url, std::chrono::milliseconds silence = 20s,
                  const base::CallContext& context = soon()) {
    Streamed seen;
    const auto done = transport.stream(
        get(url), [&](const Response& head) { return seen.status = head.status, true; },
        [&](std::string_view piece) { return seen.body += piece, true; }, silence, context);
    seen.code = done ? "" : code(done.error());
    return seen;
}

}  // namespace

TEST_CASE("an answer comes with its status, headers and body", "[http][transport]") {
    RawServer server(answering("HTTP/1.1 404 Not Found\r\nX-Request-Id: r-1\r\nContent-Length: 5\r\n\r\ngone!"), tls());
    const auto answer = newTransport()->send(get(server.url("/")), soon());
    REQUIRE(answer);
    CHECK(answer->status == 404);
    CHECK(answer->header("x-request-id") == "r-1");
    CHECK(answer->body.reveal() == "gone!");
}

TEST_CASE("a request is sent byte for byte as given", "[http][transport]") {
    std::promise<std::string> seen;
    RawServer server(
        [&](RawConnection& connection) {
            seen.set_value(connection.readRequest());
            connection.write(kOk);
        },
        tls());
    const std::string target = "/v3/a%2Fb/%20/*~+:@!$&'(),;=/%e4//x/../y/?q=a%2Bb+c%20d&e=*~:@/?&f&g=%C3%A4";
    Request request = get(server.url(target));
    request.method = "POST";
    request.headers = {{"Content-Type", "application/json"}, {"X-Auth-Token", "secret-token"}};
    request.body = base::SecretBytes("{\"a\":1}");
    REQUIRE(newTransport()->send(request, soon()));
    const std::string text = seen.get_future().get();
    CHECK(text.substr(0, text.find("\r\n")) == "POST " + target + " HTTP/1.1");
    CHECK_THAT(text, CERTBINDER_CONTAINS("Host:127.0.0.1:"));
    CHECK_THAT(text, CERTBINDER_CONTAINS("User-Agent:certbinder/test\r\n"));
    CHECK_THAT(text, CERTBINDER_CONTAINS("X-Auth-Token:secret-token\r\n"));
    CHECK_THAT(text, CERTBINDER_CONTAINS("Content-Type:application/json\r\n"));
    CHECK_THAT(text, CERTBINDER_CONTAINS("Content-Length:7\r\n"));
    CHECK_THAT(text, !CERTBINDER_CONTAINS("Accept-Encoding"));
    CHECK(text.substr(text.size() - 7) == "{\"a\":1}");
}

TEST_CASE("a body of a megabyte goes out and comes back whole", "[http][transport]") {
    RawServer server(
        afterRequest([](RawConnection& connection) {
            const std::string body(1 << 20, 'x');
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
            connection.write(body);
            connection.waitUntilLeft();
        }),
        tls());
    Request request = get(server.url("/"));
    request.method = "PUT";
    request.body = base::SecretBytes(std::string(1 << 20, 'y'));
    const auto answer = newTransport()->send(request, soon());
    REQUIRE(answer);
    CHECK(answer->body.reveal() == std::string(1 << 20, 'x'));
}

TEST_CASE("IPv6 addresses are called and verified like others", "[http][transport]") {
    std::promise<std::string> seen;
    RawServer server(
        [&](RawConnection& connection) {
            seen.set_value(connection.readRequest());
            connection.write(kOk);
        },
        tls(), true);
    REQUIRE(newTransport()->send(get(server.url("/")), soon()));
    CHECK_THAT(seen.get_future().get(), CERTBINDER_CONTAINS("Host:[::1]:"));
}

TEST_CASE("requests that cannot be sent are refused before anything is sent", "[http][transport]") {
    const auto transport = newTransport();
    Request request = get("https://127.0.0.1:1/");
    SECTION("URL") {
        request.url = "gopher://127.0.0.1/";
    }
    SECTION("method") {
        request.method = "GET / HTTP/1.1\r\nX: ";
    }
    SECTION("header name") {
        request.headers = {{"X y", "z"}};
    }
    SECTION("header value") {
        request.headers = {{"X-Token", "secret\r\nX-Other: 1"}};
    }
    SECTION("another host") {
        request.headers = {{"Host", "other.example"}};
    }
    const auto answer = transport->send(request, soon());
    REQUIRE_FALSE(answer);
    CHECK(answer.error().reason() == base::Reason::kInvalidSpec);
    CHECK_THAT(answer.error().message(), !CERTBINDER_CONTAINS("secret"));
}

TEST_CASE("a refused connection is said with the URL, but without its query", "[http][transport]") {
    std::string url;
    {
        RawServer gone([](RawConnection&) {});
        url = gone.url("/path?token=secret");
    }
    Request request = get(url);
    request.headers = {{"Authorization", "secret"}};
    const auto answer = newTransport()->send(request, soon());
    REQUIRE_FALSE(answer);
    CHECK(answer.error().reason() == base::Reason::kUnreachable);
    CHECK(code(answer.error()) == "refused");
    CHECK_THAT(answer.error().message(), CERTBINDER_CONTAINS("GET http://127.0.0.1:"));
    CHECK_THAT(answer.error().message(), CERTBINDER_CONTAINS("/path: connection refused"));
    CHECK_THAT(answer.error().message(), !CERTBINDER_CONTAINS("secret"));
}

TEST_CASE("a name that does not resolve is said so", "[http][transport]") {
    const auto answer = newTransport()->send(get("https://no-such-host.invalid/"), within(15s));
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "resolve");
}

TEST_CASE("a redirect is an answer and is not followed", "[http][transport]") {
    RawServer other(answering(kOk), tls());
    RawServer server(answering("HTTP/1.1 302 Found\r\nLocation: " + other.url("/") + "\r\nContent-Length: 0\r\n\r\n"),
                     tls());
    Request request = get(server.url("/"));
    request.headers = {{"Authorization", "Bearer secret"}};
    const auto answer = newTransport()->send(request, soon());
    REQUIRE(answer);
    CHECK(answer->status == 302);
    CHECK(other.connections() == 0);
}

TEST_CASE("only a certificate for exactly this host, in date, from a trusted authority is accepted",
          "[http][transport]") {
    test::Request request = serverRequest();
    std::string says;
    SECTION("the name is only the common name") {
        request.commonName = "127.0.0.1";
        request.names.clear();
        request.addresses.clear();
        says = "IP address mismatch";
    }
    SECTION("the common name fits and the alternative names do not") {
        request.commonName = "127.0.0.1";
        request.names = {"other.example"};
        request.addresses.clear();
        says = "IP address mismatch";
    }
    SECTION("expired") {
        request.notAfter = wallNow() - std::chrono::hours(1);
        says = "expired";
    }
    SECTION("not valid yet") {
        request.notBefore = wallNow() + std::chrono::hours(1);
        says = "not yet valid";
    }
    SECTION("not for servers") {
        request.forServers = false;
        says = "purpose";
    }
    RawServer server(answering(kOk), tls(request));
    const auto answer = newTransport()->send(get(server.url("/?t=secret")), soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "tls");
    CHECK_THAT(answer.error().message(), CERTBINDER_CONTAINS(says));
}

TEST_CASE("a host name is verified as a name, also where its address would fit", "[http][transport]") {
    test::Request request = serverRequest();
    request.commonName = "localhost";
    request.names.clear();
    RawServer server(answering(kOk), tls(request));
    const auto answer = newTransport()->send(get(server.url("/", "localhost")), soon());
    REQUIRE_FALSE(answer);
    CHECK_THAT(answer.error().message(), CERTBINDER_CONTAINS("hostname mismatch"));
    RawServer good(answering(kOk), tls());
    CHECK(newTransport()->send(get(good.url("/", "localhost")), soon()));
}

TEST_CASE("an authority nobody named is not trusted", "[http][transport]") {
    const auto stranger = test::Certificate::selfSigned(rootRequest());
    RawServer server(answering(kOk), test::serverContext(stranger.issue(serverRequest())));
    const auto answer = newTransport()->send(get(server.url("/")), soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "tls");
}

TEST_CASE("TLS 1.1 is refused", "[http][transport]") {
    auto old = tls();
    SSL_CTX_set_security_level(old.get(), 0);
    SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
    RawServer server(answering(kOk), std::move(old));
    const auto answer = newTransport()->send(get(server.url("/")), soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "tls");
}

TEST_CASE("a server that speaks plain text on an https URL is a TLS failure", "[http][transport]") {
    RawServer server([](RawConnection& connection) {
        connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.waitUntilLeft();
    });
    std::string url = server.url("/");
    url.replace(0, 4, "https");
    const auto answer = newTransport()->send(get(url), soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "tls");
}

TEST_CASE("a CA file adds to what is trusted, and one that cannot be read is an error", "[http][transport]") {
    std::array<char, 32> path{"/tmp/certbinder-ca-XXXXXX"};
    const base::UniqueFd fd(::mkstemp(path.data()));
    REQUIRE(fd);
    std::ofstream(path.data()) << root().pem();
    TransportSettings settings;
    settings.extraCaFile = path.data();
    auto transport = makeCpprestTransport(settings);
    ::unlink(path.data());
    REQUIRE(transport);
    RawServer server(answering(kOk), tls());
    CHECK((*transport)->send(get(server.url("/")), soon()));

    const auto missing = makeCpprestTransport(settings);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().reason() == base::Reason::kInvalidSpec);
    settings.extraCaFile.reset();
    settings.extraCaPem = "nonsense";
    CHECK_FALSE(makeCpprestTransport(settings));
}

TEST_CASE("each way an answer can end is told apart", "[http][transport]") {
    struct Ending {
        const char* name;
        std::function<void(RawConnection&)> script;
        const char* code;
        const char* body;
    };
    const auto some = [](RawConnection& connection) { connection.write(kChunkedHead + "5\r\nhello\r\n"); };
    const std::vector<Ending> endings = {
        {"last chunk", [&](RawConnection& c) { some(c), c.write("0\r\n\r\n"), c.endCleanly(); }, "", "hello"},
        {"FIN without last chunk", [&](RawConnection& c) { some(c), c.cut(); }, "truncated", "hello"},
        {"close_notify without last chunk", [&](RawConnection& c) { some(c), c.endCleanly(); }, "truncated", "hello"},
        {"bad chunk header", [&](RawConnection& c) { some(c), c.write("zz\r\n"), c.waitUntilLeft(); }, "protocol",
         "hello"},
        {"half a chunk, then silence", [&](RawConnection& c) { some(c), c.write("9\r\nhalf"), c.waitUntilLeft(); },
         "timeout", "hello"},
        {"silence", [&](RawConnection& c) { some(c), c.waitUntilLeft(); }, "timeout", "hello"},
        {"nothing at all", [](RawConnection& c) { c.waitUntilLeft(); }, "timeout", ""},
        {"FIN without an answer", [](RawConnection& c) { c.cut(); }, "truncated", ""},
        {"RST without an answer", [](RawConnection& c) { c.reset(); }, "reset", ""},
        {"half a head", [](RawConnection& c) { c.write("HTTP/1.1 200 OK\r\nX: "), c.cut(); }, "truncated", ""},
        {"no HTTP", [](RawConnection& c) { c.write("SSH-2.0-OpenSSH\r\n\r\n"), c.waitUntilLeft(); }, "protocol", ""},
        {"an interim answer", [](RawConnection& c) { c.write("HTTP/1.1 103 Early\r\n\r\n"), c.waitUntilLeft(); },
         "protocol", ""},
        {"half a body", [](RawConnection& c) { c.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), c.cut(); },
         "truncated", ""},
    };
    for (const bool secure : {true, false}) {
        for (const Ending& ending : endings) {
            CAPTURE(secure, ending.name);
            RawServer server(afterRequest(ending.script), secure ? tls() : nullptr);
            const auto transport = newTransport(300ms);
            const Streamed seen = streamed(*transport, server.url("/"), 300ms);
            CHECK(seen.code == ending.code);
            CHECK(seen.body == ending.body);
            const auto whole = transport->send(get(server.url("/")), soon());
            CHECK((whole ? "" : code(whole.error())) == ending.code);
        }
    }
}

TEST_CASE("what came before a reset is handed on", "[http][transport]") {
    std::promise<void> read;
    RawServer server(afterRequest([&](RawConnection& connection) {
                         connection.write(kChunkedHead + "5\r\nhello\r\n");
                         read.get_future().wait();  // a RST overtakes what the client's kernel holds
                         connection.reset();
                     }),
                     tls());
    std::string body;
    const auto done = newTransport()->stream(
        get(server.url("/")), [](const Response&) { return true; },
        [&](std::string_view piece) {
            body += piece;
            read.set_value();
            return true;
        },
        10s, soon());
    REQUIRE_FALSE(done);
    CHECK(code(done.error()) == "reset");
    CHECK(body == "hello");
}

TEST_CASE("an answer larger than allowed is refused while it comes", "[http][transport]") {
    std::string head;
    SECTION("with its length") {
        head = "HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n";
    }
    SECTION("in small chunks") {
        head = kChunkedHead;
    }
    SECTION("in one chunk of two gigabytes") {
        head = kChunkedHead + "77359400\r\n";
    }
    SECTION("in its head") {
        head = "HTTP/1.1 200 OK\r\nX: ";
    }
    const bool chunks = head == kChunkedHead;
    RawServer server(afterRequest([&](RawConnection& connection) {
                         connection.write(head);
                         const std::string piece(4096, 'x');
                         while (connection.write(chunks ? "1000\r\n" + piece + "\r\n" : piece)) {
                         }
                     }),
                     tls());
    Request request = get(server.url("/"));
    request.mostBytes = 100'000;
    const auto answer = newTransport()->send(request, soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "too-large");
}

TEST_CASE("an answer of exactly the size allowed is taken", "[http][transport]") {
    RawServer server(answering(kOk), tls());
    Request request = get(server.url("/"));
    request.mostBytes = 2;
    CHECK(newTransport()->send(request, soon()));
    request.mostBytes = 1;
    CHECK_FALSE(newTransport()->send(request, soon()));
}

TEST_CASE("a call ends at its deadline, however the server stalls", "[http][transport]") {
    RawServer::Script script;
    bool secure = true;
    SECTION("before the TLS handshake") {
        script = [](RawConnection& connection) { connection.waitUntilLeft(); };
    }
    SECTION("before the answer") {
        script = afterRequest([](RawConnection& connection) { connection.waitUntilLeft(); });
    }
    SECTION("by a byte now and then, over TLS") {
        script = afterRequest([](RawConnection& connection) {
            connection.write(kChunkedHead);
            while (connection.write("1\r\nx\r\n")) {
                std::this_thread::yield();
            }
        });
    }
    SECTION("without TLS") {
        secure = false;
        script = afterRequest([](RawConnection& connection) {
            connection.write(kChunkedHead + "9\r\nhalf");
            connection.waitUntilLeft();
        });
    }
    RawServer server(script, secure ? tls() : nullptr);
    const auto transport = newTransport();
    const auto start = Steady::now();
    Request request = get(server.url("/"));
    request.mostBytes = std::size_t(1) << 40;
    const auto answer = transport->send(request, within(300ms));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - start);
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "timeout");
    CHECK(took >= 300ms);
    CHECK(took < 1s);  // 50 ms by contract; the rest is a loaded machine
}

TEST_CASE("a stop ends a call at once", "[http][transport]") {
    std::stop_source stop;
    RawServer server(afterRequest([&](RawConnection& connection) {
                         connection.write(kChunkedHead + "5\r\nhello\r\n");
                         stop.request_stop();
                         connection.waitUntilLeft();
                     }),
                     tls());
    const auto answer = newTransport()->send(get(server.url("/")), {Steady::now() + 20s, stop.get_token()});
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "cancelled");
    CHECK(newTransport()->send(get(server.url("/")), {Steady::now() + 20s, stop.get_token()}).error().code() ==
          "cancelled");
    CHECK(newTransport()->send(get(server.url("/")), within(0ms)).error().code() == "timeout");
}

TEST_CASE("a reader that wants no more ends the stream without an error", "[http][transport]") {
    std::promise<void> left;
    RawServer server(afterRequest([&](RawConnection& connection) {
                         connection.write(kChunkedHead);
                         while (connection.write("5\r\nhello\r\n")) {
                         }
                         left.set_value();
                     }),
                     tls());
    int pieces = 0;
    const auto done = newTransport()->stream(
        get(server.url("/")), [](const Response&) { return true; }, [&](std::string_view) { return ++pieces < 3; }, 10s,
        soon());
    CHECK(done);
    CHECK(pieces == 3);
    CHECK(left.get_future().wait_for(10s) == std::future_status::ready);
}

TEST_CASE("the callbacks of a stream run on the caller's thread, and may throw", "[http][transport]") {
    RawServer server(answering(kChunkedHead + "5\r\nhello\r\n0\r\n\r\n"), tls());
    const auto transport = newTransport();
    std::vector<std::thread::id> threads;
    REQUIRE(transport->stream(
        get(server.url("/")), [&](const Response&) { return threads.push_back(std::this_thread::get_id()), true; },
        [&](std::string_view) { return threads.push_back(std::this_thread::get_id()), true; }, 10s, soon()));
    CHECK(threads == std::vector<std::thread::id>(2, std::this_thread::get_id()));
    const auto thrower = [](std::string_view) -> bool { throw std::logic_error("a defect of the caller"); };
    const auto streaming = [&] {
        return transport->stream(
            get(server.url("/")), [](const Response&) { return true; }, thrower, 10s, soon());
    };
    CHECK_THROWS_AS(streaming(), std::logic_error);
    CHECK(transport->send(get(server.url("/")), soon()));
}

TEST_CASE("a piece is handed on as soon as it has come", "[http][transport]") {
    std::promise<void> first;
    RawServer server(afterRequest([&](RawConnection& connection) {
                         connection.write(kChunkedHead + "5\r\nhello\r\n");
                         first.get_future().wait();  // would wait for ever if the piece were held back
                         connection.write("5\r\nworld\r\n0\r\n\r\n");
                         connection.waitUntilLeft();
                     }),
                     tls());
    std::vector<std::string> pieces;
    const auto done = newTransport()->stream(
        get(server.url("/")), [](const Response&) { return true; },
        [&](std::string_view piece) {
            pieces.emplace_back(piece);
            if (pieces.size() == 1) {
                first.set_value();
            }
            return true;
        },
        10s, soon());
    CHECK(done);
    CHECK(pieces == std::vector<std::string>{"hello", "world"});
}

TEST_CASE("GETs to one host share a connection", "[http][transport]") {
    RawServer server(answering(kOk), tls());
    const auto transport = newTransport();
    for (int i = 0; i < 20; ++i) {
        REQUIRE(transport->send(get(server.url("/")), soon()));
    }
    CHECK(server.connections() < 10);  // the library may give a connection back after the next GET has begun
}

TEST_CASE("a GET on a kept connection that the server has closed is sent again", "[http][transport]") {
    RawServer server(afterRequest([](RawConnection& connection) { connection.write(kOk); }), tls());
    const auto transport = newTransport();
    for (int i = 0; i < 5; ++i) {
        CHECK(transport->send(get(server.url("/")), soon()));
    }
    CHECK(server.connections() == 5);
}

TEST_CASE("a POST is sent once, on a connection of its own, even where it fails", "[http][transport]") {
    std::atomic<int> posts{0};
    RawServer server(
        [&](RawConnection& connection) {
            const std::string first = connection.readRequest();
            if (first.rfind("POST", 0) == 0) {
                ++posts;
                connection.cut();
                return;
            }
            connection.write(kOk);
            posts += connection.readRequest().rfind("POST", 0) == 0 ? 1 : 0;
        },
        tls());
    const auto transport = newTransport();
    REQUIRE(transport->send(get(server.url("/")), soon()));
    Request post = get(server.url("/"));
    post.method = "POST";
    post.body = base::SecretBytes("x");
    const auto answer = transport->send(post, soon());
    REQUIRE_FALSE(answer);
    CHECK(code(answer.error()) == "truncated");
    CHECK(posts == 1);
}

TEST_CASE("many threads and random endings: every call ends in time with an answer or an error", "[http][transport]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::cout << "seed " << seed << '\n';
    std::atomic<unsigned> turn{seed};
    RawServer server(
        [&](RawConnection& connection) {
            std::mt19937 random(turn++);
            while (!connection.readRequest().empty()) {
                switch (random() % 8) {
                    case 0:
                        return connection.cut();
                    case 1:
                        return connection.reset();
                    case 2:
                        connection.write(kChunkedHead + "5\r\nhello\r\n");
                        return connection.cut();
                    case 3:
                        connection.write(kChunkedHead + "5\r\nhel");
                        return connection.waitUntilLeft();
                    case 4:
                        connection.write(kChunkedHead + "q\r\n");
                        return connection.waitUntilLeft();
                    case 5:
                        return connection.waitUntilLeft();
                    default:
                        connection.write(kOk);
                }
            }
        },
        tls());
    const auto transport = newTransport(200ms);
    std::atomic<int> answers{0};
    std::atomic<int> late{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            std::mt19937 random(seed + 1000 + i);
            for (int call = 0; call < 40; ++call) {
                const auto limit = std::chrono::milliseconds(random() % 3 == 0 ? random() % 20 : 2000);
                const auto start = Steady::now();
                Request request = get(server.url("/"));
                request.method = random() % 2 == 0 ? "GET" : "POST";
                const bool answered = random() % 2 == 0
                                          ? transport->send(request, within(limit)).has_value()
                                          : streamed(*transport, request.url, 200ms, within(limit)).code.empty();
                answers += answered ? 1 : 0;
                late += Steady::now() - start > limit + 500ms ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(answers > 0);
    CHECK(late == 0);
}

// Prints the numbers; holds what they rest on.
TEST_CASE("calls share connections, and end within the deadline's margin", "[http][measure]") {
    REQUIRE(kPrepared);
    RawServer server(answering(kOk), tls());
    const auto transport = newTransport();
    const auto measure = [&](const std::string& method, int calls) {
        Request request = get(server.url("/"));
        request.method = method;
        const int before = server.connections();
        std::vector<double> times;
        for (int i = 0; i < calls; ++i) {
            const auto start = Steady::now();
            REQUIRE(transport->send(request, soon()));
            times.push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
        }
        std::sort(times.begin(), times.end());
        std::cout << method << ": median " << times[times.size() / 2] << " ms, p99 " << times[times.size() * 99 / 100]
                  << " ms, connections " << server.connections() - before << " of " << calls << '\n';
        return server.connections() - before;
    };
    CHECK(measure("GET", 500) < 50);
    CHECK(measure("POST", 200) == 200);
    RawServer silent(afterRequest([](RawConnection& connection) { connection.waitUntilLeft(); }), tls());
    std::vector<double> late;
    for (int i = 0; i < 50; ++i) {
        const auto context = within(50ms);
        REQUIRE_FALSE(transport->send(get(silent.url("/")), context));
        late.push_back(std::chrono::duration<double, std::milli>(Steady::now() - context.deadline).count());
    }
    std::sort(late.begin(), late.end());
    CHECK(late[25] < 50);
    std::cout << "after the deadline: median " << late[25] << " ms, most " << late.back() << " ms\n";
}
