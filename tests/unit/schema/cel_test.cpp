#include "schema/cel.h"

#include "document/json.h"
#include "support/test.h"

using certbinder::document::parseJson;
using certbinder::document::Value;
using certbinder::schema::CelRule;

namespace {

const char* const kSelf = R"({"name":"shop","port":443,"share":0.5,"on":true,"none":null,"empty":"","hosts":[
    {"address":"a","port":22},{"address":"b","port":2222,"probe":{"port":443}}],"tags":["x","y"],"map":{"k":"v"},
    "interval":"1h30m","word":"h\u00e9"})";

/// "true", "false", or the error.
std::string outcome(std::string_view rule) {
    const auto parsed = CelRule::parse(rule);
    if (!parsed) {
        return "does not parse: " + parsed.error().message();
    }
    const auto holds = parsed->holds(*parseJson(kSelf));
    return holds ? (*holds ? "true" : "false") : "error: " + holds.error();
}

}  // namespace

TEST_CASE("rules that hold", "[schema][cel]") {
    for (const char* rule : {
             "true",
             "!false",
             "!!true",
             "null == null",
             "1 + 2 * 3 == 7",
             "(1 + 2) * 3 == 9",
             "7 / 2 == 3",
             "-7 % 3 == -1",
             "10 - 2 - 3 == 5",
             "1 == 1.0",
             "1 < 1.5",
             "2.5 * 2.0 == 5.0",
             "'a' + 'b' == 'ab'",
             "[1] + [2] == [1, 2]",
             "'a' < 'b'",
             "self.name == 'shop'",
             "self.name == \"shop\"",
             "self.port == 443",
             "self.on",
             "self.none == null",
             "has(self.name) && !has(self.nothing)",
             "has(self.map.k)",
             "self['name'] == 'shop'",
             "self.tags[1] == 'y'",
             "self.hosts[1].probe.port == 443",
             "'x' in self.tags",
             "!('z' in self.tags)",
             "'k' in self.map",
             "3 in [1, 2, 3]",
             "size(self.tags) == 2",
             "self.tags.size() == 2",
             "size(self.word) == 2",
             "self.empty.size() == 0",
             "self.name.startsWith('sh')",
             "!self.name.startsWith('shopping')",
             "self.name.endsWith('op')",
             "!self.name.endsWith('a shop')",
             "self.name.contains('ho')",
             "self.name.matches('^s[a-z]+$')",
             "'ABC'.lowerAscii() == 'abc'",
             "'abc'.upperAscii() == 'ABC'",
             "' a '.trim() == 'a'",
             "'a,b,,'.split(',') == ['a', 'b', '', '']",
             "self.hosts.all(h, h.port > 0)",
             "self.hosts.exists(h, h.address == 'b')",
             "self.hosts.exists_one(h, has(h.probe))",
             "self.hosts.filter(h, h.port == 22).size() == 1",
             "self.hosts.map(h, h.address) == ['a', 'b']",
             "self.hosts.map(h, h.port > 22, h.address) == ['b']",
             "self.map.all(k, k == 'k')",
             "[].all(x, false)",
             "!([].exists(x, true))",
             "self.hosts.all(a, self.hosts.exists_one(b, a.address == b.address))",
             "int('42') == 42",
             "int(2.9) == 2",
             "string(42) == '42'",
             "double('0.5') == self.share",
             "duration(self.interval) == duration('90m')",
             "duration('1s') < duration('1001ms')",
             "duration('1h') - duration('30m') == duration('30m')",
             "true ? true : 1 / 0 == 1",
             "has(self.nothing) ? false : true",
             "'it\\'s' == \"it's\"",
             "r'\\d' == '\\\\d'",
             "1 != 'a'",
             "[1, 'a'] != [1]",
             "true || 1 / 0 == 1",
             "1 / 0 == 1 || true",
             "!(false && 1 / 0 == 1)",
             "!(1 / 0 == 1 && false)",
             "[1, 0].exists(x, 1 / x == 1)",
             "![0, 2].all(x, 1 / x == 1)",
             "[1, 2,] == [1, 2]",
             "9223372036854775807 > 0",
             "self.port >= 443 && self.port <= 443",
             "self.hosts != []",
         }) {
        INFO(rule);
        CHECK(outcome(rule) == "true");
    }
}

TEST_CASE("rules that do not hold", "[schema][cel]") {
    for (const char* rule :
         {"false", "!true", "self.name == 'Shop'", "has(self.nothing)", "self.hosts.all(h, h.port == 22)",
          "[1, 1].exists_one(x, x == 1)", "1 == '1'", "null == 0", "self.tags == ['y', 'x']",
          "self.map == self.hosts[0]", "duration('1s') >= duration('2s')"}) {
        INFO(rule);
        CHECK(outcome(rule) == "false");
    }
}

