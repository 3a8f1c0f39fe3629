#include "schema/node.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "document/json.h"
#include "document/path.h"
#include "schema/code_points.h"
#include "schema/suggestion.h"

namespace certbinder::schema {
namespace {

using base::Expected;
using base::Reason;
using base::unexpected;
using document::Fault;
using document::fieldPath;
using document::itemPath;
using document::Value;

constexpr std::size_t kMostFaults = 200;
constexpr std::size_t kMostQuotedBytes = 60;

tl::unexpected<base::Error> defect(const std::string& path, const std::string& what) {
    return unexpected(Reason::kInternalError, "the schema of " + (path.empty() ? "the object" : path) + ": " + what);
}

std::vector<std::string> textsOf(const Value& list) {
    std::vector<std::string> texts;
    for (const Value& item : list.asList()) {
        texts.push_back(item.asString());
    }
    return texts;
}

std::optional<Node::Type> typeNamed(std::string_view name) {
    static constexpr std::pair<std::string_view, Node::Type> kTypes[] = {
        {"object", Node::Type::kObject},   {"array", Node::Type::kList},    {"string", Node::Type::kString},
        {"integer", Node::Type::kInteger}, {"number", Node::Type::kNumber}, {"boolean", Node::Type::kBoolean},
    };
    for (const auto& [known, type] : kTypes) {
        if (known == name) {
            return type;
        }
    }
    return std::nullopt;
}

Expected<Rule> readRule(const Value& value, const std::string& path) {
    auto parsed = CelRule::parse(value["rule"].asString());
    if (!parsed) {
        return unexpected(std::move(parsed.error()).in("the schema of " + path));
    }
    Rule rule{std::move(*parsed), value["message"].asString(), {}};
    for (const document::Member& member : value.asObject()) {
        if (member.name == "fieldPath" && member.value.asString().substr(0, 1) == ".") {
            rule.fieldPath = base::split(std::string_view(member.value.asString()).substr(1), '.');
        } else if (member.name != "rule" && member.name != "message" && member.name != "reason") {
            return defect(path, "rules with " + member.name + " are not known here");
        }
    }
    if (rule.message.empty()) {
        return defect(path, "a rule has no message");
    }
    return rule;
}

/// Reads one keyword after the other into a node.
class NodeReader {
  public:
    explicit NodeReader(std::string path) : path_(std::move(path)) {}

    Expected<Node> read(const Value& schema) {
        for (const document::Member& member : schema.asObject()) {
            if (!readBound(member) && !readPlain(member)) {
                if (auto error = readNested(member)) {
                    return unexpected(std::move(*error));
                }
            }
        }
        if (auto error = checkRules()) {
            return unexpected(std::move(*error));
        }
        return std::move(node_);
    }

  private:
    bool readBound(const document::Member& member) {
        const std::pair<std::string_view, std::optional<std::int64_t>*> bounds[] = {
            {"minimum", &node_.minimum},     {"maximum", &node_.maximum},   {"minLength", &node_.minLength},
            {"maxLength", &node_.maxLength}, {"minItems", &node_.minItems}, {"maxItems", &node_.maxItems},
        };
        for (const auto& [name, bound] : bounds) {
            if (member.name == name && member.value.isInteger()) {
                *bound = member.value.asInteger();
                return true;
            }
        }
        return false;
    }

    bool readPlain(const document::Member& member) {
        const Value& value = member.value;
        if (member.name == "description") {
            node_.description = value.asString();
        } else if (member.name == "nullable") {
            node_.nullable = value.asBool();
        } else if (member.name == "default") {
            node_.standard = value;
        } else if (member.name == "enum") {
            node_.words = textsOf(value);
        } else if (member.name == "required") {
            node_.required = textsOf(value);
        } else if (member.name == "x-kubernetes-list-map-keys") {
            node_.listKeys = textsOf(value);
        } else if (member.name == "x-kubernetes-int-or-string") {
            node_.type = Node::Type::kIntegerOrString;
        } else {
            // int64 is what every integer is here; times stand only in the status, which the controller itself writes.
            return member.name == "format" && (value.asString() == "int64" || value.asString() == "date-time");
        }
        return true;
    }

