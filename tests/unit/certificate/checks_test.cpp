#include "certificate/checks.h"

#include <string>

#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using namespace certbinder::certificate;
using base::Reason;
using test::pkiNow;

namespace {

CertificateInfo infoFor(std::vector<std::string> names, std::vector<std::string> addresses = {}) {
    CertificateInfo info;
    info.subject = "CN=x";
    info.commonName = "cn.example";
    info.dnsNames = std::move(names);
    info.ipAddresses = std::move(addresses);
    info.notBefore = pkiNow() - std::chrono::days(10);
    info.notAfter = pkiNow() + std::chrono::days(10);
    return info;
}

Bundle bundleOf(const std::string& chain, const test::Key& key) {
    auto bundle = makeBundle(chain, key.secret(), pkiNow());
    REQUIRE(bundle);
    return std::move(*bundle);
}

}  // namespace

TEST_CASE("a name is covered exactly or by a wildcard for one label", "[certificate][checks]") {
    struct Row {
        const char* pattern;
        const char* name;
        bool covered;
    };
    const Row row = GENERATE(values<Row>({
        {"example.com", "example.com", true},
        {"example.com", "EXAMPLE.com.", true},
        {"example.com", "www.example.com", false},
        {"*.example.com", "www.example.com", true},
        {"*.example.com", "WWW.Example.COM", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "a.b.example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "*.example.com", true},
        {"*.example.com", "*.b.example.com", false},
        {"www.example.com", "*.example.com", false},
        {"*.com", "example.com", false},
        {"*", "localhost", false},
        {"w*.example.com", "www.example.com", false},
        {"www.*.com", "www.example.com", false},
        {"*.0.2.1", "192.0.2.1", false},
        {"192.0.2.1", "192.0.2.1", false},
        {"example.com", "", false},
        {"example.com", ".", false},
        {"xn--bcher-kva.example", "XN--BCHER-KVA.example", true},
    }));
    CAPTURE(row.pattern, row.name);
    CHECK(covers(infoFor({row.pattern}), row.name) == row.covered);
}

TEST_CASE("an address is covered by the same address in whichever notation, a common name covers nothing",
          "[certificate][checks]") {
    const auto info = infoFor({}, {"192.0.2.1", "2001:db8::1"});
    CHECK(covers(info, "192.0.2.1"));
    CHECK(covers(info, "2001:0DB8:0::1"));
    CHECK_FALSE(covers(info, "192.0.2.2"));
    CHECK_FALSE(covers(info, "cn.example"));
}

TEST_CASE("older means that both dates are earlier", "[certificate][checks]") {
    const auto present = infoFor({});
    auto candidate = present;
    CHECK_FALSE(isOlder(candidate, present));
    candidate.notBefore -= std::chrono::seconds(1);
    CHECK_FALSE(isOlder(candidate, present));
    candidate.notAfter -= std::chrono::seconds(1);
    CHECK(isOlder(candidate, present));
    CHECK_FALSE(isOlder(present, candidate));
}

TEST_CASE("a certificate is valid from its first to its last second", "[certificate][checks]") {
    const auto info = infoFor({});
    CHECK_FALSE(checkDates(info, info.notBefore));
    CHECK_FALSE(checkDates(info, info.notAfter));

    const auto expired = checkDates(info, info.notAfter + std::chrono::seconds(1));
    REQUIRE(expired);
    CHECK(expired->reason() == Reason::kCertificateExpired);
    CHECK_THAT(expired->message(), CERTBINDER_CONTAINS("expired at 2026-01-11T00:00:00Z"));

    const auto early = checkDates(info, info.notBefore - std::chrono::seconds(1));
    REQUIRE(early);
    CHECK(early->reason() == Reason::kInvalidCertificate);
    CHECK_THAT(early->message(), CERTBINDER_CONTAINS("2025-12-22T00:00:00Z") && CERTBINDER_CONTAINS("clock"));
}

TEST_CASE("a message about dates stays the same as time goes on", "[certificate][checks]") {
    const auto info = infoFor({});
    const auto later = info.notAfter + std::chrono::hours(1);
    CHECK(checkDates(info, later)->message() == checkDates(info, later + std::chrono::hours(1))->message());
}

TEST_CASE("names that are not covered are listed beside those that are", "[certificate][checks]") {
    const auto info = infoFor({"a.example", "*.b.example"}, {"192.0.2.1"});
    CHECK_FALSE(checkNames(info, {}));
    CHECK_FALSE(checkNames(info, {"a.example", "x.b.example", "192.0.2.1"}));
    const auto error = checkNames(info, {"a.example", "b.example", "c.example"});
    REQUIRE(error);
    CHECK(error->reason() == Reason::kNameNotCovered);
    CHECK_THAT(error->message(), CERTBINDER_CONTAINS("does not cover b.example, c.example: it is for a.example, "
                                                     "*.b.example, 192.0.2.1"));
    CHECK_THAT(checkNames(infoFor({}), {"a"})->message(), CERTBINDER_CONTAINS("no name at all"));
    const auto many = checkNames(infoFor(std::vector<std::string>(300, "n.example")), {"a"});
    CHECK_THAT(many->message(), CERTBINDER_CONTAINS("and 280 more"));
}

TEST_CASE("a chain is trusted when it leads to a root or to an intermediate of the bundle", "[certificate][checks]") {
    const auto chain = test::makeChain("a.example");
    const Bundle bundle = bundleOf(chain.leaf.pem() + chain.intermediate.pem(), chain.leaf.key());
    CHECK_FALSE(checkTrust(bundle, chain.root.pem(), pkiNow()));
    CHECK_FALSE(checkTrust(bundle, chain.intermediate.pem(), pkiNow()));
    CHECK_FALSE(checkTrust(bundle, test::makeChain("other").root.pem() + "text\n" + chain.root.pem(), pkiNow()));
}

TEST_CASE("a self-signed certificate is trusted when it is in the bundle itself", "[certificate][checks]") {
    test::Request request;
    request.commonName = "self.example";
    const auto own = test::Certificate::selfSigned(request);
    CHECK_FALSE(checkTrust(bundleOf(own.pem(), own.key()), own.pem(), pkiNow()));
}

TEST_CASE("a chain that leads nowhere is not trusted, and the message says what would mend it",
          "[certificate][checks]") {
    const auto chain = test::makeChain("a.example");
    const Bundle whole = bundleOf(chain.leaf.pem() + chain.intermediate.pem(), chain.leaf.key());
    const Bundle alone = bundleOf(chain.leaf.pem(), chain.leaf.key());
    const auto messageOf = [](const std::optional<base::Error>& error) {
        REQUIRE(error);
        CHECK(error->reason() == Reason::kChainNotTrusted);
        return error->message();
    };
    CHECK_THAT(messageOf(checkTrust(whole, test::makeChain("b").root.pem(), pkiNow())),
               CERTBINDER_CONTAINS("CN=a.example"));
    CHECK_THAT(messageOf(checkTrust(alone, chain.root.pem(), pkiNow())),
               CERTBINDER_CONTAINS("add the missing intermediate"));
    CHECK_THAT(messageOf(checkTrust(whole, chain.root.pem(), pkiNow() + std::chrono::days(200))),
               CERTBINDER_CONTAINS("expired"));
    CHECK_THAT(messageOf(checkTrust(whole, "", pkiNow())), CERTBINDER_CONTAINS("the CA bundle"));
    CHECK_THAT(messageOf(checkTrust(whole, chain.leaf.key().pem(), pkiNow())), CERTBINDER_CONTAINS("the CA bundle"));
}

TEST_CASE("a certificate that is for clients only is not trusted to serve", "[certificate][checks]") {
    const auto chain = test::makeChain("unused");
    test::Request request;
    request.commonName = "client";
    request.forServers = false;
    const auto client = chain.intermediate.issue(request);
    const Bundle bundle = bundleOf(client.pem() + chain.intermediate.pem(), client.key());
    const auto error = checkTrust(bundle, chain.root.pem(), pkiNow());
    REQUIRE(error);
    CHECK(error->reason() == Reason::kChainNotTrusted);
    CHECK_THAT(error->message(), CERTBINDER_CONTAINS("serverAuth"));
}
