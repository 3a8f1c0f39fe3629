#pragma once

#include <tl/expected.hpp>

#include "base/error.h"

namespace certbinder::base {

/// A value, or the Error that explains why there is none. Every function that can fail for a reason that the outside
/// world causes returns one; exceptions are left to defects.
template <typename T>
class [[nodiscard]] Expected : public tl::expected<T, Error> {
  public:
    using tl::expected<T, Error>::expected;
    Expected() = default;
    Expected(tl::expected<T, Error> other) : tl::expected<T, Error>(std::move(other)) {}
};

/// `return unexpected(Reason::kUnreachable, "…")` in a function that returns an Expected.
inline tl::unexpected<Error> unexpected(Reason reason, std::string message) {
    return tl::unexpected<Error>(Error(reason, std::move(message)));
}

/// Hands an error on, from an Expected of another type.
inline tl::unexpected<Error> unexpected(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace certbinder::base
