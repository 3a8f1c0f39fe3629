#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/expected.h"
#include "ssh/remote_host.h"

namespace certbinder::targets::nginx {

/// Why a file at this normalised path must never be written or copied, as the end of a sentence; nothing where it may.
/// The places are those whose files decide who may do what on the machine, or how it runs. Pure.
std::optional<std::string> whyDenied(const std::string& path);

/// What is wrong with a path of the spec, as a sentence about the field. Pure.
std::optional<base::Error> checkPath(const std::string& field, const std::string& path);

/// Where a path leads on the host, all links on the way followed, the last one too; what does not exist is taken as it
/// is written. A loop of links is an error.
base::Expected<std::string> resolve(ssh::RemoteHost& host, const std::string& path);

}  // namespace certbinder::targets::nginx
