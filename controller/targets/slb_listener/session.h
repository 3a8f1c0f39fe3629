#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/random.h"
#include "probe/prober.h"
#include "targets/certificate_target.h"
#include "targets/slb_listener/account.h"
#include "targets/slb_listener/client.h"

namespace certbinder::targets::slb {

struct Settings {
    ClientSettings client;
    /// How long clients may go on getting the old certificate after a switch; the service speaks of three minutes.
    std::chrono::milliseconds propagationPatience{180'000};
    /// How long a listener that was serving before may refuse every handshake from here, before it counts as
    /// unreachable from here.
    std::chrono::milliseconds unreachablePatience{30'000};
    base::BackoffSettings probeWait{std::chrono::milliseconds(100), std::chrono::seconds(2), 1.5, 0.1};
    /// What a proof leaves of the context's time, so that a roll-back can still be done.
    std::chrono::milliseconds rollBackReserve{20'000};
    /// How long a listener may stay between states (configuring, starting) after a change.
    std::chrono::milliseconds transitionPatience{300'000};
    base::BackoffSettings transitionWait{std::chrono::milliseconds(200), std::chrono::seconds(5), 2.0, 0.1};
    int mostWriteTries = 3;  ///< of a change whose answer gets lost, each after a look whether it took place
    base::BackoffSettings lostAnswerWait{std::chrono::seconds(1), std::chrono::seconds(5), 2.0, 0.2};
    /// How long the client of credentials that nobody uses any more is kept.
    std::chrono::milliseconds accountIdle{3'600'000};
};

/// One binding's business with its listener, for the length of one call: what looking and acting have in common. Used
/// by one thread. References outlive it.
class Session {
  public:
    Session(const Settings& settings, Account& account, probe::Prober& prober, const base::Clock& clock,
            base::Random& random, const TargetRequest& request, const base::CallContext& context);

    const Settings& settings;
    Account& account;
    const base::Clock& clock;
    base::Random& random;
    const TargetRequest& request;
    const base::CallContext& context;
    const api::SlbListenerTarget& target;
    const certificate::CertificateInfo& wanted;

    /// "load balancer lb-… in cn-…": the place in error messages.
    std::string balancerText() const;
    /// "the listener lb-…:443" or "the domain x of the listener lb-…:443".
    std::string referenceText() const;

    /// Everything about the endpoint. See CertificateTarget::observe.
    base::Expected<Observation> observe();

    /// Writes what the id stands for into the observation's deployed state; "" is no certificate.
    base::Expected<void> fillDeployed(Observation& observation, const std::string& certificateID);

    /// Where a handshake can be had; nothing where the spec turns it off or no address is known.
    base::Expected<std::optional<probe::Place>> place();

    /// One handshake, into the observation's served state.
    void shakeHands(Observation& observation, const probe::Place& place);
    std::chrono::milliseconds probeTimeout() const;

    /// Waits; false where the context is over first.
    bool rest(std::chrono::milliseconds wait) const;

  private:
    base::Expected<Observation> observeMissing();
    base::Expected<std::string> reference(const ListenerEntry& listener);

    probe::Prober& prober_;
};

}  // namespace certbinder::targets::slb
