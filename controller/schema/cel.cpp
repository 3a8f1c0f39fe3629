#include "schema/cel.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "base/text.h"
#include "schema/cel_expression.h"
#include "schema/code_points.h"

namespace certbinder::schema {
namespace {

using cel::Expression;
using cel::Operation;
using document::Value;

/// The work one rule may do on one value; the CRD's rules take some hundred steps.
constexpr std::size_t kMostSteps = 1000000;

struct Datum;
using Data = std::vector<Datum>;

struct Duration {
    std::int64_t milliseconds = 0;
};

/// A value during evaluation. Objects are those of the document, by reference.
struct Datum {
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Data, const Value*, Duration> data;

    template <typename T>
    const T* as() const {
        return std::get_if<T>(&data);
    }
};

using Result = tl::expected<Datum, std::string>;

Result failure(std::string what) {
    return tl::unexpected<std::string>(std::move(what));
}

Datum datumOf(const Value& value) {
    if (value.isBool()) {
        return {value.asBool()};
    }
    if (value.isInteger()) {
        return {value.asInteger()};
    }
    if (value.isNumber()) {
        return {value.asNumber()};
    }
    if (value.isString()) {
        return {value.asString()};
    }
    if (value.isObject()) {
        return {&value};
    }
    if (value.isList()) {
        Data items;
        for (const Value& item : value.asList()) {
            items.push_back(datumOf(item));
        }
        return {std::move(items)};
    }
    return {};
}

std::optional<double> numberOf(const Datum& datum) {
    if (const auto* integer = datum.as<std::int64_t>()) {
        return static_cast<double>(*integer);
    }
    if (const auto* number = datum.as<double>()) {
        return *number;
    }
    return std::nullopt;
}

bool areEqual(const Datum& one, const Datum& other) {
    if (numberOf(one) && numberOf(other) && one.data.index() != other.data.index()) {
        return *numberOf(one) == *numberOf(other);
    }
    if (one.data.index() != other.data.index()) {
        return false;
    }
    if (const auto* object = one.as<const Value*>()) {
        return **object == **other.as<const Value*>();
    }
    if (const auto* items = one.as<Data>()) {
        return std::equal(items->begin(), items->end(), other.as<Data>()->begin(), other.as<Data>()->end(), areEqual);
    }
    if (const auto* duration = one.as<Duration>()) {
        return duration->milliseconds == other.as<Duration>()->milliseconds;
    }
    if (const auto* text = one.as<std::string>()) {
        return *text == *other.as<std::string>();
    }
    if (const auto* boolean = one.as<bool>()) {
        return *boolean == *other.as<bool>();
    }
    if (const auto* integer = one.as<std::int64_t>()) {
        return *integer == *other.as<std::int64_t>();
    }
    return one.as<double>() == nullptr || *one.as<double>() == *other.as<double>();
}

template <typename T>
int sign(const T& one, const T& other) {
    return one < other ? -1 : (other < one ? 1 : 0);
}

/// Negative, zero or positive; nothing where the two have no order.
std::optional<int> compare(const Datum& one, const Datum& other) {
    if (one.as<std::int64_t>() && other.as<std::int64_t>()) {
        return sign(*one.as<std::int64_t>(), *other.as<std::int64_t>());
    }
    if (numberOf(one) && numberOf(other)) {
        return sign(*numberOf(one), *numberOf(other));
    }
    if (one.as<std::string>() && other.as<std::string>()) {
        return sign(*one.as<std::string>(), *other.as<std::string>());
    }
    if (one.as<Duration>() && other.as<Duration>()) {
        return sign(one.as<Duration>()->milliseconds, other.as<Duration>()->milliseconds);
    }
    if (one.as<bool>() && other.as<bool>()) {
        return sign(*one.as<bool>(), *other.as<bool>());
    }
    return std::nullopt;
}

Result integerArithmetic(Operation operation, std::int64_t one, std::int64_t other) {
    std::int64_t result = 0;
    bool overflow = false;
    switch (operation) {
        case Operation::kAdd:
            overflow = __builtin_add_overflow(one, other, &result);
            break;
        case Operation::kSubtract:
            overflow = __builtin_sub_overflow(one, other, &result);
            break;
        case Operation::kMultiply:
            overflow = __builtin_mul_overflow(one, other, &result);
            break;
        default:
            if (other == 0) {
                return failure("division by zero");
            }
            if (one == std::numeric_limits<std::int64_t>::min() && other == -1) {
                return failure("integer overflow");
            }
            result = operation == Operation::kDivide ? one / other : one % other;
    }
    return overflow ? failure("integer overflow") : Result(Datum{result});
}

Result doubleArithmetic(Operation operation, double one, double other) {
    switch (operation) {
        case Operation::kAdd:
            return Datum{one + other};
        case Operation::kSubtract:
            return Datum{one - other};
        case Operation::kMultiply:
            return Datum{one * other};
        case Operation::kDivide:
            return Datum{one / other};
        default:
            return failure("no such overload");
    }
}

Result sizeOf(const Datum& datum) {
    if (const auto* text = datum.as<std::string>()) {
        return Datum{codePoints(*text)};
    }
    if (const auto* items = datum.as<Data>()) {
        return Datum{static_cast<std::int64_t>(items->size())};
    }
    if (const auto* object = datum.as<const Value*>()) {
        return Datum{static_cast<std::int64_t>((*object)->asObject().size())};
    }
    return failure("no such overload: size");
}

Result toInteger(const Datum& datum) {
    constexpr double kBeyond = 9223372036854775808.0;  // 2^63
    if (datum.as<std::int64_t>()) {
        return datum;
    }
    if (const auto* number = datum.as<double>(); number != nullptr && *number > -kBeyond && *number < kBeyond) {
        return Datum{static_cast<std::int64_t>(*number)};
    }
    if (const auto* text = datum.as<std::string>()) {
        if (const auto integer = base::parseInteger(*text)) {
            return Datum{*integer};
        }
    }
    return failure("int() cannot convert this value");
}

Result toDouble(const Datum& datum) {
    if (const auto number = numberOf(datum)) {
        return Datum{*number};
    }
    if (const auto* text = datum.as<std::string>()) {
        double number = 0;
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error == std::errc() && end == text->data() + text->size()) {
            return Datum{number};
        }
    }
    return failure("double() cannot convert this value");
}

Result toText(const Datum& datum) {
    if (datum.as<std::string>()) {
        return datum;
    }
    if (const auto* integer = datum.as<std::int64_t>()) {
        return Datum{std::to_string(*integer)};
    }
    if (const auto* boolean = datum.as<bool>()) {
        return Datum{std::string(*boolean ? "true" : "false")};
    }
    return failure("string() cannot convert this value");
}

Result toDuration(const Datum& datum) {
    if (const auto* text = datum.as<std::string>()) {
        if (const auto milliseconds = base::parseDuration(*text)) {
            return Datum{Duration{*milliseconds}};
        }
    }
    return failure("this is no duration");
}

std::string upperAscii(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') {
            c = static_cast<char>(c - 'a' + 'A');
        }
    }
    return text;
}

