#include "http/transport.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"

namespace certbinder::http {
namespace {

/// An HTTP date in its preferred form, the only one a server may send (RFC 9110 5.6.7). Not by strptime, which goes
/// with the locale and takes the 31st of February.
std::optional<base::WallTime> parseHttpDate(std::string_view text) {
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const std::string copy(text);
    std::array<char, 4> month{};
    unsigned int day = 0;
    int year = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int end = 0;
    const int read = std::sscanf(copy.c_str(), "%*3[A-Za-z], %2u %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month.data(),
                                 &year, &hour, &minute, &second, &end);
    const std::size_t index = kMonths.find(month.data());
    if (read != 6 || static_cast<std::size_t>(end) != copy.size() || index == std::string_view::npos ||
        index % 3 != 0) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{
        std::chrono::year(year), std::chrono::month(static_cast<unsigned int>(index / 3 + 1)), std::chrono::day(day)};
    if (!date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second);
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

std::optional<base::WallTime> dateOf(const Response& response) {
    return parseHttpDate(base::trim(response.header("Date")));
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
