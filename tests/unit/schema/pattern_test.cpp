#include "schema/pattern.h"

#include "support/test.h"

using certbinder::schema::Pattern;

TEST_CASE("a pattern is found anywhere in the text unless it is anchored", "[schema][pattern]") {
    struct Case {
        const char* pattern;
        std::string_view text;
        bool matches;
    };
    const Case cases[] = {
        {"b+", "abbc", true},
        {"^b+$", "abbc", false},
        {"^([0-9]+(ms|s|m|h))+$", "1h30m", true},
        {"^([0-9]+(ms|s|m|h))+$", "1h30", false},
        {"^a$", "a\n", false},
        {"^a$", "x\na\n", false},
        {"^[^[:cntrl:]]+$", "a\xC3\xA9", true},
        {"^[^[:cntrl:]]+$", "a\nb", false},
        {"^[[]::1[]]$", "[::1]", true},
        {"^$|^a$", "", true},
        {"^\\.\\*$", ".*", true},
        {"^a$", std::string_view("a\0", 2), false},
    };
    for (const Case& test : cases) {
        INFO(test.pattern << " on " << test.text);
        const auto pattern = Pattern::compile(test.pattern);
        REQUIRE(pattern.has_value());
        CHECK(pattern->matches(test.text) == test.matches);
    }
}

TEST_CASE("patterns that the API server would read otherwise are refused", "[schema][pattern]") {
    for (const char* text :
         {"\\d+", "\\bword", "(?i)a", "(?:a)", "a+?", "a*?", "[\\.]", "(a", "[a", "a{2,1}", "[[:alpha", "(a)\\1"}) {
        INFO(text);
        CHECK_FALSE(Pattern::compile(text).has_value());
    }
}

TEST_CASE("a pattern made to make matchers backtrack ends soon on a long text", "[schema][pattern]") {
    const auto pattern = Pattern::compile("^(a+)+$");
    REQUIRE(pattern.has_value());
    CHECK_FALSE(pattern->matches(std::string(4096, 'a') + "b"));
    CHECK(pattern->matches(std::string(4096, 'a')));
}
