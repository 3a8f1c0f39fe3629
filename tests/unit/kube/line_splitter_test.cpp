#include "kube/line_splitter.h"

#include <vector>

#include "support/test.h"

using namespace certbinder::kube;
using State = LineSplitter::State;

TEST_CASE("lines are the same wherever the stream is cut", "[kube]") {
    const std::string text = "one\n\r\ntwo\r\n\nthree";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        std::vector<std::string> lines;
        const auto collect = [&](std::string_view line) { return lines.emplace_back(line), true; };
        LineSplitter splitter(100);
        for (std::size_t at = 0; at < text.size(); at += size) {
            CHECK(splitter.take(std::string_view(text).substr(at, size), collect) == State::kMore);
        }
        CHECK(lines == std::vector<std::string>{"one", "two"});
        CHECK(splitter.finish(collect) == State::kMore);
        CHECK(lines == std::vector<std::string>{"one", "two", "three"});
    }
}

TEST_CASE("a line may be as long as the limit and no longer", "[kube]") {
    std::size_t lines = 0;
    const auto count = [&](std::string_view) { return ++lines, true; };
    LineSplitter splitter(4);
    CHECK(splitter.take("1234\n12", count) == State::kMore);
    CHECK(splitter.take("34", count) == State::kMore);
    CHECK(splitter.take("\n", count) == State::kMore);
    CHECK(splitter.take("123", count) == State::kMore);
    CHECK(splitter.take("45\n", count) == State::kTooLong);
    CHECK(splitter.take("1\n", count) == State::kTooLong);
    CHECK(lines == 2);
}

TEST_CASE("a reader that has enough is not asked again", "[kube]") {
    std::size_t lines = 0;
    const auto one = [&](std::string_view) { return ++lines, false; };
    LineSplitter splitter(100);
    CHECK(splitter.take("a\nb\nc", one) == State::kEnough);
    CHECK(splitter.take("d\n", one) == State::kEnough);
    CHECK(splitter.finish(one) == State::kEnough);
    CHECK(lines == 1);
}