    std::optional<base::Error> readNested(const document::Member& member) {
        const Value& value = member.value;
        if (member.name == "type") {
            const auto type = typeNamed(value.asString());
            if (!type) {
                return defect(path_, "the type " + value.asString() + " is not known").value();
            }
            node_.type = *type;
            return std::nullopt;
        }
        if (member.name == "x-kubernetes-list-type") {
            node_.listKind = value.asString() == "map"   ? Node::ListKind::kMap
                             : value.asString() == "set" ? Node::ListKind::kSet
                                                         : Node::ListKind::kAtomic;
            return std::nullopt;
        }
        if (member.name == "pattern") {
            auto pattern = Pattern::compile(value.asString());
            if (!pattern) {
                return std::move(pattern.error()).in("the schema of " + path_);
            }
            node_.pattern = std::move(*pattern);
            return std::nullopt;
        }
        if (member.name == "properties") {
            return readProperties(value);
        }
        if (member.name == "items") {
            return readInto(node_.items, value, path_ + "[]");
        }
        if (member.name == "additionalProperties") {
            return readInto(node_.values, value, path_ + "[*]");
        }
        if (member.name == "x-kubernetes-validations") {
            return readRules(value);
        }
        return defect(path_, "the keyword " + member.name + " is not known here").value();
    }

    std::optional<base::Error> readProperties(const Value& properties) {
        for (const document::Member& property : properties.asObject()) {
            auto node = readNode(property.value, fieldPath(path_, property.name));
            if (!node) {
                return node.error();
            }
            node->name = property.name;
            node_.properties.push_back(std::move(*node));
        }
        return std::nullopt;
    }

    static std::optional<base::Error> readInto(std::vector<Node>& nodes, const Value& schema, const std::string& path) {
        auto node = readNode(schema, path);
        if (!node) {
            return node.error();
        }
        nodes.push_back(std::move(*node));
        return std::nullopt;
    }

    std::optional<base::Error> readRules(const Value& rules) {
        for (const Value& value : rules.asList()) {
            auto rule = readRule(value, path_);
            if (!rule) {
                return rule.error();
            }
            node_.rules.push_back(std::move(*rule));
        }
        return std::nullopt;
    }

    /// A field that a rule misspells would be one that nobody has: has() of it is false for ever.
    std::optional<base::Error> checkRules() const {
        for (const Rule& rule : node_.rules) {
            for (const std::vector<std::string>& chain : rule.rule.fieldsRead()) {
                const Node* at = &node_;
                for (const std::string& field : chain) {
                    at = at->property(field);
                    if (at == nullptr) {
                        return defect(path_,
                                      "a rule reads the field " + base::join(chain, ".") + ", which does not exist")
                            .value();
                    }
                }
            }
        }
        return std::nullopt;
    }

