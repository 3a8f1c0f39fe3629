#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "document/value.h"
#include "document/yaml.h"
#include "schema/cel.h"
#include "schema/pattern.h"

namespace certbinder::schema {

/// A rule of x-kubernetes-validations with what is said where it is broken.
struct Rule {
    CelRule rule;
    std::string message;
    std::vector<std::string> fieldPath;  ///< from the object of the rule to the field that is blamed; mostly empty
};

/// A node of a structural schema (apiextensions.k8s.io/v1, JSONSchemaProps): what one value may be. Immutable once
/// read.
struct Node {
    enum class Type { kAny, kObject, kList, kString, kInteger, kNumber, kBoolean, kIntegerOrString };
    enum class ListKind { kAtomic, kSet, kMap };

    std::string name;  ///< of a property: its field
    Type type = Type::kAny;
    std::string description;
    bool nullable = false;
    std::optional<document::Value> standard;  ///< the default
    std::vector<std::string> words;           ///< enum
    std::optional<Pattern> pattern;
    std::optional<std::int64_t> minimum;
    std::optional<std::int64_t> maximum;
    std::optional<std::int64_t> minLength;  ///< in code points
    std::optional<std::int64_t> maxLength;
    std::optional<std::int64_t> minItems;
    std::optional<std::int64_t> maxItems;
    ListKind listKind = ListKind::kAtomic;
    std::vector<std::string> listKeys;
    std::vector<std::string> required;
    std::vector<Node> properties;
    std::vector<Node> items;   ///< one, of a list
    std::vector<Node> values;  ///< one, of an object with additionalProperties
    std::vector<Rule> rules;

    const Node* property(std::string_view field) const;
    std::vector<std::string> propertyNames() const;
};

/// Reads a schema; a keyword that is not known here is an error, since leaving it out would be a check left out.
base::Expected<Node> readNode(const document::Value& schema, const std::string& path);

/// Fills in defaults as the API server does: where a field is absent, or null where null is not allowed; also inside of
/// what a default has just put in. A whole number written with a fraction (`22.0`) becomes the integer.
void applyDefaults(const Node& node, document::Value& value);

/// Checks a value and all below it.
class Validator {
  public:
    explicit Validator(std::vector<document::Fault>& faults) : faults_(faults) {}

    void validate(const Node& node, const document::Value& value, const std::string& path);
    void fault(const document::Position& position, std::string path, std::string message);

  private:
    void validateObject(const Node& node, const document::Value& value, const std::string& path);
    void validateList(const Node& node, const document::Value& value, const std::string& path);
    void validateText(const Node& node, const document::Value& value, const std::string& path);
    void validateNumber(const Node& node, const document::Value& value, const std::string& path);
    void validateKeys(const Node& node, const document::Value& value, const std::string& path);
    void validateRules(const Node& node, const document::Value& value, const std::string& path, bool sound);
    void unknownField(const Node& node, const document::Member& member, const std::string& path);

    std::vector<document::Fault>& faults_;
};

}  // namespace certbinder::schema
