#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/expected.h"
#include "http/proxy.h"
#include "kube/credentials.h"

namespace certbinder::kube {

/// On whose behalf to act, by the Impersonate headers. Empty `user` means as oneself.
struct Impersonation {
    std::string user;
    std::string uid;
    std::vector<std::string> groups;
    std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

/// The authorities that the API server's certificate may come from. Thread-safe.
class TrustSource {
  public:
    virtual ~TrustSource() = default;
    /// PEM; the same object while unchanged. Keeps the last good bytes where they cannot be read any more.
    virtual base::Expected<std::shared_ptr<const std::string>> current() = 0;
};

/// All that is needed to talk to a cluster, wherever it was found.
struct ClusterConfig {
    std::string server;                  ///< `https://host:6443/prefix`, without a slash at the end
    std::shared_ptr<TrustSource> trust;  ///< null: what the system trusts
    std::string tlsServerName;           ///< "" for the server's host
    http::ProxyChoice proxy;
    std::shared_ptr<Credentials> credentials;  ///< never null
    Impersonation impersonation;
    std::string space = "default";  ///< one's own namespace
    std::string origin;             ///< for messages: `context prod of /home/…/config`, `the in-cluster account`
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment processEnvironment();

struct ClusterChoice {
    std::string kubeconfig;  ///< --kubeconfig; "" where it is not given
    std::string context;     ///< --context; "" for the file's current one
    std::string serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// Looks, in this order, at --kubeconfig, KUBECONFIG, the in-cluster account, ~/.kube/config; `context` rules the
/// in-cluster account out. Without a proxy-url, HTTPS_PROXY, HTTP_PROXY and NO_PROXY hold. Fails with kInvalidSpec,
/// naming where it looked, or what is wrong there. The clock must outlive the result.
base::Expected<ClusterConfig> findCluster(const ClusterChoice& choice, const Environment& environment,
                                          const base::Clock& clock = base::systemClock());

}  // namespace certbinder::kube
