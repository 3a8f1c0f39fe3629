#include "targets/slb_listener/slb_listener_target.h"

#include <utility>
#include <variant>

#include "base/digest.h"
#include "base/text.h"
#include "targets/slb_listener/deployment.h"
#include "targets/slb_listener/listener_plan.h"

namespace certbinder::targets {
namespace {

using base::Error;
using base::Expected;
using base::Reason;

const api::SlbListenerTarget& targetOf(const api::CertificateBinding& binding) {
    return std::get<api::SlbListenerTarget>(binding.spec.target);
}

/// An entry of the credentials' Secret, without the line end that files tend to bring along.
Expected<std::string_view> entryOf(const api::SecretData& secret, const std::string& secretName, const char* key) {
    const base::SecretBytes* entry = secret.find(key);
    const std::string_view value = entry == nullptr ? std::string_view() : base::trim(entry->reveal());
    if (value.empty()) {
        return base::unexpected(Reason::kCredentialsInvalid,
                                "the Secret " + secretName + " has no " + key +
                                    "; credentials of Alibaba Cloud have the keys accessKeyID and accessKeySecret");
    }
    return value;
}

/// Static keys from the Secret that the binding names. Other ways to log in (roles, metadata) would branch off here.
Expected<std::shared_ptr<const slb::Credentials>> credentialsOf(const TargetRequest& request) {
    const std::string& name = targetOf(request.binding).credentialsRef;
    const auto found = request.secrets.find(name);
    if (found == request.secrets.end() || !found->second) {
        return base::unexpected(Reason::kCredentialsNotFound,
                                "there is no Secret " + request.binding.metadata.key.ns + "/" + name +
                                    ", which spec.target.slbListener.credentialsRef names");
    }
    const api::SecretData& secret = *found->second;
    auto id = entryOf(secret, name, "accessKeyID");
    if (!id) {
        return base::unexpected(std::move(id.error()));
    }
    auto accessKeySecret = entryOf(secret, name, "accessKeySecret");
    if (!accessKeySecret) {
        return base::unexpected(std::move(accessKeySecret.error()));
    }
    auto credentials = std::make_shared<slb::Credentials>();
    credentials->accessKeyID = std::string(*id);
    credentials->accessKeySecret = base::SecretBytes(*accessKeySecret);
    if (const base::SecretBytes* token = secret.find("securityToken")) {
        credentials->securityToken = base::SecretBytes(base::trim(token->reveal()));
    }
    return std::shared_ptr<const slb::Credentials>(std::move(credentials));
}

/// Tells accounts apart without keeping a secret: changed keys make another account.
std::string accountKey(const std::string& endpoint, const std::string& region, const slb::Credentials& credentials) {
    base::SecretBytes secrets = credentials.accessKeySecret.clone();
    secrets.append("\n");
    secrets.append(credentials.securityToken.reveal());
    return endpoint + " " + region + " " + credentials.accessKeyID + " " + base::toHex(base::sha256(secrets.reveal()));
}

}  // namespace

SlbListenerTarget::SlbListenerTarget(slb::Settings settings, http::Transport& transport, probe::Prober& prober,
                                     const base::Clock& clock, base::Random& random)
    : settings_(std::move(settings)),
      transport_(transport),
      prober_(prober),
      clock_(clock),
      random_(random),
      balancers_(clock) {}

std::vector<Endpoint> SlbListenerTarget::endpoints(const api::CertificateBinding& binding) const {
    const api::SlbListenerTarget& target = targetOf(binding);
    const std::string listener = target.loadBalancerID + ":" + std::to_string(target.port);
    const std::string domain = target.serverName.empty() ? "" : "/" + target.serverName;
    return {{listener + domain, {"slb/" + target.region + "/" + listener + base::toLower(domain)}}};
}

std::optional<Error> SlbListenerTarget::check(const api::CertificateBinding& binding) const {
    return slb::checkTarget(targetOf(binding));
}

Expected<std::shared_ptr<slb::Account>> SlbListenerTarget::accountOf(const TargetRequest& request) {
    if (auto error = check(request.binding)) {
        return base::unexpected(std::move(*error));
    }
    auto credentials = credentialsOf(request);
    if (!credentials) {
        return base::unexpected(std::move(credentials.error()));
    }
    const api::SlbListenerTarget& target = targetOf(request.binding);
    const std::string endpoint = slb::endpointURL(target);
    const std::string key = accountKey(endpoint, target.region, **credentials);
    const base::SteadyTime now = clock_.steadyNow();

    auto accounts = accounts_.lock();
    for (auto entry = accounts->begin(); entry != accounts->end();) {
        entry = entry->second.lastUse + settings_.accountIdle < now ? accounts->erase(entry) : std::next(entry);
    }
    Known& known = (*accounts)[key];
    known.lastUse = now;
    if (!known.account) {
        known.account = std::make_shared<slb::Account>(
            std::make_unique<slb::SlbClient>(settings_.client, slb::SlbClient::Place{endpoint, target.region},
                                             std::move(*credentials), transport_, clock_, random_),
            clock_);
    }
    return known.account;
}

Expected<Observation> SlbListenerTarget::observe(const TargetRequest& request, const Endpoint&, Look,
                                                 const base::CallContext& context) {
    // Both kinds of look are the same: the listings are shared, so knowing what is deployed costs next to nothing.
    auto account = accountOf(request);
    if (!account) {
        return base::unexpected(std::move(account.error()));
    }
    return slb::Session(settings_, **account, prober_, clock_, random_, request, context).observe();
}

Outcome SlbListenerTarget::act(const TargetRequest& request, const Endpoint&, Action action,
                               const base::CallContext& context) {
    Outcome failed;
    auto account = accountOf(request);
    if (!account) {
        failed.error = std::move(account.error());
        return failed;
    }
    slb::Session session(settings_, **account, prober_, clock_, random_, request, context);
    if (action != Action::kDeploy && action != Action::kActivate) {
        auto seen = session.observe();
        if (seen) {
            failed.after = std::move(*seen);
        } else {
            failed.error = std::move(seen.error());
        }
        return failed;
    }
    auto hold = balancers_.acquire(session.target.region + "/" + session.target.loadBalancerID, context);
    if (!hold) {
        failed.error =
            Error(Reason::kThrottled, "the time ran out while another change to the same load balancer was going on")
                .in(session.balancerText());
        return failed;
    }
    slb::Deployment deployment(session);
    return action == Action::kDeploy ? deployment.deploy() : deployment.activate();
}

}  // namespace certbinder::targets
