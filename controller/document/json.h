#pragma once

#include <string>
#include <string_view>

#include "base/expected.h"
#include "document/value.h"

namespace certbinder::document {

/// Reads one JSON text (RFC 8259): strict UTF-8, numbers without loss (an integer beyond 64 bits is an error), at most
/// 128 levels deep; a duplicate key is an error. The error's reason is kInvalidSpec, its message says where.
base::Expected<Value> parseJson(std::string_view text);

/// Writes JSON. `indent` 0 gives one line without blanks.
std::string toJson(const Value& value, int indent = 0);

}  // namespace certbinder::document
