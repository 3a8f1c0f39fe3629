#pragma once

#include <string>

#include "base/clock.h"
#include "base/expected.h"
#include "kube/cluster_config.h"

namespace certbinder::kube {

/// Whether this process runs in a pod with a service account: KUBERNETES_SERVICE_HOST and _PORT are set and `directory`
/// holds a token.
bool isInCluster(const Environment& environment, const std::string& directory);

/// The pod's service account: token read again each minute and after a 401, CA each five minutes, namespace from
/// POD_NAMESPACE, else the mounted file, else `default`. Fails with kInvalidSpec where something is missing. The clock
/// must outlive the result.
base::Expected<ClusterConfig> inClusterConfig(const Environment& environment, const std::string& directory,
                                              const base::Clock& clock = base::systemClock());

}  // namespace certbinder::kube
