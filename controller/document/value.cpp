#include "document/value.h"

#include <algorithm>
#include <cmath>

#include "base/secret_bytes.h"

namespace certbinder::document {
namespace {

const Value kNull;
const std::string kNoText;
const List kNoItems;
const Object kNoMembers;

/// Whether both are the same number; no integer is rounded for it.
bool sameNumber(std::int64_t integer, double number) {
    // 2^63 is the first double beyond the integers' range; the conversion of what is below is exact or refused.
    constexpr double kBeyond = 9223372036854775808.0;
    return number >= -kBeyond && number < kBeyond && std::trunc(number) == number &&
           static_cast<std::int64_t>(number) == integer;
}

bool sameMembers(const Value& one, const Value& other) {
    if (one.asObject().size() != other.asObject().size()) {
        return false;
    }
    return std::all_of(one.asObject().begin(), one.asObject().end(), [&](const Member& member) {
        const Value* there = other.find(member.name);
        return there != nullptr && *there == member.value;
    });
}

}  // namespace

// Here, and not in the header: there, Member is not yet complete.
Value::Value() = default;
Value::Value(bool boolean) : data_(boolean) {}
Value::Value(std::int64_t integer) : data_(integer) {}
Value::Value(int integer) : data_(static_cast<std::int64_t>(integer)) {}
Value::Value(double number) : data_(number) {}
Value::Value(std::string text) : data_(std::move(text)) {}
Value::Value(std::string_view text) : data_(std::string(text)) {}
Value::Value(const char* text) : data_(std::string(text)) {}
Value::Value(List items) : data_(std::move(items)) {}
Value::Value(Object members) : data_(std::move(members)) {}
Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

bool Value::asBool(bool otherwise) const {
    const bool* boolean = std::get_if<bool>(&data_);
    return boolean != nullptr ? *boolean : otherwise;
}

std::int64_t Value::asInteger(std::int64_t otherwise) const {
    const auto* integer = std::get_if<std::int64_t>(&data_);
    return integer != nullptr ? *integer : otherwise;
}

double Value::asNumber(double otherwise) const {
    if (const auto* integer = std::get_if<std::int64_t>(&data_)) {
        return static_cast<double>(*integer);
    }
    const auto* number = std::get_if<double>(&data_);
    return number != nullptr ? *number : otherwise;
}

const std::string& Value::asString() const {
    const auto* text = std::get_if<std::string>(&data_);
    return text != nullptr ? *text : kNoText;
}

const List& Value::asList() const {
    const auto* items = std::get_if<List>(&data_);
    return items != nullptr ? *items : kNoItems;
}

const Object& Value::asObject() const {
    const auto* members = std::get_if<Object>(&data_);
    return members != nullptr ? *members : kNoMembers;
}

const Value& Value::operator[](std::string_view field) const {
    const Value* value = find(field);
    return value != nullptr ? *value : kNull;
}

const Value* Value::find(std::string_view field) const {
    for (const Member& member : asObject()) {
        if (member.name == field) {
            return &member.value;
        }
    }
    return nullptr;
}

Value* Value::find(std::string_view field) {
    return const_cast<Value*>(std::as_const(*this).find(field));
}

Value& Value::set(std::string field, Value value) {
    if (isNull()) {
        data_ = Object();
    }
    if (Value* there = find(field)) {
        *there = std::move(value);
    } else {
        object().push_back({std::move(field), std::move(value), {}});
    }
    return *this;
}

void Value::remove(std::string_view field) {
    if (auto* members = std::get_if<Object>(&data_)) {
        members->erase(std::remove_if(members->begin(), members->end(),
                                      [&](const Member& member) { return member.name == field; }),
                       members->end());
    }
}

void Value::push(Value item) {
    if (isNull()) {
        data_ = List();
    }
    list().push_back(std::move(item));
}

List& Value::list() {
    return std::get<List>(data_);
}

Object& Value::object() {
    return std::get<Object>(data_);
}

std::string Value::takeString() {
    std::string taken;
    if (auto* text = std::get_if<std::string>(&data_)) {
        taken = std::move(*text);
        // A short string is copied by a move and stays readable in the buffer it came from.
        base::wipe(*text);
    }
    return taken;
}

std::string_view Value::kindName() const {
    static constexpr std::string_view kNames[] = {"null",     "a boolean", "an integer", "a number",
                                                  "a string", "a list",    "an object"};
    return kNames[data_.index()];
}

bool Value::operator==(const Value& other) const {
    if (isInteger() && other.isInteger()) {
        return asInteger() == other.asInteger();
    }
    if (isInteger() && other.isNumber()) {
        return sameNumber(asInteger(), other.asNumber());
    }
    if (isNumber() && other.isInteger()) {
        return sameNumber(other.asInteger(), asNumber());
    }
    if (data_.index() != other.data_.index()) {
        return false;
    }
    if (isNumber()) {
        return asNumber() == other.asNumber();
    }
    if (isObject()) {
        return sameMembers(*this, other);
    }
    return asBool() == other.asBool() && asString() == other.asString() && asList() == other.asList();
}

}  // namespace certbinder::document
