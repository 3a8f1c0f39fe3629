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
    Output output = Output::kTable;
    base::LogFormat logFormat = base::LogFormat::kText;
    base::LogLevel logLevel = base::LogLevel::kInfo;
};

}  // namespace certbinder::cli
