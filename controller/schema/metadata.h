#pragma once

#include <string_view>

#include "document/value.h"
#include "schema/node.h"

namespace certbinder::schema {

/// Checks apiVersion, kind and metadata of an object as the API server does before it looks at the rest: known fields
/// of ObjectMeta only, names that are DNS names, labels and annotations that are texts with qualified names.
void validateMeta(const document::Value& object, std::string_view apiVersion, std::string_view kind,
                  Validator& validator);

}  // namespace certbinder::schema
