#pragma once

#include <compare>
#include <string>

namespace certbinder::api {

/// Names an object of a kind: `namespace/name`.
struct ObjectKey {
    std::string ns;
    std::string name;

    auto operator<=>(const ObjectKey&) const = default;
    std::string toString() const { return ns + "/" + name; }
};

}  // namespace certbinder::api