Data splitText(const std::string& text, const std::string& separator) {
    Data parts;
    std::size_t start = 0;
    for (;;) {
        const std::size_t end = separator.empty() ? std::string::npos : text.find(separator, start);
        parts.push_back({text.substr(start, end == std::string::npos ? end : end - start)});
        if (end == std::string::npos) {
            return parts;
        }
        start = end + separator.size();
    }
}

class Evaluator {
  public:
    explicit Evaluator(const Value& self) : scope_{{"self", datumOf(self)}} {}

    Result evaluate(const Expression& expression) {
        if (++steps_ > kMostSteps) {
            return failure("the rule takes too long");
        }
        switch (expression.operation) {
            case Operation::kLiteral:
                return datumOf(expression.literal);
            case Operation::kVariable:
                return variable(expression.name);
            case Operation::kList:
                return list(expression);
            case Operation::kSelect:
            case Operation::kHas:
                return select(expression);
            case Operation::kAnd:
                return logical(expression, false);
            case Operation::kOr:
                return logical(expression, true);
            case Operation::kConditional:
                return conditional(expression);
            case Operation::kMacro:
                return macro(expression);
            default:
                return strict(expression);
        }
    }

  private:
    Result variable(const std::string& name) {
        const auto found =
            std::find_if(scope_.rbegin(), scope_.rend(), [&](const auto& one) { return one.first == name; });
        return found != scope_.rend() ? Result(found->second) : failure("there is no " + name);
    }

