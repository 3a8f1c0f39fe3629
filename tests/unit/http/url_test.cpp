#include "http/url.h"

#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;

TEST_CASE("a URL keeps its path and query byte for byte", "[http][url]") {
    const auto url = parseUrl("HTTPS://Scm.Example.COM:8443/v3/a%2Fb/*~+:@?x=1&y=%20?z");
    REQUIRE(url);
    CHECK(url->scheme == "https");
    CHECK(url->host == "scm.example.com");
    CHECK(url->port == 8443);
    CHECK(url->target == "/v3/a%2Fb/*~+:@?x=1&y=%20?z");
    CHECK(url->path() == "/v3/a%2Fb/*~+:@");
    CHECK(url->query() == "x=1&y=%20?z");
    CHECK(url->authority() == "scm.example.com:8443");
}

TEST_CASE("a URL is shown without its query, which may hold a token", "[http][url]") {
    CHECK(parseUrl("https://a.example/x?Signature=abc")->shown() == "https://a.example/x");
    CHECK(parseUrl("https://a.example?Signature=abc")->shown() == "https://a.example/");
}

TEST_CASE("the scheme's own port is not part of the authority", "[http][url]") {
    CHECK(parseUrl("https://a.example:443")->authority() == "a.example");
    CHECK(parseUrl("http://a.example:80/")->authority() == "a.example");
    CHECK(parseUrl("http://a.example:443/")->authority() == "a.example:443");
    CHECK(parseUrl("https://[::1]:8443/")->authority() == "[::1]:8443");
    CHECK(parseUrl("https://[::1]/")->host == "::1");
    CHECK(parseUrl("https://[::1]/")->isIpAddress());
    CHECK_FALSE(parseUrl("https://a.example/")->isIpAddress());
}

TEST_CASE("what cannot be sent as it stands is no URL", "[http][url]") {
    for (const char* text : {"",
                             "a.example",
                             "ftp://a.example/",
                             "https://",
                             "https:///x",
                             "https://user:secret@a.example/",
                             "https://a.example:0/",
                             "https://a.example:65536/",
                             "https://a.example:/",
                             "https://a.example:-1/",
                             "https://a b/",
                             "https://a.example/ x",
                             "https://a.example/%zz",
                             "https://a.example/%2",
                             "https://a.example/#x",
                             "https://[::1/",
                             "https://[zz]/",
                             "https://::1/",
                             "https://a.example/\r\nX: y",
                             "https://a.example/\xc3\xa4",
                             "https://-a.example/",
                             "https://a.example:80:80/"}) {
        CAPTURE(text);
        const auto url = parseUrl(text);
        REQUIRE_FALSE(url);
        CHECK(url.error().reason() == base::Reason::kInvalidSpec);
        CHECK_THAT(url.error().message(), !CERTBINDER_CONTAINS("secret"));
    }
}

TEST_CASE("loopback is known by address, not by what a name claims", "[http][url]") {
    CHECK(isLoopback("localhost"));
    CHECK(isLoopback("LOCALHOST"));
    CHECK(isLoopback("127.0.0.1"));
    CHECK(isLoopback("127.8.9.10"));
    CHECK(isLoopback("::1"));
    CHECK_FALSE(isLoopback("localhost.example.com"));
    CHECK_FALSE(isLoopback("127.0.0.1.example.com"));
    CHECK_FALSE(isLoopback("128.0.0.1"));
    CHECK_FALSE(isLoopback("::2"));
    CHECK_FALSE(isLoopback(""));
}

TEST_CASE("an endpoint override is https, or http to a loopback address", "[http][url]") {
    CHECK_FALSE(checkEndpoint("https://scm.example.com"));
    CHECK_FALSE(checkEndpoint("https://scm.example.com/base"));
    CHECK_FALSE(checkEndpoint("http://127.0.0.1:8080"));
    CHECK_FALSE(checkEndpoint("http://[::1]:8080"));
    const auto plain = checkEndpoint("http://scm.example.com");
    REQUIRE(plain);
    CHECK(plain->reason() == base::Reason::kInvalidSpec);
    CHECK_THAT(plain->message(), CERTBINDER_CONTAINS("use https"));
    CHECK(checkEndpoint("https://scm.example.com/?a=b"));
    CHECK(checkEndpoint("nonsense"));
}
