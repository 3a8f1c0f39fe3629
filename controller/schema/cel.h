#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/expected.h"
#include "document/value.h"

namespace certbinder::schema {

namespace cel {
struct Expression;
}

/// A rule in the Common Expression Language, as x-kubernetes-validations holds them, in the subset that the CRD uses:
/// null, booleans, integers, doubles, strings, lists, durations; `self`, has(), fields, indexes, operators, ?:, in;
/// size, int, double, string, duration; startsWith, endsWith, contains, matches (with a literal), lowerAscii,
/// upperAscii, trim, split; all, exists, exists_one, filter, map. What is outside of it does not parse: no rule is half
/// understood. Immutable, thread-safe.
class CelRule {
  public:
    static base::Expected<CelRule> parse(std::string_view text);

    /// Whether the rule holds for `self`; an error where CEL has one: no such field, no such overload, overflow, or a
    /// budget of steps that is used up. Always ends.
    tl::expected<bool, std::string> holds(const document::Value& self) const;

    /// Whether it compares with the object's last state (oldSelf): such a rule says nothing of an object by itself.
    bool isTransition() const { return transition_; }

    /// The chains of fields that the rule reads from `self`, for checking them against the schema.
    const std::vector<std::vector<std::string>>& fieldsRead() const { return fieldsRead_; }

  private:
    std::shared_ptr<const cel::Expression> root_;
    bool transition_ = false;
    std::vector<std::vector<std::string>> fieldsRead_;
};

}  // namespace certbinder::schema
