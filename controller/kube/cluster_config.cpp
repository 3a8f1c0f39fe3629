#include "kube/cluster_config.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "kube/in_cluster.h"
#include "kube/kubeconfig.h"

namespace certbinder::kube {
namespace {

/// Upper case first, as the conventions go, then lower case.
std::string eitherCase(const Environment& environment, const std::string& upper) {
    const std::optional<std::string> value = environment(upper);
    return value && !value->empty() ? *value : environment(base::toLower(upper)).value_or("");
}

base::Expected<ClusterConfig> look(const ClusterChoice& choice, const Environment& environment,
                                   const base::Clock& clock) {
    if (!choice.kubeconfig.empty()) {
        return loadKubeconfig({choice.kubeconfig}, choice.context, clock);
    }
    const std::string listed = environment("KUBECONFIG").value_or("");
    if (!listed.empty()) {
        return loadKubeconfig(base::split(listed, ':'), choice.context, clock);
    }
    if (choice.context.empty() && isInCluster(environment, choice.serviceAccountDirectory)) {
        return inClusterConfig(environment, choice.serviceAccountDirectory, clock);
    }
    const std::string home = environment("HOME").value_or("");
    const std::string file = home + "/.kube/config";
    if (!home.empty() && ::access(file.c_str(), F_OK) == 0) {
        return loadKubeconfig({file}, choice.context, clock);
    }
    return base::unexpected(base::Reason::kInvalidSpec,
                            "no cluster is known: --kubeconfig and KUBECONFIG are not given, this is no pod with a "
                            "service account, and there is no " +
                                (home.empty() ? "~/.kube/config" : base::printable(file)) +
                                "; name a kubeconfig, or work on files by -f");
}

}  // namespace

Environment processEnvironment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
}

base::Expected<ClusterConfig> findCluster(const ClusterChoice& choice, const Environment& environment,
                                          const base::Clock& clock) {
    base::Expected<ClusterConfig> config = look(choice, environment, clock);
    if (config && !config->proxy.always) {
        base::Expected<http::ProxyChoice> proxy =
            http::makeProxyChoice(eitherCase(environment, "HTTPS_PROXY"), eitherCase(environment, "HTTP_PROXY"),
                                  eitherCase(environment, "NO_PROXY"));
        if (!proxy) {
            return base::unexpected(std::move(proxy.error()));
        }
        config->proxy = std::move(*proxy);
    }
    return config;
}

}  // namespace certbinder::kube
