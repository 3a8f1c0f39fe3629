#include "http/transport.h"

#include <time.h>

#include <algorithm>

#include "base/text.h"

namespace certbinder::http {
namespace {

/// Far above any wait that makes sense; keeps the arithmetic of the callers from overflowing.
constexpr std::chrono::hours kLongestWait{24};

/// An HTTP date in its preferred form, the only one a server may send (RFC 9110 5.6.7).
std::optional<base::WallTime> parseHttpDate(std::string_view text) {
    const std::string copy(text);
    tm parts{};
    const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0') {
        return std::nullopt;
    }
    return base::WallTime(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
    const std::string wanted = base::toLower(name);
    const auto found = std::find_if(headers.begin(), headers.end(),
                                    [&](const auto& entry) { return base::toLower(entry.first) == wanted; });
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::chrono::milliseconds> retryAfter(const Response& response, base::WallTime now) {
    const std::string_view text = base::trim(response.header("Retry-After"));
    std::optional<std::chrono::seconds> wait;
    if (const std::optional<std::int64_t> seconds = base::parseInteger(text)) {
        wait = std::chrono::seconds(*seconds);
    } else if (const std::optional<base::WallTime> time = parseHttpDate(text)) {
        wait = *time - now;
    }
    if (!wait) {
        return std::nullopt;
    }
    return std::clamp<std::chrono::seconds>(*wait, std::chrono::seconds(0), kLongestWait);  // before it is multiplied
}

std::string_view toString(Failure failure) {
    switch (failure) {
        case Failure::kRefused:
            return "refused";
        case Failure::kResolve:
            return "resolve";
        case Failure::kTls:
            return "tls";
        case Failure::kTimeout:
            return "timeout";
        case Failure::kCancelled:
            return "cancelled";
        case Failure::kReset:
            return "reset";
        case Failure::kTruncated:
            return "truncated";
        case Failure::kProtocol:
            return "protocol";
        case Failure::kTooLarge:
            return "too-large";
    }
    return "";
}

std::optional<Failure> failureOf(const base::Error& error) {
    for (const Failure failure :
         {Failure::kRefused, Failure::kResolve, Failure::kTls, Failure::kTimeout, Failure::kCancelled, Failure::kReset,
          Failure::kTruncated, Failure::kProtocol, Failure::kTooLarge}) {
        if (!error.code().empty() && error.code() == toString(failure)) {
            return failure;
        }
    }
    return std::nullopt;
}

}  // namespace certbinder::http
