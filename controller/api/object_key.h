#pragma once

#include <compare>
#include <string>

namespace certbinder::api {

/// Names an object of a kind: `namespace/name`.
struct ObjectKey {
    std::string ns;
    std::string name;

    // The check takes the comparison of its result with 0 for one of pointers.
    auto operator<=>(const ObjectKey&) const = default;  // NOLINT(modernize-use-nullptr)
    std::string toString() const { return ns + "/" + name; }
};

}  // namespace certbinder::api
