#include "document/value.h"

#include <limits>

#include "document/path.h"
#include "support/test.h"

using namespace certbinder::document;

TEST_CASE("reading a value as what it is not gives the fallback and changes nothing", "[document][value]") {
    const Value text("x");
    CHECK(text.asInteger(7) == 7);
    CHECK(text.asBool(true));
    CHECK(text.asNumber(1.5) == 1.5);
    CHECK(text.asList().empty());
    CHECK(text.asObject().empty());
    CHECK(text["a"]["b"]["c"].isNull());
    CHECK(Value(3).asNumber() == 3.0);
    CHECK(Value(3.5).asInteger(9) == 9);
    CHECK(Value().asString().empty());
}

TEST_CASE("fields are set, replaced and removed in the order of their first setting", "[document][value]") {
    Value value;
    value.set("b", 1).set("a", "x").set("b", 2);
    REQUIRE(value.asObject().size() == 2);
    CHECK(value.asObject()[0].name == "b");
    CHECK(value["b"].asInteger() == 2);
    value.set("list", Value());
    value.find("list")->push("first");
    value.find("list")->push(2);
    CHECK(value["list"] == Value(List{"first", 2}));
    value.remove("list");
    value.remove("b");
    value.remove("never there");
    CHECK(value.asObject().size() == 1);
    CHECK(value.find("b") == nullptr);
    CHECK(value["b"].isNull());
}

TEST_CASE("equality counts content, not order, positions or how a number is written", "[document][value]") {
    Value one(Object{{"a", 1, {}}, {"b", List{true, Value(), "x"}, {}}});
    Value other(Object{{"b", List{true, Value(), "x"}, {}}, {"a", 1.0, {}}});
    other.setPosition({3, 4});
    CHECK(one == other);
    other.set("c", Value());
    CHECK_FALSE(one == other);
    CHECK(Value(1) == Value(1.0));
    CHECK(Value(0.5) == Value(0.5));
    CHECK_FALSE(Value(1) == Value(1.5));
    CHECK_FALSE(Value(1) == Value("1"));
    CHECK_FALSE(Value(0) == Value(false));
    CHECK_FALSE(Value() == Value(false));
    // 2^63 as a double is no 64-bit integer, however it is rounded.
    CHECK_FALSE(Value(std::numeric_limits<std::int64_t>::max()) == Value(9223372036854775808.0));
}

TEST_CASE("a string is taken out without leaving a copy", "[document][value]") {
    Value shortText("0123456789");
    const char* bytes = shortText.asString().data();
    CHECK(shortText.takeString() == "0123456789");
    CHECK(shortText.asString().empty());
    CHECK(bytes[0] == '\0');
    CHECK(bytes[5] == '\0');
    Value longText(std::string(100, 'k'));
    CHECK(longText.takeString().size() == 100);
    CHECK(Value(3).takeString().empty());
}

TEST_CASE("paths are written as Kubernetes writes them", "[document][path]") {
    CHECK(fieldPath("", "spec") == "spec");
    CHECK(fieldPath(itemPath(fieldPath("spec", "hosts"), 0), "port") == "spec.hosts[0].port");
    CHECK(fieldPath("metadata.annotations", "certbinder.io/x") == "metadata.annotations[certbinder.io/x]");
    CHECK(fieldPath("a", "b\nc") == "a[b\\nc]");
    CHECK(fieldPath("a", "") == "a[]");
}
