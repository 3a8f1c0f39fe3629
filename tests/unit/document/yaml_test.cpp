#include "document/yaml.h"

#include <limits>
#include <random>

#include "document/json.h"
#include "support/test.h"

using namespace certbinder::document;

namespace {

/// The faults as people see them, `line:column path: message`, one a line.
std::string faultsOf(const YamlDocuments& read) {
    std::string text;
    for (const Fault& fault : read.faults) {
        text += std::to_string(fault.position.line) + ":" + std::to_string(fault.position.column) + " " + fault.path +
                ": " + fault.message + "\n";
    }
    return text;
}

/// The one document of a sound text.
Value sound(std::string_view text) {
    const YamlDocuments read = parseYaml(text);
    INFO(text << "\n" << faultsOf(read));
    REQUIRE(read.faults.empty());
    REQUIRE(read.documents.size() == 1);
    return read.documents[0];
}

std::string json(std::string_view text) {
    return toJson(sound(text));
}

}  // namespace

TEST_CASE("plain scalars mean what YAML 1.2 says, and no more", "[document][yaml]") {
    struct Case {
        const char* yaml;
        const char* json;
    };
    const Case cases[] = {
        {"a: 10", "10"},
        {"a: -3", "-3"},
        {"a: +5", "5"},
        {"a: 0", "0"},
        {"a: 010", "\"010\""},
        {"a: -07", "\"-07\""},
        {"a: 0x10", "\"0x10\""},
        {"a: 0o10", "\"0o10\""},
        {"a: 1_000", "\"1_000\""},
        {"a: 1e3", "1000"},
        {"a: 0.5", "0.5"},
        {"a: .5", "0.5"},
        {"a: 1.", "1"},
        {"a: 00.5", "\"00.5\""},
        {"a: 1e", "\"1e\""},
        {"a: .", "\".\""},
        {"a:\n  -", "[null]"},
        {"a: +", "\"+\""},
        {"a: 12abc", "\"12abc\""},
        {"a: 10.0.0.4", "\"10.0.0.4\""},
        {"a: true", "true"},
        {"a: TRUE", "true"},
        {"a: False", "false"},
        {"a: tRue", "\"tRue\""},
        {"a: yes", "\"yes\""},
        {"a: on", "\"on\""},
        {"a: Off", "\"Off\""},
        {"a: y", "\"y\""},
        {"a: null", "null"},
        {"a: ~", "null"},
        {"a:", "null"},
        {"a: Null", "null"},
        {"a: nUll", "\"nUll\""},
        {"a: 22:22", "\"22:22\""},
        {"a: 2026-11-22", "\"2026-11-22\""},
        {"a: '10'", "\"10\""},
        {"a: \"true\"", "\"true\""},
        {"a: 'null'", "\"null\""},
        {"a: ''", "\"\""},
        {"a: \"\\u00e9\\n\"", "\"\xC3\xA9\\n\""},
        {"a: |\n  10\n", "\"10\\n\""},
        {"a: >-\n  x\n  y\n", "\"x y\""},
        {"a: [1, '1', x]", "[1,\"1\",\"x\"]"},
        {"a: {b: 1, c: }", "{\"b\":1,\"c\":null}"},
        {"a: 9223372036854775807", "9223372036854775807"},
    };
    for (const Case& test : cases) {
        INFO(test.yaml);
        const std::string text = json(test.yaml);
        CHECK(text == std::string("{\"a\":") + test.json + "}");
    }
}

TEST_CASE("every value and key knows where it stands", "[document][yaml]") {
    const Value value =
        sound("# comment\nspec:\n  hosts:\n    - {address: a, port: 22}\n    - address: b\n  empty:\nlast: |\n  x\n");
    CHECK(value.position().line == 2);
    CHECK(value["spec"].position().line == 3);
    CHECK(value["spec"].position().column == 3);
    const Value& flow = value["spec"]["hosts"].asList()[0];
    CHECK(flow.position().line == 4);
    CHECK(flow.position().column == 7);
    CHECK(flow["port"].position().column == 26);
    CHECK(flow.asObject()[1].position.column == 20);
    CHECK(value["spec"]["hosts"].asList()[1]["address"].position().column == 16);
    CHECK(value["spec"]["empty"].position().line == 6);
    CHECK(value["spec"]["empty"].position().column == 3);
    CHECK(value["last"].position().line == 7);
    CHECK(sound("\xEF\xBB\xBF"
                "a: \xC3\xA9\xC3\xA9 \n")
              .find("a")
              ->position()
              .column == 4);
    CHECK(sound("\xC3\xA9: b").asObject()[0].value.position().column == 5);
}

