#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/expected.h"
#include "kube/cluster_config.h"

namespace certbinder::kube {

/// Reads kubeconfig files and makes of one context what is needed to talk to its cluster.
///
/// Files that do not exist are passed over, unless none does. The first file that defines an entry wins, the whole
/// entry; so with current-context. Relative paths are relative to the file they stand in. Nothing is read or run for
/// contexts other than the one asked for ("" for the current one). Fails with kInvalidSpec and the place; messages hold
/// no credential. Refused, with a sentence on what to do: insecure-skip-tls-verify, auth-provider, plugins that need a
/// terminal, credentials to a server without TLS. The clock must outlive the result.
base::Expected<ClusterConfig> loadKubeconfig(const std::vector<std::string>& files, const std::string& context,
                                             const base::Clock& clock = base::systemClock());

}  // namespace certbinder::kube
