// What a cluster asks of the transport beyond the clouds: its own CA alone, client certificates, another name, a proxy.
#include <future>

#include "http/cpprest_transport.h"
#include "http/raw_server.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;
using namespace std::chrono_literals;
using certbinder::test::RawConnection;
using certbinder::test::RawServer;

namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

test::Request about(const std::string& name) {
    const base::WallTime now = base::systemClock().wallNow();
    test::Request request;
    request.commonName = name;
    request.notBefore = now - std::chrono::days(1);
    request.notAfter = now + std::chrono::days(1);
    return request;
}

test::Certificate authority(const std::string& name) {
    test::Request request = about(name);
    request.authority = true;
    return test::Certificate::selfSigned(request);
}

const test::Certificate& root() {
    static const test::Certificate certificate = authority("cluster CA");
    return certificate;
}

test::Certificate server(std::vector<std::string> names, std::vector<std::string> addresses = {}) {
    test::Request request = about("kube-apiserver");
    request.names = std::move(names);
    request.addresses = std::move(addresses);
    return root().issue(request);
}

test::Certificate client(const std::string& name) {
    test::Request request = about(name);
    request.forServers = false;
    return root().issue(request);
}

TransportSettings trusting(const test::Certificate& ca) {
    TransportSettings settings;
    settings.onlyCaPem = ca.pem();
    return settings;
}

base::Expected<Response> ask(const TransportSettings& settings, const std::string& url, bool repeatable = true) {
    const auto transport = makeCpprestTransport(settings);
    REQUIRE(transport);
    Request request;
    request.url = url;
    request.repeatable = repeatable;
    return (*transport)->send(request, base::CallContext{}.within(20s));
}

std::string codeOf(const base::Expected<Response>& answer) {
    return answer ? "" : answer.error().code();
}

void answerAll(RawConnection& connection) {
    while (!connection.readRequest().empty() && connection.write(kOk)) {
    }
}

/// A context that remembers the name the client asked for.
auto notingName(const test::Certificate& certificate, std::string& noted) {
    auto context = test::serverContext(certificate);
    SSL_CTX_set_tlsext_servername_arg(context.get(), &noted);
    int (*note)(SSL*, int*, void*) = [](SSL* ssl, int*, void* into) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        *static_cast<std::string*>(into) = name == nullptr ? "" : name;
        return SSL_TLSEXT_ERR_OK;
    };
    SSL_CTX_callback_ctrl(context.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, reinterpret_cast<void (*)()>(note));
    return context;
}

/// A context that asks for a client certificate of the root and requires one.
auto askingClient(const test::Certificate& certificate) {
    auto context = test::serverContext(certificate);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root().handle());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return context;
}

}  // namespace

TEST_CASE("a cluster's CA replaces all other trust", "[http][cluster]") {
    RawServer one(answerAll, test::serverContext(server({"localhost"}, {"127.0.0.1"})));
    CHECK(codeOf(ask(trusting(root()), one.url("/"))).empty());
    TransportSettings other = trusting(authority("another CA"));
    CHECK(codeOf(ask(other, one.url("/"))) == "tls");
    other.extraCaPem = root().pem();
    CHECK(codeOf(ask(other, one.url("/"))) == "tls");
    TransportSettings none;
    none.onlyCaPem = "no certificate";
    CHECK_FALSE(makeCpprestTransport(none));
}

TEST_CASE("tls-server-name is asked for and verified in place of the host", "[http][cluster]") {
    std::string noted;
    RawServer one(answerAll, notingName(server({"api.example.com"}), noted));
    TransportSettings settings = trusting(root());
    CHECK(codeOf(ask(settings, one.url("/"))) == "tls");
    CHECK(noted.empty());
    settings.tlsServerName = "api.example.com";
    CHECK(codeOf(ask(settings, one.url("/"))).empty());
    CHECK(noted == "api.example.com");
    settings.tlsServerName = "other.example.com";
    CHECK(codeOf(ask(settings, one.url("/"))) == "tls");
}

TEST_CASE("the host's name is asked for, an address is not", "[http][cluster]") {
    std::string noted = "unset";
    RawServer one(answerAll, notingName(server({"localhost"}, {"127.0.0.1"}), noted));
    CHECK(codeOf(ask(trusting(root()), one.url("/"))).empty());
    CHECK(noted.empty());
    CHECK(codeOf(ask(trusting(root()), one.url("/", "localhost"))).empty());
    CHECK(noted == "localhost");
}

