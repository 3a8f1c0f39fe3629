#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace certbinder::schema {

/// How many characters a UTF-8 text has, as lengths are counted in schemas and in CEL.
inline std::int64_t codePoints(std::string_view text) {
    return std::count_if(text.begin(), text.end(),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

}  // namespace certbinder::schema
