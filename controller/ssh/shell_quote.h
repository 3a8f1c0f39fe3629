#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"

namespace certbinder::ssh {

/// A command line that a POSIX shell (which sshd hands every command to) splits into exactly these arguments, each in
/// single quotes. Fails with kInvalidSpec for no arguments, an empty first one, and a NUL byte, which no argument can
/// hold.
base::Expected<std::string> shellCommand(const std::vector<std::string>& arguments);

/// One argument, quoted: `it's` becomes `'it'\''s'`.
std::string shellQuote(std::string_view argument);

}  // namespace certbinder::ssh