TEST_CASE("what Kubernetes would not take, or read otherwise than a person, is a fault at its place",
          "[document][yaml]") {
    struct Case {
        const char* yaml;
        const char* fault;
    };
    const Case cases[] = {
        {"a: 1\nb: 2\na: 3\n", "3:1 a: the field \"a\" is there twice, first in line 1"},
        {"s:\n  - x: {p: 1, 'p': 2}\n", "2:15 s[0].x.p: the field \"p\" is there twice"},
        {"a: &x 1\nb: *x\n", "2:4 b: aliases are not read"},
        {"a: &x [*x]\n", "1:8 a[0]: aliases are not read"},
        {"a: *nowhere\n", "1:4 : this is not YAML"},
        {"base: {a: 1}\nb:\n  <<: {a: 2}\n", "3:3 b: merge keys are not read"},
        {"a: !!str 1\n", "1:4 a: tags are not read"},
        {"a: ! 1\n", "1:4 a: tags are not read"},
        {"a: !x [1]\n", "1:4 a: tags are not read"},
        {"a: !!python/object {b: 1}\n", "1:4 a: tags are not read"},
        {"1: x\n", "1:1 : a field's name must be text"},
        {"a:\n  true: x\n", "2:3 a: a field's name must be text"},
        {"? [a, b]\n: c\n", "1:3 : a field's name must be text"},
        {"? {a: b}\n: c\n", "1:3 : a field's name must be text"},
        {": c\n", "a field's name must be text"},
        {"a: .inf\n", "1:4 a: infinity and not-a-number"},
        {"a: -.INF\n", "1:4 a: infinity"},
        {"a: .nan\n", "1:4 a: infinity"},
        {"a: 99999999999999999999\n", "1:4 a: this number does not fit 64 bits"},
        {"a: 1e999\n", "1:4 a: this number is out of range"},
        {"a:\n\tb: 1\n", "2:1 : a tab stands where YAML wants spaces"},
        {"a: [1, 2\n", "this is not YAML"},
        {"a: 'x\n", "1:4 a: this quote is never closed"},
        {"a: 'it''s\nb: 1\n", "1:4 a: this quote is never closed"},
        {"a: \"x\\\"\n", "1:4 a: this quote is never closed"},
        {"'x\n", "1:1 : this quote is never closed"},
        {"a: &x 'x\n", "1:4 a: this quote is never closed"},
        {"a: -\n", "1:4 : this is not YAML"},
        {"a: b: c\n", "1:5 : this is not YAML"},
        {"a: \"\\q\"\n", "this is not YAML"},
        {"a: 1\n b: 2\n", "2:"},
        {"{a: 1} x\n", "1:8 : text follows the end of the document"},
        {"a: x\xFFy\n", "1:5 : the text is not valid UTF-8 here"},
        {"a: 1\nb: \xC3\n", "2:4 : the text is not valid UTF-8 here"},
        {"a: x\x01\n", "1:5 : a control character (\\x01)"},
        {"a: x\x04\nb: 1\n", "1:5 : a control character (\\x04)"},
        {"%YAML 3.0\n---\na: 1\n", "this is not YAML"},
    };
    for (const Case& test : cases) {
        INFO(test.yaml);
        const YamlDocuments read = parseYaml(test.yaml);
        CHECK_THAT(faultsOf(read), CERTBINDER_CONTAINS(test.fault));
        CHECK(read.documents.empty());
    }
}