TEST_CASE("what CEL calls an error is one", "[schema][cel]") {
    struct Case {
        const char* rule;
        const char* error;
    };
    const Case cases[] = {
        {"self.nothing == 1", "no such field: nothing"},
        {"self.name.more == 1", "no such field: more"},
        {"self.tags[2] == 'z'", "index out of bounds"},
        {"self.tags[-1] == 'z'", "index out of bounds"},
        {"self['nothing'] == 1", "no such key"},
        {"1 / 0 == 1", "division by zero"},
        {"1 % 0 == 1", "division by zero"},
        {"9223372036854775807 + 1 > 0", "overflow"},
        {"-9223372036854775807 - 2 < 0", "overflow"},
        {"9223372036854775807 * 2 > 0", "overflow"},
        {"1 + 'a' == 2", "no such overload"},
        {"1 < 'a'", "no order"},
        {"!1", "no such overload"},
        {"-'a' == 'a'", "no such overload"},
        {"self.port.startsWith('4')", "no such overload"},
        {"size(1) == 1", "no such overload"},
        {"int('4a') == 4", "cannot convert"},
        {"duration('soon') == duration('1s')", "no duration"},
        {"duration('99999999999999999h') > duration('1s')", "no duration"},
        {"1", "no boolean"},
        {"1 && true", "a boolean is needed"},
        {"1 ? true : false", "a boolean is needed"},
        {"self.port.all(x, true)", "no such overload"},
        {"1 in 2", "no such overload"},
        {"false || 1 / 0 == 1", "division by zero"},
        {"[0, 1].exists_one(x, 1 / x == 1)", "division by zero"},
        {"'a'.split('') == []", "separator"},
    };
    for (const Case& test : cases) {
        INFO(test.rule);
        CHECK_THAT(outcome(test.rule), CERTBINDER_CONTAINS("error: ") && CERTBINDER_CONTAINS(test.error));
    }
}

TEST_CASE("what is outside of the subset does not parse", "[schema][cel]") {
    for (const std::string& rule : {std::string(),
                                    std::string("self."),
                                    std::string("self.name ="),
                                    std::string("self.name == 'x"),
                                    std::string("(true"),
                                    std::string("true)"),
                                    std::string("true true"),
                                    std::string("other == 1"),
                                    std::string("unknown(1)"),
                                    std::string("self.unknown()"),
                                    std::string("size()"),
                                    std::string("self.name.startsWith()"),
                                    std::string("{'a': 1} == 1"),
                                    std::string("1u == 1"),
                                    std::string("0x10 == 16"),
                                    std::string("has(self)"),
                                    std::string("has(self.a, 1)"),
                                    std::string("self.all(x)"),
                                    std::string("self.all(1, true)"),
                                    std::string("self.tags.all(x, true) && x == 1"),
                                    std::string("self.name.matches(self.name)"),
                                    std::string("self.name.matches('(?i)a')"),
                                    std::string("self.name.matches('(')"),
                                    std::string("'\\q' == 'q'"),
                                    std::string("true ? 1"),
                                    std::string("[1, 2"),
                                    std::string("self[1"),
                                    std::string("a#b"),
                                    std::string("99999999999999999999 > 1"),
                                    std::string(500, '(') + "1",
                                    std::string(500, '!') + "true",
                                    std::string(20000, ' ') + "true",
                                    std::string(")"),
                                    std::string("1 +")}) {
        INFO(rule.substr(0, 80));
        CHECK_THAT(outcome(rule), CERTBINDER_CONTAINS("does not parse"));
    }
}

TEST_CASE("a rule that would go on for ages is stopped", "[schema][cel]") {
    std::string list = "[0";
    for (int i = 1; i < 200; ++i) {
        list += "," + std::to_string(i);
    }
    list += "]";
    const std::string rule = list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c >= 0)))";
    CHECK_THAT(outcome(rule), CERTBINDER_CONTAINS("takes too long"));
}

TEST_CASE("a rule tells what it reads and whether it looks back", "[schema][cel]") {
    const auto rule = CelRule::parse("has(self.a.b) && self.c.exists(x, x.d == self.e)");
    REQUIRE(rule.has_value());
    CHECK_FALSE(rule->isTransition());
    const std::vector<std::vector<std::string>> expected = {{"a", "b"}, {"a"}, {"c"}, {"e"}};
    CHECK(rule->fieldsRead() == expected);
    CHECK(CelRule::parse("self.a == oldSelf.a")->isTransition());
}
