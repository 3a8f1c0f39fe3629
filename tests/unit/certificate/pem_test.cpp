#include "certificate/pem.h"

#include <string>

#include "support/test.h"

using certbinder::base::Reason;
using namespace certbinder::certificate;

namespace {

constexpr const char* kBlock = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n";

std::string failure(std::string_view text, PemLimits limits = {}) {
    const auto blocks = splitPem(text, "the text", limits);
    REQUIRE_FALSE(blocks);
    CHECK(blocks.error().reason() == Reason::kInvalidCertificate);
    return blocks.error().message();
}

}  // namespace

TEST_CASE("a PEM block is found wherever it stands", "[certificate][pem]") {
    const std::string text = GENERATE(
        std::string(kBlock), std::string("\xEF\xBB\xBF") + kBlock, std::string("Bag Attributes: x\n") + kBlock + "tail",
        std::string("-----BEGIN CERTIFICATE-----\r\nTUlJ\r\n\r\nQg==\r\n-----END CERTIFICATE-----\r\n"),
        std::string("-----BEGIN CERTIFICATE-----\rTUlJQg==\r-----END CERTIFICATE-----\r"),
        std::string("    -----BEGIN CERTIFICATE-----\n    TUlJQg==\n    -----END CERTIFICATE-----"),
        std::string("-----BEGIN CERTIFICATE-----TUlJQg==-----END CERTIFICATE-----"),
        std::string("a line that says -----BEGIN and no more\n") + kBlock,
        std::string("-----BEGIN CERTIFICATE-----\nComment: a header\n\nTUlJQg==\n-----END CERTIFICATE-----"));
    CAPTURE(text);
    const auto blocks = splitPem(text, "the text", {});
    REQUIRE(blocks);
    REQUIRE(blocks->size() == 1);
    CHECK(blocks->front().label == "CERTIFICATE");
    const auto der = decodePem(blocks->front(), "the text");
    REQUIRE(der);
    CHECK(der->reveal() == "MIIB");
}

TEST_CASE("blocks glued together are told apart, with the lines they begin in", "[certificate][pem]") {
    const std::string text =
        "first\r\n-----BEGIN A-----\r\nTUlJQg==\r\n-----END A----------BEGIN B-----\nTUlJQg==\n-----END B-----";
    const auto blocks = splitPem(text, "the text", {});
    REQUIRE(blocks);
    REQUIRE(blocks->size() == 2);
    CHECK((*blocks)[0].line == 2);
    CHECK((*blocks)[1].label == "B");
    CHECK((*blocks)[1].line == 4);
}

TEST_CASE("a text without blocks says what it probably is", "[certificate][pem]") {
    CHECK_THAT(failure(" \n"), CERTBINDER_CONTAINS("it is empty"));
    CHECK_THAT(failure("\x30\x82\x01\x02"), CERTBINDER_CONTAINS("DER or PKCS#12"));
    CHECK_THAT(failure(std::string_view("\xFF\xFE-\0-\0", 6)), CERTBINDER_CONTAINS("UTF-16"));
    CHECK_THAT(failure("LS0tLS1CRUdJTi"), CERTBINDER_CONTAINS("encoded once too often"));
}

TEST_CASE("a PEM text that is cut off, mixed up or too much is refused", "[certificate][pem]") {
    CHECK_THAT(failure("x\n-----BEGIN CERTIFICATE-----\nTUlJ"), CERTBINDER_CONTAINS("line 2 has no END line"));
    CHECK_THAT(failure(std::string("-----BEGIN CERTIFICATE-----\nTUlJ\n") + kBlock),
               CERTBINDER_CONTAINS("no END line"));
    CHECK_THAT(failure("-----BEGIN A-----\nTUlJ\n-----END B-----"), CERTBINDER_CONTAINS("no END line"));
    CHECK_THAT(failure(std::string(kBlock) + kBlock + kBlock, {1024, 2}),
               CERTBINDER_CONTAINS("more than 2 PEM blocks"));
    CHECK_THAT(failure(kBlock, {10, 2}), CERTBINDER_CONTAINS("more than the 10"));
}

TEST_CASE("a block that is not base64 is refused when it is decoded", "[certificate][pem]") {
    const char* body = GENERATE("TUl*Qg==", "TUlJQ", "", "\\nTUlJQg==\\n");
    const std::string text = std::string("-----BEGIN A-----\n") + body + "\n-----END A-----\n";
    const auto blocks = splitPem(text, "the text", {});
    REQUIRE(blocks);
    const auto der = decodePem(blocks->front(), "the text");
    REQUIRE_FALSE(der);
    CHECK(der.error().reason() == Reason::kInvalidCertificate);
    CHECK_THAT(der.error().message(), CERTBINDER_CONTAINS("the block A that begins in line 1"));
}
