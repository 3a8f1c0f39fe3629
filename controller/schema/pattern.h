#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace certbinder::schema {

/// A regular expression in the subset on which POSIX's extended syntax and Go's RE2, the API server's, agree: no
/// escapes of letters, no back-references, no non-greedy repetition, no `(?`, no backslash within brackets. Matched by
/// the C library's automaton, which neither recurses nor backtracks over long texts, as std::regex does. Thread-safe.
class Pattern {
  public:
    /// An error for what is outside of the subset or malformed.
    static base::Expected<Pattern> compile(std::string text);

    /// Whether some part of `subject` matches; `^` and `$` are the ends of the whole text.
    bool matches(std::string_view subject) const;
    const std::string& text() const { return text_; }

  private:
    struct Compiled;
    Pattern(std::string text, std::shared_ptr<const Compiled> compiled)
        : text_(std::move(text)), compiled_(std::move(compiled)) {}

    std::string text_;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace certbinder::schema
