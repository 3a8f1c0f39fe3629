#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::kube {

struct ProcessResult {
    int exitCode = 0;  ///< 128 + N where a signal N ended it, as shells count
    base::SecretBytes output;
    std::string errors;  ///< of standard error, the first 4 KiB
};

/// Runs a program, found by PATH where its name has no slash, without a shell. It gets /dev/null as input, none of this
/// process's other files, no blocked signals, and exactly this environment (`NAME=value`). Where the context ends
/// first, or it writes more than `mostOutput`, it is killed with all it started. Fails with kCredentialsNotFound where
/// there is no such program, kUnreachable where it was killed, kInternalError else.
base::Expected<ProcessResult> runProcess(const std::vector<std::string>& arguments,
                                         const std::vector<std::string>& environment, std::size_t mostOutput,
                                         const base::CallContext& context);

}  // namespace certbinder::kube
