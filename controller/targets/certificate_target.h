#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "api/secret_data.h"
#include "base/call_context.h"
#include "base/error.h"
#include "base/expected.h"
#include "certificate/bundle.h"

namespace certbinder::targets {

/// One place where a binding's certificate must be served.
struct Endpoint {
    std::string name;  ///< as in `status.endpoints`: `10.0.0.4:22`, `lb-…:443`, `lb-…:443/shop.example.com`
    std::vector<std::string> claims;  ///< what no other binding may claim too, unique over all targets
};

/// A certificate that is at a target, as far as the target tells: SLB's listing knows SHA-1 alone.
struct Held {
    std::string fingerprintSHA256;
    std::string fingerprintSHA1;
    std::optional<base::WallTime> notBefore;
    std::optional<base::WallTime> notAfter;

    static Held of(const certificate::CertificateInfo& certificate);
    bool is(const certificate::CertificateInfo& certificate) const;
};

enum class ProbeState {
    kDisabled,  ///< turned off, or no address is known
    kServed,    ///< a handshake got `Observation::served`
    kFailed     ///< no handshake came about: `Observation::probeError`
};

/// How closely an endpoint is looked at.
enum class Look {
    kServed,  ///< what clients get, where that can be known; the cheap one (nginx: a handshake alone)
    kFull     ///< also what is deployed
};

/// What is there now. A plain value: tests make them by hand.
struct Observation {
    bool looked = false;           ///< whether the deployed state was looked at; if not, the next three say nothing
    std::optional<Held> deployed;  ///< nothing: no certificate is there
    /// What keeps the deployed state from being as a deployment leaves it, although the certificate may be the right
    /// one: "the private key file belongs to another certificate", "the listener is stopped". For people, in words.
    std::vector<std::string> faults;
    bool interrupted = false;  ///< an earlier transaction was cut off and must be brought to an end

    ProbeState probe = ProbeState::kDisabled;
    std::optional<certificate::CertificateInfo> served;
    std::optional<base::Error> probeError;

    std::string serverCertificateID;  ///< SLB: the id that the listener refers to
};

enum class Action {
    kNone,
    kDeploy,    ///< bring the certificate there, then activate and prove it
    kActivate,  ///< it is there; make it be served (nginx: test, reload) and prove it
    kRefuse     ///< it must not be brought there; the step's error says why
};

/// Everything a target needs to know of a binding. References outlive the call.
struct TargetRequest {
    const api::CertificateBinding& binding;
    const api::Secrets& secrets;
    const certificate::Bundle& wanted;
    /// Answers to shared look-ups (listings of an account) that were asked for before this moment are too old.
    base::SteadyTime notOlderThan;
};

/// What came of acting on one endpoint.
struct Outcome {
    bool changed = false;     ///< whether anything was written, reloaded or switched
    bool rolledBack = false;  ///< the new certificate was taken back, and what was there before is in place again
    std::optional<base::Error> error;
    Observation after;  ///< as seen at the end; `looked` is true where the deployed state is known for sure
};

/// A kind of place that certificates are deployed to. One object serves all bindings. Thread-safe: endpoints are
/// observed and acted on at the same time, and a target serialises what must not happen at once (one flight per host,
/// per load balancer).
class CertificateTarget {
  public:
    virtual ~CertificateTarget() = default;

    /// The endpoints of a binding, in the order of the spec. Pure.
    virtual std::vector<Endpoint> endpoints(const api::CertificateBinding& binding) const = 0;

    /// What only code can know to be wrong with a spec (paths that must never be written). Pure.
    virtual std::optional<base::Error> check(const api::CertificateBinding& binding) const = 0;

    /// Looks; changes nothing. An endpoint that does not exist (no such load balancer) is an error kTargetNotFound, a
    /// failed handshake is not an error but part of the observation.
    virtual base::Expected<Observation> observe(const TargetRequest& request, const Endpoint& endpoint, Look look,
                                                const base::CallContext& context) = 0;

    /// Brings about kDeploy or kActivate. Idempotent: acting twice is acting once, and what a crash left half done is
    /// found and finished. On failure what was there before is there again wherever that is possible, and the error
    /// says if it was not.
    virtual Outcome act(const TargetRequest& request, const Endpoint& endpoint, Action action,
                        const base::CallContext& context) = 0;
};

}  // namespace certbinder::targets
