#include "targets/slb_listener/session.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "targets/slb_listener/listener_plan.h"

namespace certbinder::targets::slb {

using base::Error;
using base::Expected;
using base::Reason;

Session::Session(const Settings& theSettings, Account& theAccount, probe::Prober& prober, const base::Clock& theClock,
                 base::Random& theRandom, const TargetRequest& theRequest, const base::CallContext& theContext)
    : settings(theSettings),
      account(theAccount),
      clock(theClock),
      random(theRandom),
      request(theRequest),
      context(theContext),
      target(std::get<api::SlbListenerTarget>(theRequest.binding.spec.target)),
      wanted(theRequest.wanted.leaf),
      prober_(prober) {}

std::string Session::balancerText() const {
    return "load balancer " + target.loadBalancerID + " in " + target.region;
}

std::string Session::referenceText() const {
    const std::string listener = "the listener " + target.loadBalancerID + ":" + std::to_string(target.port);
    return target.serverName.empty() ? listener : "the domain " + target.serverName + " of " + listener;
}

bool Session::rest(std::chrono::milliseconds wait) const {
    const base::SteadyTime until = clock.steadyNow() + wait;
    return until < context.deadline && clock.waitUntil(until, context.stop);
}

std::chrono::milliseconds Session::probeTimeout() const {
    return target.probe ? target.probe->timeout : api::ProbeSpec().timeout;
}

Expected<std::optional<probe::Place>> Session::place() {
    const bool ownAddress = !target.probe || (target.probe->enabled && target.probe->address.empty());
    std::string publicAddress;
    if (ownAddress) {
        auto balancer = account.loadBalancer(target.loadBalancerID, request.notOlderThan, context);
        if (!balancer) {
            return base::unexpected(std::move(balancer.error()));
        }
        if (*balancer && (*balancer)->internet) {
            publicAddress = (*balancer)->address;
        }
    }
    return probePlace(target, publicAddress, wanted);
}

void Session::shakeHands(Observation& observation, const probe::Place& place) {
    auto served = prober_.handshake(place, context.within(probeTimeout(), clock));
    if (served) {
        observation.probe = ProbeState::kServed;
        observation.served = std::move(served->leaf);
        observation.probeError.reset();
    } else {
        observation.probe = ProbeState::kFailed;
        observation.served.reset();
        observation.probeError = std::move(served.error());
    }
}

Expected<void> Session::fillDeployed(Observation& observation, const std::string& certificateID) {
    observation.looked = true;
    observation.serverCertificateID = certificateID;
    observation.deployed.reset();
    if (certificateID.empty()) {
        return {};
    }
    auto entry = account.certificate(certificateID, request.notOlderThan, context);
    if (!entry) {
        return base::unexpected(std::move(entry.error()));
    }
    if (*entry) {
        observation.deployed = heldOf(**entry, wanted);
    } else {
        observation.deployed = Held();
        observation.faults.push_back("it refers to the server certificate " + base::printable(certificateID, 100) +
                                     ", which the account does not list in " + target.region);
    }
    return {};
}

Expected<std::string> Session::reference(const ListenerEntry& listener) {
    if (target.serverName.empty()) {
        return listener.serverCertificateID;
    }
    auto extensions = account.extensions(target.loadBalancerID, target.port, request.notOlderThan, context);
    if (!extensions) {
        return base::unexpected(std::move(extensions.error()));
    }
    const std::string domain = base::toLower(target.serverName);
    const auto found = std::find_if(extensions->begin(), extensions->end(),
                                    [&](const DomainExtension& extension) { return extension.domain == domain; });
    return found == extensions->end() ? std::string() : found->serverCertificateID;
}

Expected<Observation> Session::observeMissing() {
    auto balancer = account.loadBalancer(target.loadBalancerID, request.notOlderThan, context);
    if (!balancer) {
        return base::unexpected(std::move(balancer.error()));
    }
    if (!*balancer) {
        return base::unexpected(
            Reason::kTargetNotFound,
            "there is no " + balancerText() +
                "; check loadBalancerID and region, and that the credentials are those of its account");
    }
    if (!target.listener) {
        return base::unexpected(Reason::kTargetNotFound, balancerText() + " has no HTTPS listener on port " +
                                                             std::to_string(target.port) +
                                                             "; create it, or add a listener block to have it created");
    }
    Observation observation;
    observation.looked = true;
    observation.faults.push_back("there is no HTTPS listener on port " + std::to_string(target.port) + " yet");
    return observation;
}

Expected<Observation> Session::observe() {
    auto listener = account.listener(target.loadBalancerID, target.port, request.notOlderThan, context);
    if (!listener) {
        return base::unexpected(std::move(listener.error()));
    }
    if (!*listener) {
        return observeMissing();
    }
    Observation observation;
    auto certificateID = reference(**listener);
    if (!certificateID) {
        return base::unexpected(std::move(certificateID.error()));
    }
    if (auto filled = fillDeployed(observation, *certificateID); !filled) {
        return base::unexpected(std::move(filled.error()));
    }
    const bool stopped = (*listener)->status == "stopped" || (*listener)->status == "stopping";
    if (stopped) {
        observation.faults.emplace_back("the listener is stopped");
    }
    auto where = place();
    if (!where) {
        return base::unexpected(std::move(where.error()));
    }
    if (*where && stopped) {
        observation.probe = ProbeState::kFailed;  // known without waiting for a connection that cannot come about
        observation.probeError =
            Error(Reason::kUnreachable, referenceText() + " serves nobody: the listener is stopped");
    } else if (*where) {
        shakeHands(observation, **where);
    }
    return observation;
}

}  // namespace certbinder::targets::slb
