#include "http/proxy.h"

#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;

namespace {

bool proxied(const ProxyChoice& choice, const std::string& url) {
    const auto parsed = parseUrl(url);
    REQUIRE(parsed);
    return choice.proxyOf(*parsed) != nullptr;
}

}  // namespace

TEST_CASE("a proxy is read from the forms people write", "[http][proxy]") {
    struct Row {
        const char* text;
        const char* shown;
        const char* user;
        const char* password;
    };
    for (const Row& row : {
             Row{"http://proxy.example.com:3128", "http://proxy.example.com:3128", "", ""},
             Row{"proxy.example.com:3128", "http://proxy.example.com:3128", "", ""},
             Row{"HTTP://Proxy.example.com", "http://proxy.example.com:80", "", ""},
             Row{" http://10.0.0.1:8080/ ", "http://10.0.0.1:8080", "", ""},
             Row{"http://[fd00::1]:3128", "http://[fd00::1]:3128", "", ""},
             Row{"http://me:p%40ss:word@proxy:1", "http://proxy:1", "me", "p@ss:word"},
             Row{"http://me@proxy:1", "http://proxy:1", "me", ""},
         }) {
        INFO(row.text);
        const auto proxy = parseProxy(row.text);
        REQUIRE(proxy);
        CHECK((*proxy)->shown() == row.shown);
        CHECK((*proxy)->user == row.user);
        CHECK((*proxy)->password.reveal() == row.password);
    }
}

TEST_CASE("a proxy that cannot be used is refused without its password in the message", "[http][proxy]") {
    for (const char* text : {"https://me:geheim@proxy:1", "socks5://me:geheim@proxy:1", "http://me:geheim@",
                             "http://me:geheim@proxy:99999", "http://me:geheim%zz@proxy", "http://me:geheim@a b"}) {
        INFO(text);
        const auto proxy = parseProxy(text);
        REQUIRE_FALSE(proxy);
        CHECK(proxy.error().reason() == base::Reason::kInvalidSpec);
        CHECK_THAT(proxy.error().message(), !CERTBINDER_CONTAINS("geheim"));
    }
}

TEST_CASE("NO_PROXY is understood as Go's programs do", "[http][proxy]") {
    struct Row {
        const char* except;
        const char* url;
        bool proxied;
    };
    for (const Row& row : {
             Row{"", "https://api.example.com/", true},
             Row{"", "https://localhost:6443/", false},
             Row{"", "https://127.0.0.2/", false},
             Row{"*", "https://api.example.com/", false},
             Row{"example.com", "https://api.example.com/", false},
             Row{"example.com", "https://example.com/", false},
             Row{"example.com", "https://badexample.com/", true},
             Row{".example.com", "https://api.example.com/", false},
             Row{".example.com", "https://example.com/", true},
             Row{"*.example.com", "https://api.example.com/", false},
             Row{"Example.COM", "https://api.example.com/", false},
             Row{"a, example.com ,b", "https://example.com/", false},
             Row{"example.com:6443", "https://example.com:6443/", false},
             Row{"example.com:6443", "https://example.com/", true},
             Row{"10.0.0.1", "https://10.0.0.1:6443/", false},
             Row{"10.0.0.1", "https://10.0.0.10/", true},
             Row{"10.0.0.1:443", "https://10.0.0.1:6443/", true},
             Row{"10.0.0.0/8", "https://10.9.8.7/", false},
             Row{"10.0.0.0/8", "https://11.0.0.1/", true},
             Row{"10.0.0.0/8", "https://ten.example.com/", true},
             Row{"0.0.0.0/0", "https://11.0.0.1/", false},
             Row{"10.0.0.0/99", "https://10.0.0.1/", true},
             Row{"fd00::/8", "https://[fd00::1]:6443/", false},
             Row{"fd00::1", "https://[fd00::1]/", false},
             Row{"[fd00::1]:443", "https://[fd00::1]/", false},
             Row{"[", "https://example.com/", true},
             Row{":", "https://example.com/", true},
             Row{"/", "https://10.0.0.1/", true},
         }) {
        INFO(row.except << " and " << row.url);
        const auto choice = makeProxyChoice("http://proxy:3128", "", row.except);
        REQUIRE(choice);
        CHECK(proxied(*choice, row.url) == row.proxied);
    }
}

TEST_CASE("each scheme has its own proxy, and a fixed one serves every host", "[http][proxy]") {
    auto choice = makeProxyChoice("", "proxy:1", "");
    REQUIRE(choice);
    CHECK_FALSE(proxied(*choice, "https://example.com/"));
    CHECK(proxied(*choice, "http://example.com/"));
    choice->always = true;
    CHECK(proxied(*choice, "http://127.0.0.1/"));
    const auto wrong = makeProxyChoice("socks5://proxy:1", "", "");
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.error().message(), CERTBINDER_CONTAINS("HTTPS_PROXY"));
}
