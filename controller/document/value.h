#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace certbinder::document {

/// Where a value stands in its text: 1-based, counted in bytes; 0 where it is not known.
struct Position {
    int line = 0;
    int column = 0;
};

class Value;

/// One field of an object, in the order of the text.
struct Member;

using List = std::vector<Value>;
using Object = std::vector<Member>;

/// A JSON value that knows where it was written; what YAML manifests, JSON answers and statuses are read into and
/// written from. A plain value type: copying copies the tree.
class Value {
  public:
    Value();  ///< null
    Value(bool boolean);
    Value(std::int64_t integer);
    Value(int integer);
    Value(double number);
    Value(std::string text);
    Value(std::string_view text);
    Value(const char* text);
    Value(List items);
    Value(Object members);
    Value(const Value& other);
    Value(Value&& other) noexcept;
    Value& operator=(const Value& other);
    Value& operator=(Value&& other) noexcept;
    ~Value();

    bool isNull() const { return std::holds_alternative<std::monostate>(data_); }
    bool isBool() const { return std::holds_alternative<bool>(data_); }
    bool isInteger() const { return std::holds_alternative<std::int64_t>(data_); }
    bool isNumber() const { return isInteger() || std::holds_alternative<double>(data_); }
    bool isString() const { return std::holds_alternative<std::string>(data_); }
    bool isList() const { return std::holds_alternative<List>(data_); }
    bool isObject() const { return std::holds_alternative<Object>(data_); }

    /// The value as that type, or what is given where it is of another: reading never throws and never inserts.
    bool asBool(bool otherwise = false) const;
    std::int64_t asInteger(std::int64_t otherwise = 0) const;
    double asNumber(double otherwise = 0) const;
    const std::string& asString() const;  ///< "" where it is no string
    const List& asList() const;           ///< empty where it is no list
    const Object& asObject() const;       ///< empty where it is no object

    /// The field of that name; null (a static one) where there is none, so that look-ups chain.
    const Value& operator[](std::string_view field) const;
    const Value* find(std::string_view field) const;
    Value* find(std::string_view field);

    /// Sets a field, replacing one of that name; makes an object of a null. Returns this value, so that calls chain.
    /// Precondition: isNull() or isObject().
    Value& set(std::string field, Value value);
    /// Takes a field out; nothing happens where there is none.
    void remove(std::string_view field);
    /// Adds an item; makes a list of a null. Precondition: isNull() or isList().
    void push(Value item);
    List& list();      ///< precondition: isList()
    Object& object();  ///< precondition: isObject()

    /// Hands the string out and leaves "" behind, for values that are secrets and must be wiped by who takes them.
    std::string takeString();

    const Position& position() const { return position_; }
    void setPosition(Position position) { position_ = position; }

    /// What kind of value it is, for messages: "null", "a boolean", "an integer", "a number", "a string", "a list",
    /// "an object".
    std::string_view kindName() const;

    /// Equality of content; positions and the order of fields do not count. 1 and 1.0 are equal.
    bool operator==(const Value& other) const;

  private:
    std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Object> data_;
    Position position_;
};

struct Member {
    std::string name;
    Value value;
    Position position;  ///< of the name
};

}  // namespace certbinder::document
