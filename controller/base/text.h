#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace certbinder::base {

std::string toLower(std::string_view text);    ///< ASCII only
std::string_view trim(std::string_view text);  ///< without ASCII white space at both ends
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The whole text as a decimal number: no sign but a minus, no blanks, no octal, nothing behind.
std::optional<std::int64_t> parseInteger(std::string_view text);

/// RFC 3986: all but `A-Z a-z 0-9 - . _ ~` as %XX, upper case.
std::string percentEncode(std::string_view text);

/// Makes text from outside fit to be shown in one line: control characters as \n, \t or \xXX, broken UTF-8 as \xXX,
/// cut after `most` bytes with an ellipsis.
std::string printable(std::string_view text, std::size_t most = 500);

bool isValidUtf8(std::string_view text);

/// Go's notation, as Kubernetes' users write durations: `10m`, `1h30m`, `500ms`. Units h, m, s, ms; in milliseconds.
std::optional<std::int64_t> parseDuration(std::string_view text);

}  // namespace certbinder::base
