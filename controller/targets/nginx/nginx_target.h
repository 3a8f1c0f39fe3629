#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "probe/prober.h"
#include "runtime/keyed_mutex.h"
#include "ssh/remote_host.h"
#include "targets/certificate_target.h"

namespace certbinder::targets::nginx {

/// Deploys to nginx hosts over SSH, one transaction per host (docs/targets/nginx.md). Keeps nothing between two calls:
/// what it must know of earlier ones is on the hosts. The connector, the prober and the clock must outlive it.
class NginxTarget final : public CertificateTarget {
  public:
    NginxTarget(ssh::Connector& connector, probe::Prober& prober, const base::Clock& clock = base::systemClock())
        : connector_(connector), prober_(prober), clock_(clock), hosts_(clock) {}

    std::vector<Endpoint> endpoints(const api::CertificateBinding& binding) const override;
    std::optional<base::Error> check(const api::CertificateBinding& binding) const override;

    /// kServed: a handshake alone, or with the probe turned off a look over SSH. kFull: both.
    base::Expected<Observation> observe(const TargetRequest& request, const Endpoint& endpoint, Look look,
                                        const base::CallContext& context) override;

    /// kDeploy and kActivate are the same transaction, which does what it finds to be left to do.
    Outcome act(const TargetRequest& request, const Endpoint& endpoint, Action action,
                const base::CallContext& context) override;

  private:
    base::Expected<std::unique_ptr<ssh::RemoteHost>> login(const TargetRequest& request, const api::NginxHost& host,
                                                           const base::CallContext& context);

    ssh::Connector& connector_;
    probe::Prober& prober_;
    const base::Clock& clock_;
    /// One transaction at a time on each host: the test of a configuration looks at all pairs of a host, so a pair that
    /// another transaction has just switched would fail this one's test.
    runtime::KeyedMutex hosts_;
};

}  // namespace certbinder::targets::nginx