TEST_CASE("what is not YAML is told without quoting it, since it may be a secret", "[document][yaml]") {
    for (const char* yaml : {"password: *Zq7-hidden\n", "password: {p: *Zq7-hidden}\n", "password: \"\\Zq7-hidden\"\n",
                             "password: \"\\uD800Zq7-hidden\"\n", "password: [Zq7-hidden\n"}) {
        INFO(yaml);
        const std::string told = faultsOf(parseYaml(yaml));
        CHECK_THAT(told, CERTBINDER_CONTAINS("this is not YAML"));
        CHECK(told.find("Zq7") == std::string::npos);
        CHECK(told.find(": Z") == std::string::npos);
        CHECK(told.find("55296") == std::string::npos);
    }
}

TEST_CASE("a NUL byte is a fault and not the end of the text", "[document][yaml]") {
    const std::string text("a: 1\n\0b: 2\n", 11);
    CHECK_THAT(faultsOf(parseYaml(text)), CERTBINDER_CONTAINS("2:1 : a control character (\\x00)"));
}

TEST_CASE("a broken document hides none of the others of its stream", "[document][yaml]") {
    const YamlDocuments read = parseYaml(
        "# first\nname: a\n---\nname: [b\n---\n---\n# nothing\n---\nname: c\nname: d\n...\n%YAML 1.2\n---\nname: "
        "e\n--- {name: f}\n"
        "--- |\n  text with --- inside\n  ---\n");
    INFO(faultsOf(read));
    REQUIRE(read.faults.size() == 2);
    CHECK(read.faults[0].position.line <= 5);
    CHECK(read.faults[0].position.line >= 4);
    CHECK(read.faults[1].position.line == 10);
    REQUIRE(read.documents.size() == 4);
    CHECK(read.documents[0]["name"].asString() == "a");
    CHECK(read.documents[0].position().line == 2);
    CHECK(read.documents[1]["name"].asString() == "e");
    CHECK(read.documents[1].position().line == 14);
    CHECK(read.documents[2]["name"].asString() == "f");
    CHECK(read.documents[2].position().line == 15);
    CHECK(read.documents[2].position().column == 5);
    CHECK(read.documents[3].asString() == "text with --- inside\n---\n");
}

TEST_CASE("texts without a document have neither documents nor faults", "[document][yaml]") {
    for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "---\n---\n...\n", "null\n", "\xEF\xBB\xBF"}) {
        INFO(text);
        const YamlDocuments read = parseYaml(text);
        CHECK(faultsOf(read).empty());
        CHECK(read.documents.empty());
    }
}

TEST_CASE("line ends of Windows count as one and are not part of the text", "[document][yaml]") {
    const Value value = sound("a: |\r\n  x\r\n  y\r\nb: 'q'\r\n---\r\n");
    CHECK(value["a"].asString() == "x\ny\n");
    CHECK(value["b"].asString() == "q");
    CHECK(value["b"].position().line == 4);
}

TEST_CASE("texts made to exhaust a reader end soon, as faults", "[document][yaml]") {
    CHECK_THAT(faultsOf(parseYaml(std::string(kMostYamlBytes + 1, ' '))),
               CERTBINDER_CONTAINS("1:1 : the text has over"));
    std::string bomb = "a: &a [x]\n";
    for (char c = 'b'; c < 'k'; ++c) {
        bomb += std::string(1, c) + ": &" + c + " [";
        for (int i = 0; i < 9; ++i) {
            bomb += std::string("*") + static_cast<char>(c - 1) + ",";
        }
        bomb += "]\n";
    }
    const YamlDocuments read = parseYaml(bomb);
    CHECK(read.documents.empty());
    CHECK(read.faults.size() <= 100);
    for (const std::size_t levels : {101, 499, 600, 20000}) {
        INFO(levels);
        const YamlDocuments deep = parseYaml(std::string(levels, '[') + std::string(levels, ']'));
        CHECK(deep.faults.size() == 1);
        CHECK_THAT(faultsOf(deep), CERTBINDER_CONTAINS("1:101 [0][0][0]"));
    }
    CHECK(parseYaml(std::string(100, '[') + std::string(100, ']')).faults.empty());
    CHECK_FALSE(parseYaml(std::string(20000, '{')).faults.empty());
    std::string sequences;
    for (int i = 0; i < 3000; ++i) {
        sequences += "- ";
    }
    CHECK_FALSE(parseYaml(sequences).faults.empty());
    std::string documents;
    for (int i = 0; i < 20001; ++i) {
        documents += "---\n";
    }
    CHECK_THAT(faultsOf(parseYaml(documents)), CERTBINDER_CONTAINS("documents"));
}