    Result list(const Expression& expression) {
        Data items;
        for (const Expression& operand : expression.operands) {
            Result item = evaluate(operand);
            if (!item) {
                return item;
            }
            items.push_back(std::move(*item));
        }
        return Datum{std::move(items)};
    }

    Result select(const Expression& expression) {
        Result object = evaluate(expression.operands[0]);
        if (!object) {
            return object;
        }
        if (!object->as<const Value*>()) {
            return failure("no such field: " + expression.name);
        }
        const Value* field = (*object->as<const Value*>())->find(expression.name);
        if (expression.operation == Operation::kHas) {
            return Datum{field != nullptr};
        }
        return field != nullptr ? Result(datumOf(*field)) : failure("no such field: " + expression.name);
    }

    /// && and ||: `decisive` is the operand that settles the result, whatever the other is, an error included.
    Result logical(const Expression& expression, bool decisive) {
        Result left = boolean(evaluate(expression.operands[0]));
        if (left && *left->as<bool>() == decisive) {
            return left;
        }
        Result right = boolean(evaluate(expression.operands[1]));
        if (right && *right->as<bool>() == decisive) {
            return right;
        }
        return left ? right : left;
    }

    static Result boolean(Result result) {
        return result && !result->as<bool>() ? failure("a boolean is needed here") : result;
    }

    Result conditional(const Expression& expression) {
        Result condition = boolean(evaluate(expression.operands[0]));
        if (!condition) {
            return condition;
        }
        return evaluate(expression.operands[*condition->as<bool>() ? 1 : 2]);
    }

    Result macro(const Expression& expression) {
        Result range = evaluate(expression.operands[0]);
        if (!range) {
            return range;
        }
        Data items;
        if (const auto* list = range->as<Data>()) {
            items = *list;
        } else if (const auto* object = range->as<const Value*>()) {
            for (const document::Member& member : (*object)->asObject()) {
                items.push_back({member.name});
            }
        } else {
            return failure("no such overload: " + expression.name);
        }
        steps_ += items.size();
        if (expression.name == "all" || expression.name == "exists") {
            return quantified(expression, items, expression.name == "exists");
        }
        return expression.name == "exists_one" ? existsOne(expression, items) : collected(expression, items);
    }

    Result forItem(const Expression& expression, std::size_t operand, const Datum& item) {
        scope_.emplace_back(expression.variable, item);
        Result result = evaluate(expression.operands[operand]);
        scope_.pop_back();
        return result;
    }

    /// all() and exists() are chains of && and ||: one decisive item outweighs the errors of others.
    Result quantified(const Expression& expression, const Data& items, bool decisive) {
        Result result = Datum{!decisive};
        for (const Datum& item : items) {
            Result one = boolean(forItem(expression, 1, item));
            if (one && *one->as<bool>() == decisive) {
                return one;
            }
            if (!one && result) {
                result = std::move(one);
            }
        }
        return result;
    }

    Result existsOne(const Expression& expression, const Data& items) {
        int found = 0;
        for (const Datum& item : items) {
            Result one = boolean(forItem(expression, 1, item));
            if (!one) {
                return one;
            }
            found += *one->as<bool>() ? 1 : 0;
        }
        return Datum{found == 1};
    }

    /// filter(x, condition), map(x, value), map(x, condition, value)
    Result collected(const Expression& expression, const Data& items) {
        const bool filters = expression.name == "filter" || expression.operands.size() == 3;
        Data kept;
        for (const Datum& item : items) {
            if (filters) {
                Result condition = boolean(forItem(expression, 1, item));
                if (!condition) {
                    return condition;
                }
                if (!*condition->as<bool>()) {
                    continue;
                }
            }
            Result value =
                expression.name == "filter" ? Result(item) : forItem(expression, expression.operands.size() - 1, item);
            if (!value) {
                return value;
            }
            kept.push_back(std::move(*value));
        }
        return Datum{std::move(kept)};
    }

