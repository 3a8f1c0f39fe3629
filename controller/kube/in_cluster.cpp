#include "kube/in_cluster.h"

#include <unistd.h>

#include <utility>

#include "base/text.h"
#include "http/url.h"
#include "kube/login.h"
#include "kube/reread_file.h"

namespace certbinder::kube {
namespace {

std::string variable(const Environment& environment, const char* name) {
    return environment(name).value_or("");
}

std::string ownNamespace(const Environment& environment, const std::string& directory) {
    std::string space = variable(environment, "POD_NAMESPACE");
    if (space.empty()) {
        if (const auto file = readSmallFile(directory + "/namespace")) {
            space = base::trim(file->reveal());
        }
    }
    return space.empty() ? "default" : space;
}

}  // namespace

bool isInCluster(const Environment& environment, const std::string& directory) {
    return !variable(environment, "KUBERNETES_SERVICE_HOST").empty() &&
           !variable(environment, "KUBERNETES_SERVICE_PORT").empty() &&
           ::access((directory + "/token").c_str(), F_OK) == 0;
}

base::Expected<ClusterConfig> inClusterConfig(const Environment& environment, const std::string& directory,
                                              const base::Clock& clock) {
    const std::string host = variable(environment, "KUBERNETES_SERVICE_HOST");
    const std::string port = variable(environment, "KUBERNETES_SERVICE_PORT");
    if (host.empty() || port.empty()) {
        return base::unexpected(base::Reason::kInvalidSpec,
                                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod");
    }
    ClusterConfig config;
    config.origin = "the in-cluster account";
    config.server = "https://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
    if (!http::parseUrl(config.server + "/")) {
        return base::unexpected(base::Reason::kInvalidSpec,
                                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no valid address");
    }
    config.trust = fileTrust(directory + "/ca.crt", clock);
    if (auto trusted = config.trust->current(); !trusted) {
        return base::unexpected(std::move(trusted.error()).in(config.origin));
    }
    Login login;
    login.tokenFile = directory + "/token";
    config.credentials = makeCredentials(std::move(login), clock);
    if (auto identity = config.credentials->current({}); !identity) {
        return base::unexpected(std::move(identity.error()).in(config.origin));
    }
    config.space = ownNamespace(environment, directory);
    return config;
}

}  // namespace certbinder::kube
