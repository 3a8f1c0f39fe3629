#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/log.h"

namespace certbinder::cli {

enum class Output { kTable, kJson, kYaml, kName };

/// What the command line says, for all commands; each uses what it needs.
struct Options {
    std::vector<std::string> files;
    std::string stateDirectory;
    std::size_t workers = 8;
    /// Whether the clouds' environment variables count. Off by default: in a shared process they would serve whoever
    /// may create a binding.
    bool ambient = false;
    Output output = Output::kTable;
    base::LogFormat logFormat = base::LogFormat::kText;
    base::LogLevel logLevel = base::LogLevel::kInfo;
};

}  // namespace certbinder::cli