    /// Operations that need all their operands.
    Result strict(const Expression& expression) {
        Data operands;
        for (const Expression& operand : expression.operands) {
            Result value = evaluate(operand);
            if (!value) {
                return value;
            }
            charge(*value);
            operands.push_back(std::move(*value));
        }
        switch (expression.operation) {
            case Operation::kNot:
                return operands[0].as<bool>() ? Result(Datum{!*operands[0].as<bool>()})
                                              : failure("no such overload: !");
            case Operation::kNegate:
                return negate(operands[0]);
            case Operation::kEqual:
                return Datum{areEqual(operands[0], operands[1])};
            case Operation::kNotEqual:
                return Datum{!areEqual(operands[0], operands[1])};
            case Operation::kLess:
            case Operation::kLessOrEqual:
            case Operation::kGreater:
            case Operation::kGreaterOrEqual:
                return ordered(expression.operation, operands);
            case Operation::kIn:
                return contained(operands[0], operands[1]);
            case Operation::kIndex:
                return indexed(operands[0], operands[1]);
            case Operation::kCall:
                return call(expression, operands);
            default:
                return arithmetic(expression.operation, operands[0], operands[1]);
        }
    }

    /// Work on long texts and lists counts.
    void charge(const Datum& datum) {
        if (const auto* text = datum.as<std::string>()) {
            steps_ += text->size() / 16;
        } else if (const auto* items = datum.as<Data>()) {
            steps_ += items->size();
        }
    }

    static Result negate(const Datum& operand) {
        if (const auto* integer = operand.as<std::int64_t>()) {
            return integerArithmetic(Operation::kSubtract, 0, *integer);
        }
        return operand.as<double>() ? Result(Datum{-*operand.as<double>()}) : failure("no such overload: -");
    }

    static Result ordered(Operation operation, const Data& operands) {
        const auto order = compare(operands[0], operands[1]);
        if (!order) {
            return failure("these two have no order");
        }
        switch (operation) {
            case Operation::kLess:
                return Datum{*order < 0};
            case Operation::kLessOrEqual:
                return Datum{*order <= 0};
            case Operation::kGreater:
                return Datum{*order > 0};
            default:
                return Datum{*order >= 0};
        }
    }

    static Result contained(const Datum& item, const Datum& range) {
        if (const auto* items = range.as<Data>()) {
            return Datum{
                std::any_of(items->begin(), items->end(), [&](const Datum& one) { return areEqual(one, item); })};
        }
        if (range.as<const Value*>() && item.as<std::string>()) {
            return Datum{(*range.as<const Value*>())->find(*item.as<std::string>()) != nullptr};
        }
        return failure("no such overload: in");
    }

    static Result indexed(const Datum& range, const Datum& index) {
        if (range.as<Data>() && index.as<std::int64_t>()) {
            const Data& items = *range.as<Data>();
            const std::int64_t at = *index.as<std::int64_t>();
            if (at < 0 || static_cast<std::size_t>(at) >= items.size()) {
                return failure("index out of bounds");
            }
            return items[static_cast<std::size_t>(at)];
        }
        if (range.as<const Value*>() && index.as<std::string>()) {
            const Value* field = (*range.as<const Value*>())->find(*index.as<std::string>());
            return field != nullptr ? Result(datumOf(*field)) : failure("no such key");
        }
        return failure("no such overload: []");
    }

    static Result arithmetic(Operation operation, const Datum& one, const Datum& other) {
        if (one.as<std::int64_t>() && other.as<std::int64_t>()) {
            return integerArithmetic(operation, *one.as<std::int64_t>(), *other.as<std::int64_t>());
        }
        if (one.as<double>() && other.as<double>()) {
            return doubleArithmetic(operation, *one.as<double>(), *other.as<double>());
        }
        if (operation == Operation::kAdd && one.as<std::string>() && other.as<std::string>()) {
            return Datum{*one.as<std::string>() + *other.as<std::string>()};
        }
        if (operation == Operation::kAdd && one.as<Data>() && other.as<Data>()) {
            Data joined = *one.as<Data>();
            joined.insert(joined.end(), other.as<Data>()->begin(), other.as<Data>()->end());
            return Datum{std::move(joined)};
        }
        const bool sums = operation == Operation::kAdd || operation == Operation::kSubtract;
        if (sums && one.as<Duration>() && other.as<Duration>()) {
            const Result sum =
                integerArithmetic(operation, one.as<Duration>()->milliseconds, other.as<Duration>()->milliseconds);
            return sum ? Result(Datum{Duration{*sum->as<std::int64_t>()}}) : sum;
        }
        return failure("no such overload");
    }

