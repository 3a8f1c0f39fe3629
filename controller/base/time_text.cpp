#include "base/time_text.h"

#include <cstdio>

#include "base/text.h"

namespace certbinder::base {
namespace {

struct Fields {
    int year;
    unsigned month;
    unsigned day;
    int hour;
    int minute;
    int second;
};

Fields fieldsOf(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return {static_cast<int>(date.year()),
            static_cast<unsigned>(date.month()),
            static_cast<unsigned>(date.day()),
            static_cast<int>(clock.hours().count()),
            static_cast<int>(clock.minutes().count()),
            static_cast<int>(clock.seconds().count())};
}

std::string print(const char* pattern, const Fields& f) {
    char buffer[48];
    const int size = std::snprintf(buffer, sizeof buffer, pattern, f.year, f.month, f.day, f.hour, f.minute, f.second);
    return {buffer, static_cast<std::size_t>(size)};
}

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
    int number = 0;
    for (std::size_t i = from; i < from + count; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

}  // namespace

std::string formatTime(WallTime time) {
    return print("%04d-%02u-%02uT%02d:%02d:%02dZ", fieldsOf(time));
}

std::string formatCompactTime(WallTime time) {
    return print("%04d%02u%02uT%02d%02d%02dZ", fieldsOf(time));
}

std::optional<WallTime> parseTime(std::string_view text) {
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
    if (text.size() < kForm.size() + 1 || text.back() != 'Z') {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < kForm.size(); ++i) {
        if (kForm[i] != 'd' && text[i] != kForm[i]) {
            return std::nullopt;
        }
    }
    const std::string_view fraction = text.substr(kForm.size(), text.size() - kForm.size() - 1);
    if (!fraction.empty() && (fraction.size() < 2 || fraction[0] != '.' ||
                              fraction.substr(1).find_first_not_of("0123456789") != std::string_view::npos)) {
        return std::nullopt;
    }
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    const auto second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second);
}

std::string formatAge(std::chrono::seconds span) {
    // The steps are those of kubectl's HumanDuration (k8s.io/apimachinery/pkg/util/duration).
    const auto seconds = span.count();
    if (seconds < 0) {
        return "0s";
    }
    const auto minutes = seconds / 60;
    const auto hours = seconds / 3600;
    const auto days = hours / 24;
    constexpr std::int64_t kDaysPerYear = 365;
    const auto two = [](long long major, const char* majorUnit, long long minor, const char* minorUnit) {
        std::string text = std::to_string(major) + majorUnit;
        return minor == 0 ? text : text + std::to_string(minor) + minorUnit;
    };
    if (seconds < 120) {
        return std::to_string(seconds) + "s";
    }
    if (minutes < 10) {
        return two(minutes, "m", seconds % 60, "s");
    }
    if (minutes < 180) {
        return std::to_string(minutes) + "m";
    }
    if (hours < 8) {
        return two(hours, "h", minutes % 60, "m");
    }
    if (hours < 48) {
        return std::to_string(hours) + "h";
    }
    if (days < 8) {
        return two(days, "d", hours % 24, "h");
    }
    if (days < 2 * kDaysPerYear) {
        return std::to_string(days) + "d";
    }
    if (days < 8 * kDaysPerYear) {
        return two(days / kDaysPerYear, "y", days % kDaysPerYear, "d");
    }
    return std::to_string(days / kDaysPerYear) + "y";
}

std::string formatDuration(std::chrono::milliseconds span) {
    auto rest = span.count();
    if (rest <= 0) {
        return "0s";
    }
    std::string text;
    const auto take = [&](long long unit, const char* name) {
        if (rest >= unit) {
            text += std::to_string(rest / unit) + name;
            rest %= unit;
        }
    };
    take(3'600'000, "h");
    take(60'000, "m");
    take(1000, "s");
    take(1, "ms");
    return text;
}

}  // namespace certbinder::base
