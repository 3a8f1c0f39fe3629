#include "base/backoff.h"
#include "base/digest.h"
#include "base/expected.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret_bytes.h"
#include "base/text.h"
#include "base/time_text.h"
#include "support/test.h"

#include <type_traits>

using namespace certbinder::base;

namespace {

class FixedRandom final : public Random {
  public:
    explicit FixedRandom(double value) : value_(value) {}
    double uniform() override { return value_; }

  private:
    double value_;
};

WallTime at(const char* text) {
    return *parseTime(text);
}

// A type that can be put into a stream, a string or a log field would let a secret out.
template <typename T, typename = void>
struct Streams : std::false_type {};
template <typename T>
struct Streams<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<T>())>> : std::true_type {};

}  // namespace

TEST_CASE("a secret cannot be copied, printed, compared or logged by accident", "[base][secret]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<SecretBytes>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<SecretBytes>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<SecretBytes, std::string>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<SecretBytes, std::string_view>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<LogField, const char*, SecretBytes>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<Error, Reason, SecretBytes>);
    STATIC_REQUIRE_FALSE(Streams<SecretBytes>::value);
}

TEST_CASE("a secret wipes what it leaves behind", "[base][secret]") {
    SecretBytes secret{std::string_view("hunter2-hunter2-hunter2-hunter2")};
    SECTION("when it is shortened") {
        const char* end = secret.reveal().data() + 10;
        secret.shrink(10);
        CHECK(secret.reveal() == "hunter2-hu");
        CHECK(std::string_view(end, 8) == std::string_view("\0\0\0\0\0\0\0\0", 8));
    }
    SECTION("when a string is taken over, the string's own buffer too") {
        std::string plain = "a-password-that-is-longer-than-the-small-string-buffer";
        const char* buffer = plain.data();
        const std::size_t size = plain.size();
        const SecretBytes taken = SecretBytes::take(plain);
        CHECK(taken.size() == size);
        CHECK(plain.empty());
        CHECK(std::string_view(buffer, size).find_first_not_of('\0') == std::string_view::npos);
    }
    SECTION("a moved-from one is empty") {
        const SecretBytes moved = std::move(secret);
        CHECK(moved.size() == 31);
        CHECK(secret.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
    }
}

TEST_CASE("secrets compare by content", "[base][secret]") {
    CHECK(SecretBytes("abc").sameAs(SecretBytes("abc")));
    CHECK_FALSE(SecretBytes("abc").sameAs(SecretBytes("abd")));
    CHECK_FALSE(SecretBytes("abc").sameAs(SecretBytes("ab")));
    CHECK(SecretBytes().sameAs(SecretBytes("")));
}

TEST_CASE("an error tells its places from the outside in", "[base][error]") {
    const Error error =
        Error(Reason::kUnreachable, "connection refused").in("host 10.0.0.4:22").in("binding default/a");
    CHECK(error.message() == "binding default/a: host 10.0.0.4:22: connection refused");
    CHECK(error.remedy() == Remedy::kTime);
    CHECK(Error(Reason::kHostKeyMismatch, "x").remedy() == Remedy::kChange);
    // A site is not switched to and fro by back-off.
    CHECK(Error(Reason::kServedCertificateDiffers, "x").remedy() == Remedy::kChange);
}

TEST_CASE("a place that two layers in a row name is told once", "[base][error]") {
    const Error error = Error(Reason::kUnreachable, "no route").in("host a:22").in("host a:22").in("binding b");
    CHECK(error.message() == "binding b: host a:22: no route");
}

TEST_CASE("every reason has its own word and is found by it", "[base][reason]") {
    for (int i = 0; i <= static_cast<int>(Reason::kInternalError); ++i) {
        const auto reason = static_cast<Reason>(i);
        INFO(toString(reason));
        CHECK(reasonFromString(toString(reason)) == reason);
    }
    CHECK_FALSE(reasonFromString("Nonsense").has_value());
}

TEST_CASE("back-off doubles, is bounded, and jitter only adds", "[base][backoff]") {
    FixedRandom none(0.0);
    Backoff backoff({std::chrono::milliseconds(100), std::chrono::milliseconds(1000), 2.0, 0.2});
    CHECK(backoff.next(none).count() == 100);
    CHECK(backoff.next(none).count() == 200);
    CHECK(backoff.next(none).count() == 400);
    CHECK(backoff.next(none).count() == 800);
    CHECK(backoff.next(none).count() == 1000);
    backoff.reset();
    FixedRandom half(0.5);
    CHECK(backoff.next(half).count() == 110);
    for (int i = 0; i < 5000; ++i) {
        CHECK(backoff.next(half).count() <= 1100);
    }
}

TEST_CASE("numbers are decimal and whole", "[base][text]") {
    CHECK(parseInteger("10") == 10);
    CHECK(parseInteger("-3") == -3);
    for (const char* bad : {"", " 1", "1 ", "0x10", "1e3", "1.0", "+5", "9223372036854775808"}) {
        INFO(bad);
        CHECK_FALSE(parseInteger(bad).has_value());
    }
}

TEST_CASE("durations are Go's", "[base][text]") {
    CHECK(parseDuration("10m") == 600'000);
    CHECK(parseDuration("1h30m") == 5'400'000);
    CHECK(parseDuration("500ms") == 500);
    CHECK(parseDuration("1m500ms") == 60'500);
    for (const char* bad : {"", "10", "m", "10 m", "-5s", "1d", "99999999999999h", "9223372036854775807ms", "s10"}) {
        INFO(bad);
        CHECK_FALSE(parseDuration(bad).has_value());
    }
    CHECK(formatDuration(std::chrono::milliseconds(5'400'500)) == "1h30m500ms");
}

TEST_CASE("percent-encoding leaves only the unreserved characters", "[base][text]") {
    CHECK(percentEncode("a b*c~d_证") == "a%20b%2Ac~d_%E8%AF%81");
}

TEST_CASE("text from outside is shown in one line and within bounds", "[base][text]") {
    CHECK(printable("a\nb\x1b[31m\xff") == "a\\nb\\x1B[31m\\xFF");
    CHECK(printable("证书") == "证书");
    CHECK(printable(std::string(600, 'x')) == std::string(500, 'x') + "…");
}

TEST_CASE("UTF-8 is checked as RFC 3629 says", "[base][text]") {
    CHECK(isValidUtf8("é证😀"));
    for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x80", "\xE8\xAF", "\xE0\x80\x80"}) {
        CHECK_FALSE(isValidUtf8(bad));
    }
}

TEST_CASE("times are RFC 3339 in UTC", "[base][time]") {
    CHECK(formatTime(at("2026-02-28T23:59:59Z")) == "2026-02-28T23:59:59Z");
    CHECK(formatTime(at("2024-02-29T00:00:00.123456Z")) == "2024-02-29T00:00:00Z");
    CHECK(formatCompactTime(at("2023-11-21T08:00:00Z")) == "20231121T080000Z");
    for (const char* bad : {"", "2026-02-29T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00",
                            "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00.Z"}) {
        INFO(bad);
        CHECK_FALSE(parseTime(bad).has_value());
    }
}

TEST_CASE("ages are printed as kubectl does", "[base][time]") {
    using std::chrono::seconds;
    CHECK(formatAge(seconds(119)) == "119s");
    CHECK(formatAge(seconds(125)) == "2m5s");
    CHECK(formatAge(seconds(600)) == "10m");
    CHECK(formatAge(seconds(3 * 3600 + 300)) == "3h5m");
    CHECK(formatAge(seconds(47 * 86400)) == "47d");
    CHECK(formatAge(seconds(-1)) == "0s");
}

TEST_CASE("base64 is strict but passes over line breaks", "[base][digest]") {
    CHECK(fromBase64("aGVsbG8=")->reveal() == "hello");
    CHECK(fromBase64("aGVs\nbG8h\n")->reveal() == "hello!");
    CHECK(fromBase64("")->reveal().empty());
    for (const char* bad : {"aGVsbG8", "aGVsbG8*", "=aGV", "aGV=sbG8", "====", "a==="}) {
        INFO(bad);
        CHECK_FALSE(fromBase64(bad).has_value());
    }
    CHECK(toBase64("hello") == "aGVsbG8=");
}

TEST_CASE("digests are the known ones", "[base][digest]") {
    CHECK(toHex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(toHex(sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    // RFC 4231, test case 2.
    CHECK(toHex(hmacSha256(SecretBytes("Jefe"), "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK_NOTHROW(hmacSha256(SecretBytes(), "an empty key is a key"));
}

TEST_CASE("a UUID is random, of version 4", "[base][random]") {
    const std::string one = uuid();
    CHECK(one.size() == 36);
    CHECK(one[14] == '4');
    CHECK(one != uuid());
}

TEST_CASE("JSON strings stay JSON whatever they hold", "[base][log]") {
    CHECK(quoteJson("a\"b\\c\n\x01") == "\"a\\\"b\\\\c\\n\\u0001\"");
    CHECK(quoteJson("\xff").find('\xff') == std::string::npos);
}
