#include "kube/api_error.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "document/json.h"

namespace certbinder::kube {
namespace {

constexpr std::size_t kMostQuoted = 500;
constexpr std::size_t kMostStatusBytes = 256 << 10;
constexpr std::size_t kMostCauses = 50;

struct Word {
    std::string_view word;
    ApiReason reason;
};

/// metav1.StatusReason, as far as they are told apart.
constexpr std::array kWords{Word{"BadRequest", ApiReason::kBadRequest},
                            Word{"Unauthorized", ApiReason::kUnauthorized},
                            Word{"Forbidden", ApiReason::kForbidden},
                            Word{"NotFound", ApiReason::kNotFound},
                            Word{"AlreadyExists", ApiReason::kAlreadyExists},
                            Word{"Conflict", ApiReason::kConflict},
                            Word{"Gone", ApiReason::kGone},
                            Word{"Expired", ApiReason::kGone},
                            Word{"Invalid", ApiReason::kInvalid},
                            Word{"RequestEntityTooLarge", ApiReason::kTooLarge},
                            Word{"TooManyRequests", ApiReason::kTooManyRequests},
                            Word{"Timeout", ApiReason::kTimeout},
                            Word{"ServerTimeout", ApiReason::kTimeout},
                            Word{"InternalError", ApiReason::kInternalError},
                            Word{"ServiceUnavailable", ApiReason::kUnavailable}};

ApiReason reasonOfStatus(int status) {
    switch (status) {
        case 400:
            return ApiReason::kBadRequest;
        case 401:
            return ApiReason::kUnauthorized;
        case 403:
            return ApiReason::kForbidden;
        case 404:
            return ApiReason::kNotFound;
        case 409:
            return ApiReason::kConflict;
        case 410:
            return ApiReason::kGone;
        case 413:
            return ApiReason::kTooLarge;
        case 422:
            return ApiReason::kInvalid;
        case 429:
            return ApiReason::kTooManyRequests;
        case 503:
            return ApiReason::kUnavailable;
        case 504:
            return ApiReason::kTimeout;
        default:
            return status >= 500 ? ApiReason::kInternalError : ApiReason::kOther;
    }
}

ApiReason reasonOf(std::string_view word, int status) {
    const auto* found = std::find_if(kWords.begin(), kWords.end(), [&](const Word& w) { return w.word == word; });
    return found == kWords.end() ? reasonOfStatus(status) : found->reason;
}

bool isStatus(const document::Value& value) {
    return value["kind"].asString() == "Status" && value["apiVersion"].asString() == "v1";
}

base::Reason foldedReason(ApiReason reason) {
    switch (reason) {
        case ApiReason::kUnauthorized:
            return base::Reason::kAuthenticationFailed;
        case ApiReason::kForbidden:
            return base::Reason::kPermissionDenied;
        case ApiReason::kNotFound:
            return base::Reason::kSourceNotFound;
        case ApiReason::kAlreadyExists:
        case ApiReason::kConflict:
            return base::Reason::kConflict;
        case ApiReason::kBadRequest:
        case ApiReason::kInvalid:
        case ApiReason::kTooLarge:
            return base::Reason::kInvalidSpec;
        case ApiReason::kTooManyRequests:
            return base::Reason::kThrottled;
        case ApiReason::kNoCredentials:
            return base::Reason::kCredentialsInvalid;
        default:
            return base::Reason::kUnreachable;
    }
}

}  // namespace

std::string_view toString(ApiReason reason) {
    switch (reason) {
        case ApiReason::kNoAnswer:
            return "NoAnswer";
        case ApiReason::kNoCredentials:
            return "NoCredentials";
        case ApiReason::kGone:
            return "Gone";
        case ApiReason::kTimeout:
            return "Timeout";
        case ApiReason::kOther:
            return "Other";
        default:
            break;
    }
    const auto* found = std::find_if(kWords.begin(), kWords.end(), [&](const Word& w) { return w.reason == reason; });
    return found == kWords.end() ? "Other" : found->word;
}

bool ApiError::hasCause(std::string_view type) const {
    return std::any_of(causes.begin(), causes.end(), [&](const ApiCause& cause) { return cause.type == type; });
}

bool ApiError::isResourceVersionTooLarge() const {
    return hasCause("ResourceVersionTooLarge") ||
           (reason == ApiReason::kTimeout && message.find("Too large resource version") != std::string::npos);
}

std::string ApiError::text() const {
    std::string text = place.empty() ? "" : place + ": ";
    text += message.empty() ? std::string(toString(reason)) : message;
    if (httpStatus != 0) {
        text += " (" + std::to_string(httpStatus) + " " + std::string(toString(reason)) + ")";
    }
    return text;
}

base::Error ApiError::toError() const {
    base::Error error = base::Error(foldedReason(reason), text()).withCode(std::string(toString(reason)));
    if (retryAfter) {
        return std::move(error).after(*retryAfter);
    }
    return error;
}

ApiError errorOf(const document::Value& status) {
    ApiError error;
    error.httpStatus = static_cast<int>(std::clamp<std::int64_t>(status["code"].asInteger(), 0, 999));
    error.reason = reasonOf(status["reason"].asString(), error.httpStatus);
    error.message = base::printable(status["message"].asString(), kMostQuoted);
    const document::Value& details = status["details"];
    for (const document::Value& cause : details["causes"].asList()) {
        if (error.causes.size() == kMostCauses) {
            break;
        }
        error.causes.push_back({base::printable(cause["reason"].asString(), 100),
                                base::printable(cause["field"].asString(), kMostQuoted),
                                base::printable(cause["message"].asString(), kMostQuoted)});
    }
    const std::int64_t seconds = details["retryAfterSeconds"].asInteger();
    if (seconds > 0) {
        error.retryAfter = std::chrono::seconds(std::min(seconds, std::int64_t{24} * 3600));
    }
    return error;
}

ApiError errorOf(const http::Response& response, base::WallTime now) {
    ApiError error;
    const std::string_view body = response.body.reveal();
    const bool json = body.size() <= kMostStatusBytes && !body.empty() && body.front() == '{';
    const base::Expected<document::Value> parsed = json ? document::parseJson(body) : document::Value();
    if (parsed && isStatus(*parsed)) {
        error = errorOf(*parsed);
    } else {
        // A page of a proxy, or a sentence of a filter in front of the API machinery.
        error.message = base::printable(base::trim(body), kMostQuoted);
    }
    if (error.httpStatus != response.status) {
        error.httpStatus = response.status;
        error.reason =
            parsed ? reasonOf((*parsed)["reason"].asString(), response.status) : reasonOfStatus(response.status);
    }
    if (const auto wait = http::retryAfter(response, now)) {
        error.retryAfter = wait;
    }
    return error;
}

ApiError errorOf(const base::Error& failed) {
    ApiError error;
    error.failure = http::failureOf(failed);
    error.message = failed.message();
    error.retryAfter = failed.retryAfter();
    return error;
}

}  // namespace certbinder::kube
