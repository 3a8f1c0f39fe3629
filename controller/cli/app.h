#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "binding/reconciler.h"
#include "cli/options.h"

namespace certbinder::cli {

/// Sources and targets with all they stand on; made only by commands that use them.
class Services {
  public:
    virtual ~Services() = default;
    virtual binding::Providers providers() = 0;
};

/// What main hands in: the concrete parts, which nothing else knows.
struct App {
    std::function<std::unique_ptr<Services>(const Options&)> makeServices;
    std::vector<std::pair<std::string, std::string>> versions;  ///< certbinder first, then its libraries
    const base::Clock& clock;
    base::Random& random;
};

/// Runs the command that the arguments name and returns the exit code of the contract.
int runCommandLine(int argc, const char* const* argv, const App& app);

// One function per command; data goes to standard output, all else to standard error.
int runController(const Options& options, const App& app);
int apply(const Options& options, const App& app);
int plan(const Options& options, const App& app);
int status(const Options& options, const App& app);
int validate(const Options& options);
int version(const Options& options, const App& app);

}  // namespace certbinder::cli
