#include "certificate/certificate_info.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "base/text.h"
#include "base/time_text.h"
#include "certificate/bundle.h"
#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using certificate::readCertificateDer;
using certificate::readCertificates;

TEST_CASE("what is known of a certificate is read in the forms that others show it in", "[certificate]") {
    test::Request request;
    request.commonName = "www.example.com";
    request.names = {"WWW.Example.com", "*.example.com"};
    request.addresses = {"192.0.2.7", "2001:DB8:0:0:0:0:0:1"};
    const auto chain = test::makeChain("unused");
    const auto info =
        readCertificateDer(chain.intermediate.issue(request, test::Key::make(test::KeyKind::kP256)).der());
    REQUIRE(info);
    CHECK(info->subject == "CN=www.example.com");
    CHECK(info->commonName == "www.example.com");
    CHECK(info->issuer == "CN=Test Intermediate");
    CHECK(info->dnsNames == std::vector<std::string>{"www.example.com", "*.example.com"});
    CHECK(info->ipAddresses == std::vector<std::string>{"192.0.2.7", "2001:db8::1"});
    CHECK(base::formatTime(info->notBefore) == "2025-12-22T00:00:00Z");
    CHECK(base::formatTime(info->notAfter) == "2026-03-22T00:00:00Z");
    CHECK(info->key == "EC P-256");
    CHECK(info->fingerprintSHA256.size() == 64);
    CHECK(info->fingerprintSHA1.size() == 40);
    CHECK(info->serialNumber.rfind("0A", 0) == 0);
}

TEST_CASE("dates far from now are read as they are", "[certificate]") {
    test::Request request;
    request.commonName = "old";
    request.notBefore = *base::parseTime("1950-01-01T00:00:00Z");
    request.notAfter = *base::parseTime("9999-12-31T23:59:59Z");
    const auto info = readCertificateDer(test::Certificate::selfSigned(request).der());
    REQUIRE(info);
    CHECK(base::formatTime(info->notBefore) == "1950-01-01T00:00:00Z");
    CHECK(base::formatTime(info->notAfter) == "9999-12-31T23:59:59Z");
}

TEST_CASE("each kind of key has its name", "[certificate]") {
    const auto kind = GENERATE(table<test::KeyKind, std::string>({{test::KeyKind::kRsa2048, "RSA 2048"},
                                                                  {test::KeyKind::kRsa1024, "RSA 1024"},
                                                                  {test::KeyKind::kP384, "EC P-384"},
                                                                  {test::KeyKind::kEd25519, "Ed25519"}}));
    test::Request request;
    request.commonName = "x";
    const auto certificate = test::Certificate::selfSigned(request, test::Key::make(std::get<0>(kind)));
    const auto info = readCertificateDer(certificate.der());
    REQUIRE(info);
    CHECK(info->key == std::get<1>(kind));
}

TEST_CASE("a subject in letters beyond ASCII stays readable, and its control characters do no harm", "[certificate]") {
    test::Request request;
    request.commonName = "北京 Bücher";
    auto info = readCertificateDer(test::Certificate::selfSigned(request).der());
    REQUIRE(info);
    CHECK(info->subject == "CN=北京 Bücher");
    CHECK(info->commonName == "北京 Bücher");

    request.commonName = "a\nlevel=error\x1b[31m";
    info = readCertificateDer(test::Certificate::selfSigned(request).der());
    REQUIRE(info);
    for (const std::string& text : {info->subject, info->commonName, info->issuer}) {
        CHECK(std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }));
    }
}

TEST_CASE("a name that hides something behind a NUL is refused", "[certificate]") {
    test::Request request;
    SECTION("in a DNS name") {
        request.names = {std::string("bank.example\0.evil.example", 26)};
    }
    SECTION("in the common name") {
        request.commonName = std::string("bank.example\0.evil.example", 26);
    }
    const auto info = readCertificateDer(test::Certificate::selfSigned(request).der());
    REQUIRE_FALSE(info);
    CHECK(info.error().reason() == base::Reason::kInvalidCertificate);
}

TEST_CASE("malformed DER is refused with a reason", "[certificate]") {
    const std::string der = test::makeChain("a.example").leaf.der();
    const std::string bad = GENERATE_COPY(std::string(), std::string("\x30"), std::string("\x30\x84\xff\xff\xff\xff"),
                                          der.substr(0, 100), der.substr(0, der.size() - 1), der + "x",
                                          std::string(2000, '\x30'), std::string(600 * 1024, '0'));
    const auto info = readCertificateDer(bad);
    REQUIRE_FALSE(info);
    CHECK(info.error().reason() == base::Reason::kInvalidCertificate);
}

TEST_CASE("the certificates of a text are read in its order, and other blocks passed over", "[certificate]") {
    const auto chain = test::makeChain("a.example");
    const auto infos = readCertificates(chain.root.pem() + chain.leaf.key().pem() + chain.leaf.pem());
    REQUIRE(infos);
    REQUIRE(infos->size() == 2);
    CHECK((*infos)[0].subject == "CN=Test Root");
    CHECK((*infos)[1].subject == "CN=a.example");
    const auto trusted = readCertificates(test::toPem("TRUSTED CERTIFICATE", chain.leaf.der() + "\x30\x03\x0c\x01x"));
    REQUIRE(trusted);
    CHECK(trusted->front().subject == "CN=a.example");
}

TEST_CASE("a text without certificate says what it holds instead", "[certificate]") {
    const auto key = readCertificates(test::Key::make(test::KeyKind::kP256).pem());
    REQUIRE_FALSE(key);
    CHECK_THAT(key.error().message(), CERTBINDER_CONTAINS("swapped"));
    const auto pkcs7 = readCertificates(test::toPem("PKCS7", "whatever"));
    REQUIRE_FALSE(pkcs7);
    CHECK_THAT(pkcs7.error().message(), CERTBINDER_CONTAINS("openssl pkcs7 -print_certs"));
}