    std::string path_;
    Node node_;
};

/// A value as it is quoted in a message: scalars in full, as far as they are short.
std::string quoted(const Value& value) {
    if (value.isString()) {
        return "\"" + base::printable(value.asString(), kMostQuotedBytes) + "\"";
    }
    if (value.isList() || value.isObject()) {
        return std::string(value.kindName());
    }
    return document::toJson(value);
}

bool isLeadingZeroNumber(std::string_view text) {
    text.remove_prefix(!text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0);
    return text.size() > 1 && text[0] == '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string withoutLeadingZeros(std::string_view text) {
    const std::string minus = text[0] == '-' ? "-" : "";
    text.remove_prefix(text[0] == '-' || text[0] == '+' ? 1 : 0);
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    return minus + std::string(text);
}

std::string integerMessage(const Value& value) {
    if (value.isString()) {
        const std::string& text = value.asString();
        if (isLeadingZeroNumber(text)) {
            return "must be an integer, and " + quoted(value) + " is text: write " +
                   base::printable(withoutLeadingZeros(text), kMostQuotedBytes) + " without the leading zero";
        }
        if (base::parseInteger(text)) {
            return "must be an integer, and " + quoted(value) + " is text: write it without quotes";
        }
        if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b')) {
            return "must be an integer, and " + quoted(value) + " is text: write it as a decimal number";
        }
    }
    return "must be an integer, not " + quoted(value);
}

std::string booleanMessage(const Value& value) {
    const std::string text = base::toLower(value.isString() ? value.asString() : document::toJson(value));
    const bool yes = text == "yes" || text == "on" || text == "y" || text == "true" || text == "1";
    const bool no = text == "no" || text == "off" || text == "n" || text == "false" || text == "0";
    if (yes || no) {
        return "must be true or false, not " + quoted(value) + ": write " + (yes ? "true" : "false") +
               ", without quotes";
    }
    return "must be true or false, not " + quoted(value);
}

std::string typeMessage(Node::Type type, const Value& value) {
    switch (type) {
        case Node::Type::kObject:
            return "must be an object with fields, not " + quoted(value);
        case Node::Type::kList:
            return "must be a list, not " + quoted(value) + ": begin each item with `- `";
        case Node::Type::kString:
            return value.isNumber() || value.isBool() ? "must be text, not " + quoted(value) + ": put it in quotes"
                                                      : "must be text, not " + quoted(value);
        case Node::Type::kInteger:
            return integerMessage(value);
        case Node::Type::kNumber:
            return "must be a number, not " + quoted(value);
        case Node::Type::kBoolean:
            return booleanMessage(value);
        case Node::Type::kIntegerOrString:
            return "must be an integer or text, not " + quoted(value);
        case Node::Type::kAny:
            break;
    }
    return "";
}

bool isOfType(Node::Type type, const Value& value) {
    switch (type) {
        case Node::Type::kObject:
            return value.isObject();
        case Node::Type::kList:
            return value.isList();
        case Node::Type::kString:
            return value.isString();
        case Node::Type::kInteger:
            return value.isInteger();
        case Node::Type::kNumber:
            return value.isNumber();
        case Node::Type::kBoolean:
            return value.isBool();
        case Node::Type::kIntegerOrString:
            return value.isInteger() || value.isString();
        case Node::Type::kAny:
            return true;
    }
    return true;
}

void setPositions(Value& value, const document::Position& position) {
    value.setPosition(position);
    if (value.isObject()) {
        for (document::Member& member : value.object()) {
            member.position = position;
            setPositions(member.value, position);
        }
    } else if (value.isList()) {
        for (Value& item : value.list()) {
            setPositions(item, position);
        }
    }
}

void makeWhole(Value& value) {
    constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers up to it are exact as doubles
    const double number = value.asNumber();
    if (!value.isInteger() && value.isNumber() && std::trunc(number) == number && std::abs(number) <= kExact) {
        Value whole(static_cast<std::int64_t>(number));
        whole.setPosition(value.position());
        value = std::move(whole);
    }
}

void defaultFields(const Node& node, Value& value) {
    for (const Node& property : node.properties) {
        Value* field = value.find(property.name);
        const bool missing = field == nullptr || (field->isNull() && !property.nullable);
        if (missing && property.standard) {
            Value standard = *property.standard;
            setPositions(standard, field != nullptr ? field->position() : value.position());
            value.set(property.name, std::move(standard));
            field = value.find(property.name);
        }
        if (field != nullptr) {
            applyDefaults(property, *field);
        }
    }
    for (document::Member& member : value.object()) {
        if (!node.values.empty() && node.property(member.name) == nullptr) {
            applyDefaults(node.values[0], member.value);
        }
    }
}

}  // namespace

