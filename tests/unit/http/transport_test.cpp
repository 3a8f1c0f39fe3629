#include "http/transport.h"

#include <set>

#include "base/time_text.h"
#include "support/fake_transport.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::http;
using namespace std::chrono_literals;

namespace {

std::optional<std::chrono::milliseconds> waitSaid(const std::string& value) {
    return retryAfter(test::answer(429, "", {{"retry-after", value}}), *base::parseTime("2026-11-22T08:00:00Z"));
}

}  // namespace

TEST_CASE("a header is found whatever its case", "[http]") {
    const Response response = test::answer(200, "", {{"X-Request-Id", "a"}, {"x-request-id", "b"}});
    CHECK(response.header("x-REQUEST-id") == "a");
    CHECK(response.header("X-Request").empty());
}

TEST_CASE("Retry-After is read as seconds and as an HTTP date", "[http]") {
    CHECK(waitSaid("7") == 7s);
    CHECK(waitSaid(" 7 ") == 7s);
    CHECK(waitSaid("Sun, 22 Nov 2026 08:01:30 GMT") == 90s);
}

TEST_CASE("a Retry-After that makes no sense does no harm", "[http]") {
    CHECK(waitSaid("-5") == 0s);
    CHECK(waitSaid("Sun, 22 Nov 2026 07:00:00 GMT") == 0s);
    CHECK(waitSaid("9223372036854775807") == 24h);
    CHECK(waitSaid("99999999999999999999") == std::nullopt);
    CHECK(waitSaid("soon") == std::nullopt);
    CHECK(waitSaid("") == std::nullopt);
    CHECK(retryAfter(test::answer(429), {}) == std::nullopt);
}

TEST_CASE("the other side's time is read from its Date header", "[http]") {
    const auto date = dateOf(test::answer(401, "", {{"date", " Sun, 22 Nov 2026 11:35:29 GMT"}}));
    CHECK(date == std::optional(base::WallTime(1795347329s)));
    CHECK_FALSE(dateOf(test::answer(401)));
    for (const char* wrong :
         {"", "yesterday", "22 Nov 2026", "Sun, 31 Feb 2026 11:35:29 GMT", "Sun, 22 Foo 2026 11:35:29 GMT",
          "Sun, 22 anF 2026 11:35:29 GMT", "Sun, 22 Nov 2026 11:35:29", "Sun, 22 Nov 2026 11:35:29 GMT+1"}) {
        CAPTURE(wrong);
        CHECK_FALSE(dateOf(test::answer(401, "", {{"Date", wrong}})));
    }
}

TEST_CASE("every failure has a word of its own", "[http]") {
    std::set<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(Failure::kTooLarge); ++i) {
        words.insert(toString(static_cast<Failure>(i)));
    }
    CHECK(words.size() == 9);
    CHECK(words.count("") == 0);
}
