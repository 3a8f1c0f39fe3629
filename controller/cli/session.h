#pragma once

#include <memory>
#include <optional>

#include "cli/app.h"
#include "cli/output.h"
#include "files/file_store.h"

namespace certbinder::cli {

/// The files of a command, read, with their stored statuses. Faults have been told on standard error.
struct Session {
    std::unique_ptr<files::FileStore> store;
    bool sound = true;  ///< whether every file was

    std::vector<Shown> shown() const;
    bool allReady() const;
};

/// Nothing where the command cannot go on; why is told.
std::optional<Session> openSession(const Options& options, const App& app, files::StateDirectory::Access access);

/// Tells an error of the command itself.
void complain(const std::string& message);

}  // namespace certbinder::cli