const Node* Node::property(std::string_view field) const {
    for (const Node& node : properties) {
        if (node.name == field) {
            return &node;
        }
    }
    return nullptr;
}

std::vector<std::string> Node::propertyNames() const {
    std::vector<std::string> names;
    for (const Node& property : properties) {
        names.push_back(property.name);
    }
    return names;
}

Expected<Node> readNode(const Value& schema, const std::string& path) {
    return NodeReader(path).read(schema);
}

void applyDefaults(const Node& node, Value& value) {
    if (node.type == Node::Type::kInteger || node.type == Node::Type::kIntegerOrString) {
        makeWhole(value);
    } else if (node.type == Node::Type::kObject && value.isObject()) {
        defaultFields(node, value);
    } else if (node.type == Node::Type::kList && value.isList() && !node.items.empty()) {
        for (Value& item : value.list()) {
            applyDefaults(node.items[0], item);
        }
    }
}

void Validator::fault(const document::Position& position, std::string path, std::string message) {
    if (faults_.size() < kMostFaults) {
        faults_.push_back({position, std::move(path), std::move(message)});
    }
}

void Validator::validate(const Node& node, const Value& value, const std::string& path) {
    if (faults_.size() >= kMostFaults || (value.isNull() && node.nullable)) {
        return;
    }
    if (value.isNull() && node.type != Node::Type::kAny) {
        fault(value.position(), path, "has no value: give it one, or leave the field out");
        return;
    }
    if (!isOfType(node.type, value)) {
        fault(value.position(), path, typeMessage(node.type, value));
        return;
    }
    const std::size_t before = faults_.size();
    if (value.isObject()) {
        validateObject(node, value, path);
    } else if (value.isList()) {
        validateList(node, value, path);
    } else if (value.isString()) {
        validateText(node, value, path);
    } else if (value.isNumber()) {
        validateNumber(node, value, path);
    }
    validateRules(node, value, path, faults_.size() == before);
}

void Validator::validateObject(const Node& node, const Value& value, const std::string& path) {
    for (const std::string& name : node.required) {
        if (value.find(name) == nullptr) {
            fault(value.position(), fieldPath(path, name), "is required");
        }
    }
    for (const document::Member& member : value.asObject()) {
        if (const Node* property = node.property(member.name)) {
            validate(*property, member.value, fieldPath(path, member.name));
        } else if (!node.values.empty()) {
            validate(node.values[0], member.value, fieldPath(path, member.name));
        } else if (node.type == Node::Type::kObject) {
            unknownField(node, member, path);
        }
    }
}

void Validator::unknownField(const Node& node, const document::Member& member, const std::string& path) {
    const std::vector<std::string> known = node.propertyNames();
    std::string message = "unknown field \"" + base::printable(member.name, kMostQuotedBytes) + "\"";
    const std::string meant = nearest(member.name, known);
    if (!meant.empty()) {
        message += ": did you mean \"" + meant + "\"?";
    } else {
        message += ": the fields here are " + base::join(known, ", ");
    }
    fault(member.position, fieldPath(path, member.name), std::move(message));
}

void Validator::validateList(const Node& node, const Value& value, const std::string& path) {
    const auto size = static_cast<std::int64_t>(value.asList().size());
    if (node.minItems && size < *node.minItems) {
        fault(value.position(), path, "needs at least " + std::to_string(*node.minItems) + " item(s)");
    }
    if (node.maxItems && size > *node.maxItems) {
        fault(value.position(), path,
              "has " + std::to_string(size) + " items, over the most of " + std::to_string(*node.maxItems));
        return;
    }
    for (std::size_t i = 0; i < value.asList().size() && !node.items.empty(); ++i) {
        validate(node.items[0], value.asList()[i], itemPath(path, i));
    }
    if (node.listKind != Node::ListKind::kAtomic) {
        validateKeys(node, value, path);
    }
}

