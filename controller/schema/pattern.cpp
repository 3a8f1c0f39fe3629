#include "schema/pattern.h"

#include <regex.h>

#include <limits>

namespace certbinder::schema {
namespace {

bool isWordCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// What the two syntaxes would read differently, or nullptr.
const char* disagreement(std::string_view text) {
    bool inBrackets = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (inBrackets) {
            if (c == '\\') {
                return "a backslash within brackets";
            }
            if (c == '[' && next == ':') {
                i = text.find(":]", i + 2);
                if (i == std::string_view::npos) {
                    return "a character class that is not closed";
                }
                ++i;
            } else if (c == ']') {
                inBrackets = false;
            }
        } else if (c == '[') {
            inBrackets = true;
            i += next == '^' ? 1 : 0;
            i += i + 1 < text.size() && text[i + 1] == ']' ? 1 : 0;  // a bracket that comes first stands for itself
        } else if (c == '\\') {
            if (isWordCharacter(next)) {
                return "an escaped letter or digit";
            }
            ++i;
        } else if (next == '?' && (c == '(' || c == '*' || c == '+' || c == '?' || c == '}')) {
            return "`(?` or a non-greedy repetition";
        }
    }
    return nullptr;
}

}  // namespace

struct Pattern::Compiled {
    regex_t regex{};
    bool sound = false;

    explicit Compiled(const std::string& text) : sound(regcomp(&regex, text.c_str(), REG_EXTENDED | REG_NOSUB) == 0) {}
    ~Compiled() {
        if (sound) {
            regfree(&regex);
        }
    }
    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;
};

base::Expected<Pattern> Pattern::compile(std::string text) {
    if (const char* mistake = disagreement(text)) {
        return base::unexpected(base::Reason::kInternalError, "the pattern " + text + " has " + mistake);
    }
    auto compiled = std::make_shared<const Compiled>(text);
    if (!compiled->sound || text.find('\0') != std::string::npos) {
        return base::unexpected(base::Reason::kInternalError, "the pattern " + text + " is malformed");
    }
    return Pattern(std::move(text), std::move(compiled));
}

bool Pattern::matches(std::string_view subject) const {
    if (subject.size() > static_cast<std::size_t>(std::numeric_limits<regoff_t>::max())) {
        return false;
    }
    regmatch_t range{};
    range.rm_so = 0;
    range.rm_eo = static_cast<regoff_t>(subject.size());
    // By its range the text needs no end mark, and may hold a NUL.
    return regexec(&compiled_->regex, subject.data(), 1, &range, REG_STARTEND) == 0;
}

}  // namespace certbinder::schema
