#include "ssh/shell_quote.h"

#include <array>
#include <cstdio>
#include <memory>

#include "support/test.h"

using namespace certbinder;
using ssh::shellCommand;
using ssh::shellQuote;

TEST_CASE("an argument is quoted so that nothing in it is special", "[ssh][quote]") {
    CHECK(shellQuote("") == "''");
    CHECK(shellQuote("plain") == "'plain'");
    CHECK(shellQuote("it's") == "'it'\\''s'");
    CHECK(shellQuote("$(id) `id` ; & | > \\") == "'$(id) `id` ; & | > \\'");
    CHECK(shellCommand({"nginx", "-t"}).value() == "'nginx' '-t'");
    CHECK(shellCommand({"printf", ""}).value() == "'printf' ''");
}

TEST_CASE("a command without a program or with a NUL byte is refused", "[ssh][quote]") {
    CHECK(shellCommand({}).error().reason() == base::Reason::kInvalidSpec);
    CHECK(shellCommand({""}).error().reason() == base::Reason::kInvalidSpec);
    CHECK(shellCommand({"a", std::string("b\0c", 3)}).error().reason() == base::Reason::kInvalidSpec);
}

TEST_CASE("a real shell hands hostile arguments on unchanged", "[ssh][quote]") {
    for (const std::string& hostile : std::vector<std::string>{
             "'", "''", "a b",  "$HOME", "$(exit 3)",  "`exit 3`", "\"", "\\", "\\'",   "-n",          "*",
             "~", "!",  "a\nb", "\t",    "; exit 3 #", "\xff\xfe", "é",  "%s", "{a,b}", "'; exit 3; '"}) {
        const std::string line = shellCommand({"printf", "%s|", hostile}).value();
        const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(line.c_str(), "r"), ::pclose);
        REQUIRE(pipe);
        std::array<char, 200> output{};
        const auto size = std::fread(output.data(), 1, output.size(), pipe.get());
        CHECK(std::string(output.data(), size) == hostile + "|");
    }
}