/// No two items of a map list have the same keys; no two of a set are the same.
void Validator::validateKeys(const Node& node, const Value& value, const std::string& path) {
    std::unordered_map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < value.asList().size(); ++i) {
        const Value& item = value.asList()[i];
        std::string key;
        std::string shown;
        if (node.listKind == Node::ListKind::kSet) {
            key = document::toJson(item);
            shown = quoted(item);
        } else {
            if (!item.isObject()) {
                continue;
            }
            for (const std::string& name : node.listKeys) {
                key += document::toJson(item[name]) + "\n";
                shown += (shown.empty() ? "" : " and ") + name + " " + quoted(item[name]);
            }
        }
        const auto [first, isNew] = seen.emplace(std::move(key), i);
        if (!isNew) {
            fault(item.position(), itemPath(path, i),
                  shown + " is already in " + itemPath(path, first->second) + ": each may be there once");
        }
    }
}

void Validator::validateText(const Node& node, const Value& value, const std::string& path) {
    const std::string& text = value.asString();
    const std::int64_t length = codePoints(text);
    if (node.maxLength && length > *node.maxLength) {
        fault(value.position(), path, "is longer than " + std::to_string(*node.maxLength) + " characters");
        return;  // what comes now is not meant for texts of any length
    }
    if (node.minLength && length < *node.minLength) {
        fault(
            value.position(), path,
            text.empty() ? "must not be empty" : "is shorter than " + std::to_string(*node.minLength) + " characters");
        return;
    }
    if (!node.words.empty() && std::find(node.words.begin(), node.words.end(), text) == node.words.end()) {
        const std::string meant = nearest(text, node.words);
        fault(value.position(), path,
              quoted(value) + " is not among " + base::join(node.words, ", ") +
                  (meant.empty() ? "" : ": did you mean " + meant + "?"));
    }
    if (node.pattern && !node.pattern->matches(text)) {
        const std::string hint = node.description.empty() ? "" : " (" + node.description + ")";
        fault(value.position(), path, quoted(value) + " does not match " + node.pattern->text() + hint);
    }
}

void Validator::validateNumber(const Node& node, const Value& value, const std::string& path) {
    const bool tooSmall = node.minimum && value.asNumber() < static_cast<double>(*node.minimum);
    const bool tooLarge = node.maximum && value.asNumber() > static_cast<double>(*node.maximum);
    if (!tooSmall && !tooLarge) {
        return;
    }
    const std::string range = node.minimum && node.maximum
                                  ? "between " + std::to_string(*node.minimum) + " and " + std::to_string(*node.maximum)
                              : node.minimum ? "at least " + std::to_string(*node.minimum)
                                             : "at most " + std::to_string(*node.maximum);
    fault(value.position(), path, "must be " + range + ", not " + quoted(value));
}

/// `sound`: nothing else is wrong with the value. Where something is, a rule that cannot be evaluated says nothing new,
/// nor does one about the same piece of text.
void Validator::validateRules(const Node& node, const Value& value, const std::string& path, bool sound) {
    const bool scalar = !value.isObject() && !value.isList();
    for (const Rule& rule : node.rules) {
        if (scalar && !sound) {
            return;
        }
        if (rule.rule.isTransition()) {
            continue;  // as when an object is created: there is no last state
        }
        const auto holds = rule.rule.holds(value);
        if (holds ? *holds : !sound) {
            continue;
        }
        std::string at = path;
        document::Position position = value.position();
        const Value* blamed = &value;
        for (const std::string& name : rule.fieldPath) {
            at = fieldPath(at, name);
            blamed = blamed != nullptr ? blamed->find(name) : nullptr;
            position = blamed != nullptr ? blamed->position() : position;
        }
        fault(position, at,
              rule.message + (scalar ? ", not " + quoted(value) : "") + (holds ? "" : " (" + holds.error() + ")"));
    }
}

}  // namespace certbinder::schema
