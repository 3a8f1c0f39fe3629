#include "kube/api_error.h"

#include "document/json.h"
#include "support/fake_transport.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::kube;
using namespace std::chrono_literals;
using certbinder::test::answer;

namespace {

const base::WallTime kNow = base::WallTime(std::chrono::seconds(1795334400));

std::string status(int code, const std::string& reason, const std::string& message, const std::string& details = "{}") {
    return R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":)" + std::to_string(code) +
           R"(,"reason":")" + reason + R"(","message":")" + message + R"(","details":)" + details + "}";
}

}  // namespace

TEST_CASE("an API error is told by its reason, else by its status", "[kube]") {
    struct Row {
        int http;
        const char* reason;
        ApiReason expected;
        base::Reason folded;
    };
    for (const Row& row : {
             Row{401, "Unauthorized", ApiReason::kUnauthorized, base::Reason::kAuthenticationFailed},
             Row{403, "Forbidden", ApiReason::kForbidden, base::Reason::kPermissionDenied},
             Row{404, "NotFound", ApiReason::kNotFound, base::Reason::kSourceNotFound},
             Row{409, "AlreadyExists", ApiReason::kAlreadyExists, base::Reason::kConflict},
             Row{409, "Conflict", ApiReason::kConflict, base::Reason::kConflict},
             Row{410, "Expired", ApiReason::kGone, base::Reason::kUnreachable},
             Row{410, "Gone", ApiReason::kGone, base::Reason::kUnreachable},
             Row{413, "RequestEntityTooLarge", ApiReason::kTooLarge, base::Reason::kInvalidSpec},
             Row{422, "Invalid", ApiReason::kInvalid, base::Reason::kInvalidSpec},
             Row{429, "TooManyRequests", ApiReason::kTooManyRequests, base::Reason::kThrottled},
             Row{500, "InternalError", ApiReason::kInternalError, base::Reason::kUnreachable},
             Row{500, "ServerTimeout", ApiReason::kTimeout, base::Reason::kUnreachable},
             Row{503, "ServiceUnavailable", ApiReason::kUnavailable, base::Reason::kUnreachable},
             Row{504, "Timeout", ApiReason::kTimeout, base::Reason::kUnreachable},
             Row{400, "SomethingNew", ApiReason::kBadRequest, base::Reason::kInvalidSpec},
             Row{418, "", ApiReason::kOther, base::Reason::kUnreachable},
         }) {
        INFO(row.http << " " << row.reason);
        const ApiError error = errorOf(answer(row.http, status(row.http, row.reason, "why")), kNow);
        CHECK(error.httpStatus == row.http);
        CHECK(error.is(row.expected));
        CHECK(error.message == "why");
        CHECK(error.toError().reason() == row.folded);
        CHECK(error.toError().code() == toString(row.expected));
        CHECK(errorOf(answer(row.http, "plain words"), kNow).httpStatus == row.http);
    }
    CHECK(errorOf(answer(502, "<html>bad gateway\n</html>"), kNow).text() ==
          "<html>bad gateway\\n</html> (502 InternalError)");
    CHECK(errorOf(answer(409, "{\"kind\":\"Status\""), kNow).is(ApiReason::kConflict));
}

TEST_CASE("causes and Retry-After are read", "[kube]") {
    const std::string details =
        R"({"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version","field":"f"}],)"
        R"("retryAfterSeconds":3})";
    const ApiError error = errorOf(answer(504, status(504, "Timeout", "Too large", details)), kNow);
    CHECK(error.isResourceVersionTooLarge());
    CHECK(error.hasCause("ResourceVersionTooLarge"));
    CHECK_FALSE(error.hasCause("FieldManagerConflict"));
    REQUIRE(error.causes.size() == 1);
    CHECK(error.causes[0].field == "f");
    CHECK(error.retryAfter == 3s);
    CHECK(error.toError().retryAfter() == 3000ms);
    CHECK(errorOf(answer(429, "", {{"Retry-After", "7"}}), kNow).retryAfter == 7s);
    CHECK_FALSE(errorOf(answer(504, status(504, "Timeout", "slow")), kNow).isResourceVersionTooLarge());
}

TEST_CASE("an ERROR event's Status is an error like any other", "[kube]") {
    const auto event = document::parseJson(status(410, "Expired", "too old resource version: 1 (9)"));
    REQUIRE(event);
    CHECK(errorOf(*event).is(ApiReason::kGone));
    CHECK(errorOf(*event).httpStatus == 410);
    CHECK(errorOf(document::Value("nonsense")).is(ApiReason::kOther));
}

TEST_CASE("a transport's failure is kept with its kind", "[kube]") {
    ApiError error = errorOf(test::noAnswer(http::Failure::kRefused, "connection refused"));
    error.place = "GET secrets web/shop";
    CHECK(error.is(ApiReason::kNoAnswer));
    CHECK(error.failure == http::Failure::kRefused);
    CHECK(error.text() == "GET secrets web/shop: connection refused");
    CHECK(error.toError().reason() == base::Reason::kUnreachable);
}