TEST_CASE("YAML is written so that it reads back to the same value", "[document][yaml]") {
    const Value value(Object{
        {"apiVersion", "v1", {}},
        {"strings",
         List{"",
              " x",
              "x ",
              "yes",
              "No",
              "null",
              "~",
              "10",
              "010",
              "1e3",
              "0x1f",
              "1_0",
              "12:30",
              "2026-11-22",
              ".5",
              "-",
              "- a",
              "? a",
              "a: b",
              "a:",
              "a #b",
              "#a",
              "*a",
              "&a",
              "!a",
              "%a",
              "@a",
              "`a",
              "'a'",
              "\"a\"",
              "[a]",
              "{a}",
              "|",
              ">",
              "10.0.0.4",
              "10m",
              "25%",
              "/etc/x",
              "---",
              "...",
              "<<",
              "=",
              "\t",
              "a\tb",
              "\x7f",
              "\x01",
              "\xC2\x85",
              "\xE2\x80\xA8",
              "\xEF\xBB\xBF",
              "\xC3\xA9",
              "\xF0\x9F\x98\x80",
              "true",
              "y",
              "1.0",
              "0.1.2",
              "a,b",
              "a]b",
              std::string(3000, 'x'),
              std::string("nul\0x", 5)},
         {}},
        {"blocks",
         List{"a\n", "a\nb", "a\nb\n", "a\n\nb\n", "a\n\n", "\na", " a\nb", "a\n  b\n", "a\n \nb", "a\t\nb\n",
              "a\n\tb\n", "a\r\nb\n", "a\nb ", "\n", "# a\nb\n", "--- a\n---\n"},
         {}},
        {"pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", {}},
        {"numbers", List{0, -1, 1.5, 1e300, 1e-7, std::numeric_limits<std::int64_t>::max()}, {}},
        {"others",
         List{true, false, Value(), List{}, Object{}, List{List{1, List{2}}, List{}}, Object{{"a", List{1}, {}}}},
         {}},
        {"", 1, {}},
        {"odd: key",
         Object{{"yes", 1, {}}, {"1", 2, {}}, {"a\nb", 3, {}}, {std::string(2000, 'k'), Object{{"x", 1, {}}}, {}}},
         {}},
    });
    const std::string text = toYaml(value);
    INFO(text);
    CHECK(sound(text) == value);
    CHECK_THAT(text, CERTBINDER_CONTAINS("pem: |\n  -----BEGIN CERTIFICATE-----\n  MIIB\n"));
    for (const Value& root : {Value(List{1, "a"}), Value("x"), Value("a\nb\n"), Value(3)}) {
        CHECK(sound(toYaml(root)) == root);
    }
    CHECK(toYaml(Object{{"a", Object{{"b", List{Object{{"c", 1, {}}, {"d", "10", {}}}}, {}}}, {}}}) ==
          "a:\n  b:\n  - c: 1\n    d: \"10\"\n");
}

TEST_CASE("random strings survive writing and reading", "[document][yaml]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::string_view pieces[] = {"a",   "b",  "0",   "1", ".",  ":",  ": ", " ", "\n",       "\t",
                                       "#",   " #", "-",   "'", "\"", "\\", "|",  "{", "}",        "[",
                                       "]",   ",",  "&",   "*", "!",  "%",  "@",  "?", "\xC3\xA9", "\xE2\x82\xAC",
                                       "yes", "~",  "\x1b"};
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (std::size_t length = random() % 12; length > 0; --length) {
            text += pieces[random() % std::size(pieces)];
        }
        const Value value(Object{{text + "k", List{text}, {}}, {"x", text, {}}});
        INFO(toJson(value) << "\n" << toYaml(value));
        REQUIRE(sound(toYaml(value)) == value);
    }
}