    static Result call(const Expression& expression, const Data& operands) {
        const std::string& name = expression.name;
        if (name == "size") {
            return sizeOf(operands[0]);
        }
        if (name == "int") {
            return toInteger(operands[0]);
        }
        if (name == "double") {
            return toDouble(operands[0]);
        }
        if (name == "string") {
            return toText(operands[0]);
        }
        if (name == "duration") {
            return toDuration(operands[0]);
        }
        return textMethod(expression, operands);
    }

    static Result textMethod(const Expression& expression, const Data& operands) {
        const std::string& name = expression.name;
        const auto* text = operands[0].as<std::string>();
        const auto* argument = operands.size() > 1 ? operands[1].as<std::string>() : text;
        if (text == nullptr || argument == nullptr) {
            return failure("no such overload: " + name);
        }
        if (name == "matches") {
            return Datum{expression.pattern->matches(*text)};
        }
        if (name == "startsWith") {
            return Datum{text->compare(0, argument->size(), *argument) == 0};
        }
        if (name == "endsWith") {
            return Datum{text->size() >= argument->size() &&
                         text->compare(text->size() - argument->size(), argument->size(), *argument) == 0};
        }
        if (name == "contains") {
            return Datum{text->find(*argument) != std::string::npos};
        }
        if (name == "lowerAscii") {
            return Datum{base::toLower(*text)};
        }
        if (name == "upperAscii") {
            return Datum{upperAscii(*text)};
        }
        if (name == "trim") {
            return Datum{std::string(base::trim(*text))};
        }
        if (argument->empty()) {
            return failure("split() needs a separator");
        }
        return Datum{splitText(*text, *argument)};
    }

    std::vector<std::pair<std::string, Datum>> scope_;
    std::size_t steps_ = 0;
};

/// The fields from `self` to here, outermost first; nothing where the chain starts elsewhere.
std::optional<std::vector<std::string>> chainFromSelf(const Expression& expression) {
    if (expression.operation == Operation::kVariable && expression.name == "self") {
        return std::vector<std::string>();
    }
    if (expression.operation != Operation::kSelect && expression.operation != Operation::kHas) {
        return std::nullopt;
    }
    auto chain = chainFromSelf(expression.operands[0]);
    if (chain) {
        chain->push_back(expression.name);
    }
    return chain;
}

void inspect(const Expression& expression, std::vector<std::vector<std::string>>& chains, bool& usesOld) {
    usesOld = usesOld || (expression.operation == Operation::kVariable && expression.name == "oldSelf");
    const bool selects = expression.operation == Operation::kSelect || expression.operation == Operation::kHas;
    if (auto chain = selects ? chainFromSelf(expression) : std::nullopt) {
        chains.push_back(std::move(*chain));
    }
    for (const Expression& operand : expression.operands) {
        inspect(operand, chains, usesOld);
    }
}

}  // namespace

base::Expected<CelRule> CelRule::parse(std::string_view text) {
    auto root = cel::parseExpression(text);
    if (!root) {
        return base::unexpected(std::move(root.error()).in("the rule `" + std::string(text) + "`"));
    }
    CelRule rule;
    inspect(*root, rule.fieldsRead_, rule.transition_);
    rule.root_ = std::make_shared<const Expression>(std::move(*root));
    return rule;
}

tl::expected<bool, std::string> CelRule::holds(const Value& self) const {
    const Result result = Evaluator(self).evaluate(*root_);
    if (!result) {
        return tl::unexpected<std::string>(result.error());
    }
    if (!result->as<bool>()) {
        return tl::unexpected<std::string>("the rule gives no boolean");
    }
    return *result->as<bool>();
}

}  // namespace certbinder::schema
