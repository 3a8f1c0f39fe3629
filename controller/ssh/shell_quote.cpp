#include "ssh/shell_quote.h"

namespace certbinder::ssh {

std::string shellQuote(std::string_view argument) {
    std::string quoted = "'";
    for (const char c : argument) {
        if (c == '\'') {
            quoted += "'\\''";
        } else {
            quoted += c;
        }
    }
    return quoted + "'";
}

base::Expected<std::string> shellCommand(const std::vector<std::string>& arguments) {
    if (arguments.empty() || arguments.front().empty()) {
        return base::unexpected(base::Reason::kInvalidSpec, "a command needs a program as its first argument");
    }
    std::string line;
    for (const std::string& argument : arguments) {
        if (argument.find('\0') != std::string::npos) {
            return base::unexpected(base::Reason::kInvalidSpec, "an argument of a command holds a NUL byte");
        }
        line += (line.empty() ? "" : " ") + shellQuote(argument);
    }
    return line;
}

}  // namespace certbinder::ssh
