#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace certbinder::schema {

/// The one of `known` that a misspelt word most likely means; empty where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace certbinder::schema
