#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/expected.h"
#include "document/value.h"
#include "kube/credentials.h"
#include "kube/subprocess.h"

namespace certbinder::kube {

/// A client-go credential plugin, as `users[].user.exec` of a kubeconfig names it.
struct ExecPlugin {
    std::string apiVersion;  ///< client.authentication.k8s.io/v1 or v1beta1
    std::string command;     ///< a path, or a name to be found by PATH
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;  ///< besides this process's
    std::string installHint;
    std::optional<document::Value> cluster;  ///< spec.cluster of the input, where the plugin asks for it
    std::chrono::seconds timeout{60};
};

using RunProcess = std::function<base::Expected<ProcessResult>(
    const std::vector<std::string>& arguments, const std::vector<std::string>& environment, std::size_t mostOutput,
    const base::CallContext& context)>;

/// Runs the plugin when credentials are first wanted, half a minute before they expire, and after a 401; callers wait
/// for one run. A failed run is not repeated within five seconds: the callers of that time get the same error.
/// Credentials that have not expired stay in force where a run fails. The plugin gets this process's environment, with
/// SSL_CERT_FILE as it was when the process began. The clock must outlive the result.
///
/// Errors have kCredentialsInvalid or kCredentialsNotFound and hold what the plugin wrote to standard error, never what
/// it wrote to standard output.
std::unique_ptr<Credentials> makeExecCredentials(ExecPlugin plugin, const base::Clock& clock,
                                                 RunProcess run = runProcess);

}  // namespace certbinder::kube
