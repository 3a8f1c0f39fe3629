#include "document/json.h"

#include <limits>

#include "support/test.h"

using namespace certbinder::document;
using certbinder::base::Reason;

namespace {

std::string refusal(std::string_view text) {
    const auto value = parseJson(text);
    REQUIRE_FALSE(value.has_value());
    CHECK(value.error().reason() == Reason::kInvalidSpec);
    return value.error().message();
}

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("JSON is read without loss", "[document][json]") {
    const auto value =
        parseJson(R"( {"a":[1,-2,0.5,1e3,true,false,null,"x\u00e9\n\ud83d\ude00"],"b":{"c":{}},"z":""} )");
    REQUIRE(value.has_value());
    const Value& list = (*value)["a"];
    CHECK(list.asList()[0].isInteger());
    CHECK(list.asList()[1].asInteger() == -2);
    CHECK(list.asList()[2].asNumber() == 0.5);
    CHECK(list.asList()[3] == Value(1000));
    CHECK(list.asList()[7].asString() == "x\xC3\xA9\n\xF0\x9F\x98\x80");
    CHECK((*value)["b"]["c"].isObject());
    CHECK(parseJson("9223372036854775807")->asInteger() == std::numeric_limits<std::int64_t>::max());
    CHECK(parseJson("-9223372036854775808")->asInteger() == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("JSON that is broken is refused with its place", "[document][json]") {
    struct Case {
        const char* text;
        const char* message;
    };
    const Case cases[] = {
        {"", "empty"},
        {"   ", "empty"},
        {"{\"a\":1,\n \"b\":tru}", "line 2:6: this is not JSON"},
        {"{\"a\":1,}", "line 1:8"},
        {"[1 2]", "line 1:4"},
        {"{\"a\" 1}", "line 1:6"},
        {"{a:1}", "line 1:2"},
        {"[01]", "line 1:3"},
        {"[1.]", "line 1:4"},
        {"{\"a\":1}x", "line 1:8"},
        {"[\"a\nb\"]", "line 1:4"},
        {"[\"\\x\"]", "line 1:3"},
        {"[\"abc", "line 1:6"},
        {"\"\xff\"", "UTF-8"},
        {"{\"n\":\n18446744073709551615}", "the integer at n does not fit 64 bits"},
        {"{\"n\":\n99999999999999999999999}", "line 2:1"},
        {"{\"a\":{\"b\":[{},{\"c\":1,\"c\":2}]}}", "the field a.b[1].c is there twice"},
        {"{\"a\":1,\"\\u0061\":2}", "the field a is there twice"},
    };
    for (const Case& test : cases) {
        INFO(test.text);
        CHECK_THAT(refusal(test.text), CERTBINDER_CONTAINS(test.message));
    }
}

TEST_CASE("among many fields a duplicate is found, too", "[document][json]") {
    std::string text = "{";
    for (int i = 0; i < 1000; ++i) {
        text += "\"f" + std::to_string(i) + "\":0,";
    }
    CHECK(parseJson(text + "\"f1000\":0}").has_value());
    CHECK_THAT(refusal(text + "\"f500\":0}"), CERTBINDER_CONTAINS("the field f500 is there twice"));
}

TEST_CASE("JSON is read up to 128 levels deep", "[document][json]") {
    CHECK(parseJson(nested(128)).has_value());
    for (const std::size_t levels : {130, 1000, 1030, 100000}) {
        CHECK_THAT(refusal(nested(levels)), CERTBINDER_CONTAINS("128 levels"));
    }
    CHECK_THAT(refusal(std::string(200000, '[')), CERTBINDER_CONTAINS("JSON") || CERTBINDER_CONTAINS("levels"));
}

TEST_CASE("a text beyond the kept workspace is read, too, and the small one after it", "[document][json]") {
    const std::string large = "[\"" + std::string(3 * 1024 * 1024, 'x') + "\"]";
    CHECK(parseJson(large)->asList()[0].asString().size() == 3 * 1024 * 1024);
    CHECK(parseJson("[\"small\"]")->asList()[0].asString() == "small");
    CHECK_FALSE(parseJson("[\"small").has_value());
    CHECK(parseJson("[\"small\"]")->asList()[0].asString() == "small");
}

TEST_CASE("JSON is written so that it reads back", "[document][json]") {
    const Value value(Object{{"a", List{1, -2.5, true, Value(), "q\"\\\n\x01\xC3\xA9"}, {}},
                             {"", Object{}, {}},
                             {"e", List{}, {}},
                             {"big", std::numeric_limits<std::int64_t>::min(), {}},
                             {"tiny", 1e-300, {}},
                             {"huge", 1e300, {}}});
    for (const int indent : {0, 2}) {
        const std::string text = toJson(value, indent);
        INFO(text);
        CHECK(*parseJson(text) == value);
    }
    CHECK(toJson(Object{{"a", List{1, 2}, {}}, {"b", "x", {}}}) == R"({"a":[1,2],"b":"x"})");
    CHECK(toJson(Object{{"a", List{1}, {}}, {"b", Object{}, {}}}, 2) == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    CHECK(toJson(Value(std::numeric_limits<double>::infinity())) == "null");
    CHECK(parseJson(toJson(Value(std::string("\xff"))))->isString());
}