TEST_CASE("a client certificate from memory logs in", "[http][cluster]") {
    RawServer one(answerAll, askingClient(server({}, {"127.0.0.1"})));
    CHECK(codeOf(ask(trusting(root()), one.url("/"))) != "");
    const test::Certificate me = client("certbinder");
    const auto certificate = ClientCertificate::parse(me.pem(), me.key().secret());
    REQUIRE(certificate);
    TransportSettings settings = trusting(root());
    settings.clientCertificate = *certificate;
    CHECK(codeOf(ask(settings, one.url("/"))).empty());
}

TEST_CASE("a client certificate that cannot log in is refused without its key in the message", "[http][cluster]") {
    const test::Certificate me = client("certbinder");
    const base::SecretBytes key = me.key().secret();
    CHECK(ClientCertificate::parse(me.pem() + root().pem(), key));
    CHECK(ClientCertificate::parse(me.pem(), me.key().secret(test::KeyFormat::kTraditional)));
    struct Row {
        std::string chain;
        base::SecretBytes key;
    };
    Row rows[] = {{"", key.clone()},
                  {"nothing", key.clone()},
                  {me.pem(), base::SecretBytes("nothing")},
                  {me.pem(), me.key().secret(test::KeyFormat::kEncryptedPkcs8)},
                  {client("somebody").pem(), key.clone()}};
    const std::string line(key.reveal().substr(40, 20));
    for (const Row& row : rows) {
        const auto parsed = ClientCertificate::parse(row.chain, row.key);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().reason() == base::Reason::kCredentialsInvalid);
        CHECK_THAT(parsed.error().message(), !CERTBINDER_CONTAINS(line));
    }
}

TEST_CASE("a repeatable request of any method shares a connection", "[http][cluster]") {
    RawServer one(answerAll, test::serverContext(server({}, {"127.0.0.1"})));
    const auto transport = makeCpprestTransport(trusting(root()));
    REQUIRE(transport);
    for (int i = 0; i < 20; ++i) {
        Request request;
        request.method = "PATCH";
        request.url = one.url("/");
        request.body = base::SecretBytes("{}");
        request.repeatable = true;
        REQUIRE((*transport)->send(request, base::CallContext{}.within(20s)));
    }
    CHECK(one.connections() < 10);  // the library may give a connection back after the next request has begun
}

TEST_CASE("an https host behind a proxy is reached through a tunnel and verified by its own name", "[http][cluster]") {
    // The proxy's own end and the host's end are one server: it answers CONNECT, then speaks TLS.
    std::promise<std::string> connect;
    RawServer proxy([&](RawConnection& connection) {
        connect.set_value(connection.readRequest());
        connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
        connection.startTls(test::serverContext(server({"api.example.com"})).get());
        answerAll(connection);
    });
    TransportSettings settings = trusting(root());
    std::string text = proxy.url("");
    text.insert(text.find("://") + 3, "me:geheim@");
    const auto parsed = parseProxy(text);
    REQUIRE(parsed);
    settings.proxy.forHttps = *parsed;
    const auto answer = ask(settings, "https://api.example.com:6443/version");
    REQUIRE(answer);
    CHECK(answer->body.reveal() == "ok");
    const std::string head = connect.get_future().get();
    CHECK_THAT(head, CERTBINDER_CONTAINS("CONNECT api.example.com:6443 HTTP/1.1"));
    CHECK_THAT(head, CERTBINDER_CONTAINS("bWU6Z2VoZWlt"));
}

TEST_CASE("a proxy that refuses or is not there is said so", "[http][cluster]") {
    RawServer proxy([](RawConnection& connection) {
        connection.readRequest();
        connection.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        connection.endCleanly();
    });
    TransportSettings settings = trusting(root());
    settings.proxy.forHttps = *parseProxy(proxy.url(""));
    const auto refused = ask(settings, "https://api.example.com/");
    REQUIRE_FALSE(refused);
    CHECK(codeOf(refused) == "refused");
    CHECK_THAT(refused.error().message(), CERTBINDER_CONTAINS("403"));
    settings.proxy.forHttps = *parseProxy("http://127.0.0.1:1");
    const auto absent = ask(settings, "https://api.example.com/");
    REQUIRE_FALSE(absent);
    CHECK(codeOf(absent) == "refused");
    CHECK_THAT(absent.error().message(), CERTBINDER_CONTAINS("proxy"));
    CHECK_THAT(ask(settings, "https://[fd00::1]/").error().message(), CERTBINDER_CONTAINS("IPv6"));
}

TEST_CASE("a Failure is found again in its error", "[http][cluster]") {
    CHECK(failureOf(base::Error(base::Reason::kUnreachable, "x").withCode("truncated")) == Failure::kTruncated);
    CHECK_FALSE(failureOf(base::Error(base::Reason::kUnreachable, "x")));
    CHECK_FALSE(failureOf(base::Error(base::Reason::kUnreachable, "x").withCode("Throttling.User")));
}
