#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "base/backoff.h"
#include "base/call_context.h"
#include "base/guarded.h"
#include "base/random.h"
#include "binding/index.h"
#include "binding/plan.h"
#include "binding/rollout.h"
#include "binding/status.h"
#include "objects/object_store.h"
#include "sources/certificate_source.h"
#include "targets/certificate_target.h"

namespace certbinder::binding {

struct ReconcilerSettings {
    std::chrono::milliseconds passDeadline{15 * 60 * 1000};  ///< no pass takes longer
    std::size_t endpointsAtOnce = 16;  ///< endpoints of one binding that are looked at or acted on at the same time
    int looksPerFullLook = 6;          ///< every so many regular looks the deployed state is looked at too
    std::chrono::milliseconds sharedLookAge{10'000};  ///< how old an account's listing may be when a pass uses it
    double checkJitter = 0.05;  ///< share of checkInterval by which looks are spread, so that bindings keep out of step
    base::BackoffSettings backoff{};  ///< between tries of what time can heal
};

/// Sources and targets by kind. References outlive the reconciler.
struct Providers {
    sources::CertificateSource& huaweiScm;
    sources::CertificateSource& tlsSecret;
    targets::CertificateTarget& nginx;
    targets::CertificateTarget& slbListener;

    sources::CertificateSource& of(const api::Source& source) const;
    targets::CertificateTarget& of(const api::Target& target) const;
};

/// How a pass is made.
struct PassOptions {
    bool fullLook = false;  ///< look at what is deployed, whatever the handshake says
    /// Answers to shared look-ups from before this are too old; absent: `sharedLookAge` before now.
    std::optional<base::SteadyTime> notOlderThan;
    base::CallContext context;  ///< its stop cuts work off; between waves `gentleStop` ends it in good order
    std::stop_token gentleStop;
};

/// When a binding is to be looked at again.
struct Outcome {
    std::chrono::milliseconds again{0};
    bool ready = false;
};

/// One pass over one binding: observe source → check it → observe every endpoint → plan → act → prove → record. Thread-
/// safe; the caller sees to it that a binding has one pass at a time.
class Reconciler {
  public:
    Reconciler(objects::ObjectStore& store, Providers providers, BindingIndex& index, const base::Clock& clock,
               base::Random& random, ReconcilerSettings settings = {});

    /// Makes the pass and records it. Nothing where the binding is gone.
    std::optional<Outcome> reconcile(const api::ObjectKey& key, const PassOptions& options);

    /// What `reconcile` would do now; touches nothing.
    PassRecord plan(const api::CertificateBinding& binding, const PassOptions& options);

    /// Tells the index about a binding; returns the other bindings that this affects.
    std::set<api::ObjectKey> learn(const api::CertificateBinding& binding);
    std::set<api::ObjectKey> forget(const api::ObjectKey& key);
    /// The bindings that a change of such an object concerns.
    std::set<api::ObjectKey> namingSecret(const api::ObjectKey& secret) { return index_.namingSecret(secret); }
    std::set<api::ObjectKey> namingConfigMap(const api::ObjectKey& map) { return index_.namingConfigMap(map); }

  private:
    /// What is remembered of a binding between passes: convenience alone, nothing depends on it (a crash loses it).
    struct Memory {
        base::Backoff backoff;
        int looks = 0;           ///< since the last full one
        std::string expiryTold;  ///< fingerprint whose coming expiry was told
    };

    struct Pass;

    void prepare(Pass& pass);
    void loadSource(Pass& pass);
    std::optional<base::Error> judge(Pass& pass, const sources::Sourced& sourced);
    void observeAll(Pass& pass);
    void observeOne(Pass& pass, EndpointResult& result);
    void planAll(Pass& pass);
    std::vector<Candidate> candidates(const Pass& pass) const;
    void actAll(Pass& pass);
    void actOnWave(Pass& pass, const std::vector<std::size_t>& wave);
    void actOne(Pass& pass, EndpointResult& result);
    bool record(Pass& pass);
    bool wantsFullLook(const Pass& pass);
    void tellStory(const Pass& pass, const api::Status& before, const api::Status& after);
    std::chrono::milliseconds schedule(const Pass& pass);
    std::optional<base::Error> gatherSecrets(Pass& pass, const std::vector<std::string>& names,
                                             base::Reason whenMissing);

    objects::ObjectStore& store_;
    Providers providers_;
    BindingIndex& index_;
    const base::Clock& clock_;
    base::Random& random_;
    ReconcilerSettings settings_;
    base::Guarded<std::map<api::ObjectKey, Memory>> memory_;
};

}  // namespace certbinder::binding
