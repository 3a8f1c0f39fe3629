#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/random.h"
#include "http/transport.h"
#include "probe/prober.h"
#include "runtime/keyed_mutex.h"
#include "targets/certificate_target.h"
#include "targets/slb_listener/account.h"
#include "targets/slb_listener/session.h"

namespace certbinder::targets {

/// HTTPS listeners of Alibaba Cloud's classic load balancers: the default certificate, or the one of an SNI domain.
/// Bindings of one account and region share one client, its pace and its listings; changes to one load balancer are
/// made one after another, as the service demands. What the constructor is given must outlive it.
class SlbListenerTarget final : public CertificateTarget {
  public:
    SlbListenerTarget(slb::Settings settings, http::Transport& transport, probe::Prober& prober,
                      const base::Clock& clock, base::Random& random);

    std::vector<Endpoint> endpoints(const api::CertificateBinding& binding) const override;
    std::optional<base::Error> check(const api::CertificateBinding& binding) const override;
    base::Expected<Observation> observe(const TargetRequest& request, const Endpoint& endpoint, Look look,
                                        const base::CallContext& context) override;
    Outcome act(const TargetRequest& request, const Endpoint& endpoint, Action action,
                const base::CallContext& context) override;

  private:
    struct Known {
        std::shared_ptr<slb::Account> account;
        base::SteadyTime lastUse;
    };

    base::Expected<std::shared_ptr<slb::Account>> accountOf(const TargetRequest& request);

    const slb::Settings settings_;
    http::Transport& transport_;
    probe::Prober& prober_;
    const base::Clock& clock_;
    base::Random& random_;

    runtime::KeyedMutex balancers_;                         // synchronises itself
    base::Guarded<std::map<std::string, Known>> accounts_;  // by endpoint, region and credentials
};

}  // namespace certbinder::targets
