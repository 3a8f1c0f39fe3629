#include "binding/reconciler.h"

#include <algorithm>
#include <exception>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "binding/events.h"
#include "binding/rollout.h"
#include "certificate/checks.h"
#include "runtime/parallel.h"

namespace certbinder::binding {
namespace {

using api::EndpointState;
using base::Error;
using base::Reason;
using targets::Action;

/// A defect must not end the process, nor the work on other endpoints and bindings.
Error defectError(const std::exception& defect) {
    return {Reason::kInternalError, std::string("a defect in certbinder: ") + defect.what() + "; please report it"};
}

/// The names that clients will ask the certificate by, as far as the binding says.
std::vector<std::string> demandedNames(const api::Spec& spec) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (!name.empty()) {
            names.push_back(name);
        }
    };
    if (const auto* scm = std::get_if<api::HuaweiScmSource>(&spec.source)) {
        add(scm->domain);
    }
    if (const auto* slb = std::get_if<api::SlbListenerTarget>(&spec.target)) {
        add(slb->serverName);
        add(slb->probe ? slb->probe->serverName : "");
    } else if (const auto* nginx = std::get_if<api::NginxTarget>(&spec.target)) {
        add(nginx->probe.serverName);
        for (const api::NginxHost& host : nginx->hosts) {
            add(host.probe ? host.probe->serverName : "");
        }
    }
    return names;
}

/// Whether the annotation asks for a look that was not made yet.
bool isAskedFor(const api::CertificateBinding& binding) {
    const auto asked = binding.metadata.annotations.find(api::kReconcileAnnotation);
    return asked != binding.metadata.annotations.end() && asked->second != binding.status.lastHandledReconcileAt;
}

const api::RolloutSpec& rolloutOf(const api::Spec& spec) {
    // A load balancer's listener is one endpoint: nothing to roll out over.
    static const api::RolloutSpec single;
    const auto* nginx = std::get_if<api::NginxTarget>(&spec.target);
    return nginx != nullptr ? nginx->rollout : single;
}

/// Says which Secret holds the credentials that are wrong, where the message does not.
Error naming(const std::string& secret, const api::ObjectKey& binding, Error error) {
    const bool unsaid = error.reason() == Reason::kCredentialsInvalid && !secret.empty() &&
                        error.message().find(secret) == std::string::npos;
    return unsaid ? std::move(error).in("Secret " + binding.ns + "/" + secret) : std::move(error);
}

}  // namespace

struct Reconciler::Pass {
    const api::CertificateBinding& binding;
    const PassOptions& options;
    base::CallContext context;
    base::CallContext lookContext;  ///< looking changes nothing, so any stop may cut it off at once
    base::SteadyTime notOlderThan;
    api::Secrets secrets;
    PassRecord record;
    bool fullLook = false;
    bool recorded = true;  ///< whether the status could be written

    const certificate::Bundle& wanted() const { return *record.sourced->bundle; }
    targets::TargetRequest targetRequest() const { return {binding, secrets, wanted(), notOlderThan}; }
};

sources::CertificateSource& Providers::of(const api::Source& source) const {
    return std::holds_alternative<api::HuaweiScmSource>(source) ? huaweiScm : tlsSecret;
}

targets::CertificateTarget& Providers::of(const api::Target& target) const {
    return std::holds_alternative<api::NginxTarget>(target) ? nginx : slbListener;
}

Reconciler::Reconciler(objects::ObjectStore& store, Providers providers, BindingIndex& index, const base::Clock& clock,
                       base::Random& random, ReconcilerSettings settings)
    : store_(store), providers_(providers), index_(index), clock_(clock), random_(random), settings_(settings) {}

std::set<api::ObjectKey> Reconciler::learn(const api::CertificateBinding& binding) {
    std::vector<std::string> claims;
    for (const targets::Endpoint& endpoint : providers_.of(binding.spec.target).endpoints(binding)) {
        claims.insert(claims.end(), endpoint.claims.begin(), endpoint.claims.end());
    }
    return index_.put(binding, claims);
}

std::set<api::ObjectKey> Reconciler::forget(const api::ObjectKey& key) {
    memory_.lock()->erase(key);
    return index_.remove(key);
}

std::optional<Outcome> Reconciler::reconcile(const api::ObjectKey& key, const PassOptions& options) {
    const auto binding = store_.binding(key);
    if (!binding) {
        forget(key);
        return std::nullopt;
    }
    Pass pass{*binding, options, {}, {}, {}, {}, {}};
    prepare(pass);
    if (!pass.record.suspended && !pass.record.spec && pass.record.sourced) {
        observeAll(pass);
        planAll(pass);
        actAll(pass);
    }
    const bool ready = record(pass);
    return Outcome{schedule(pass), ready};
}

PassRecord Reconciler::plan(const api::CertificateBinding& binding, const PassOptions& options) {
    Pass pass{binding, options, {}, {}, {}, {}, {}};
    prepare(pass);
    if (!pass.record.suspended && !pass.record.spec && pass.record.sourced) {
        observeAll(pass);
        planAll(pass);
    }
    return std::move(pass.record);
}

/// Everything before the target is looked at: what may keep the binding from being worked on, and its certificate.
void Reconciler::prepare(Pass& pass) {
    const api::Spec& spec = pass.binding.spec;
    pass.context = pass.options.context.within(settings_.passDeadline, clock_);
    pass.lookContext = pass.context;
    if (pass.options.gentleStop.stop_possible()) {
        pass.lookContext.stop = pass.options.gentleStop;
    }
    // Who asks for a look by the annotation wants to see what is there now.
    const auto age = isAskedFor(pass.binding) ? std::chrono::milliseconds(0)
                                              : std::min(settings_.sharedLookAge, spec.checkInterval / 2);
    pass.notOlderThan = pass.options.notOlderThan.value_or(clock_.steadyNow() - age);
    if (spec.suspend) {
        pass.record.suspended = true;
        return;
    }
    targets::CertificateTarget& target = providers_.of(spec.target);
    for (targets::Endpoint& endpoint : target.endpoints(pass.binding)) {
        for (const std::string& claim : endpoint.claims) {
            const auto holder = index_.holder(claim);
            if (holder && *holder != pass.binding.metadata.key) {
                pass.record.spec =
                    Error(Reason::kConflict, endpoint.name + " is claimed by the binding " + holder->toString() +
                                                 " already (" + claim + "); change or delete one of the two");
            }
        }
        EndpointResult result;
        result.endpoint = std::move(endpoint);
        pass.record.endpoints.push_back(std::move(result));
    }
    if (auto fault = target.check(pass.binding)) {
        pass.record.spec = std::move(fault);
    }
    loadSource(pass);
    if (auto missing = gatherSecrets(pass, api::targetSecrets(spec), Reason::kCredentialsNotFound);
        missing && !pass.record.spec) {
        pass.record.spec = std::move(missing);
    }
    pass.fullLook = wantsFullLook(pass);
}

std::optional<Error> Reconciler::gatherSecrets(Pass& pass, const std::vector<std::string>& names, Reason whenMissing) {
    const std::string& ns = pass.binding.metadata.key.ns;
    for (const std::string& name : names) {
        if (name.empty() || pass.secrets.contains(name)) {
            continue;
        }
        auto secret = store_.secret({ns, name});
        if (!secret) {
            return std::move(secret).error().in("Secret " + ns + "/" + name);
        }
        if (!*secret) {
            return Error(whenMissing,
                         "there is no Secret " + ns + "/" + name + "; create it, or correct the name in the binding");
        }
        pass.secrets.emplace(name, std::move(*secret));
    }
    return std::nullopt;
}

void Reconciler::loadSource(Pass& pass) {
    const api::Spec& spec = pass.binding.spec;
    const bool isSecret = std::holds_alternative<api::SecretSource>(spec.source);
    if (auto missing = gatherSecrets(pass, {api::sourceSecret(spec)},
                                     isSecret ? Reason::kSourceNotFound : Reason::kCredentialsNotFound)) {
        pass.record.source = std::move(missing);
        return;
    }
    base::Expected<sources::Sourced> sourced;
    try {
        sourced = providers_.of(spec.source).load({pass.binding, pass.secrets, pass.notOlderThan}, pass.lookContext);
    } catch (const std::exception& defect) {
        sourced = base::unexpected(defectError(defect));
    }
    if (!sourced) {
        pass.record.source = naming(api::sourceSecret(spec), pass.binding.metadata.key, std::move(sourced).error());
    } else if (auto fault = judge(pass, *sourced)) {
        pass.record.source = std::move(*fault).in("certificate " + sourced->id);
    } else {
        pass.record.sourced = std::move(*sourced);
    }
}

/// Whether the certificate may be deployed at all: a chain of checks, the first that objects wins.
std::optional<Error> Reconciler::judge(Pass& pass, const sources::Sourced& sourced) {
    const api::Spec& spec = pass.binding.spec;
    const base::WallTime now = clock_.wallNow();
    if (auto fault = certificate::checkDates(sourced.bundle->leaf, now)) {
        return fault;
    }
    if (auto fault = certificate::checkNames(sourced.bundle->leaf, demandedNames(spec))) {
        return fault;
    }
    if (spec.trustBundleRef.empty()) {
        return std::nullopt;
    }
    const api::ObjectKey key{pass.binding.metadata.key.ns, spec.trustBundleRef};
    auto bundle = store_.configMapEntry(key, "ca.crt");
    if (!bundle) {
        return std::move(bundle).error().in("ConfigMap " + key.toString());
    }
    if (!*bundle) {
        return Error(Reason::kChainNotTrusted, "there is no ConfigMap " + key.toString() +
                                                   " with the key ca.crt, which spec.trust.caBundleRef names");
    }
    return certificate::checkTrust(*sourced.bundle, **bundle, now);
}

bool Reconciler::wantsFullLook(const Pass& pass) {
    const api::Status& status = pass.binding.status;
    const bool settled =
        std::all_of(pass.record.endpoints.begin(), pass.record.endpoints.end(), [&](const EndpointResult& result) {
            const api::EndpointStatus* known = status.endpoint(result.endpoint.name);
            return known != nullptr && known->state == EndpointState::kInSync;
        });
    const bool sameCertificate =
        pass.record.sourced && status.certificate &&
        status.certificate->fingerprintSHA256 == pass.record.sourced->bundle->leaf.fingerprintSHA256;
    auto memory = memory_.lock();
    const auto [known, fresh] = memory->try_emplace(pass.binding.metadata.key);
    if (fresh) {
        known->second.backoff = base::Backoff(settings_.backoff);
        // After a start bindings keep out of step: not all of them look closely at the same time.
        known->second.looks = static_cast<int>(random_.uniform() * settings_.looksPerFullLook);
    }
    const bool due = ++known->second.looks >= settings_.looksPerFullLook;
    const bool full = pass.options.fullLook || due || isAskedFor(pass.binding) || !settled || !sameCertificate ||
                      status.observedGeneration != pass.binding.metadata.generation;
    if (full) {
        known->second.looks = 0;
    }
    return full;
}

void Reconciler::observeAll(Pass& pass) {
    runtime::forEachParallel(pass.record.endpoints.size(), settings_.endpointsAtOnce,
                             [&](std::size_t i) { observeOne(pass, pass.record.endpoints[i]); });
}

void Reconciler::observeOne(Pass& pass, EndpointResult& result) {
    targets::CertificateTarget& target = providers_.of(pass.binding.spec.target);
    const auto look = [&](targets::Look how) -> base::Expected<targets::Observation> {
        try {
            return target.observe(pass.targetRequest(), result.endpoint, how, pass.lookContext);
        } catch (const std::exception& defect) {
            return base::unexpected(defectError(defect));
        }
    };
    auto seen = look(pass.fullLook ? targets::Look::kFull : targets::Look::kServed);
    if (seen && !seen->looked && !isServed(pass.wanted().leaf, *seen)) {
        seen = look(targets::Look::kFull);
    }
    if (seen) {
        result.seen = std::move(*seen);
    } else {
        const std::vector<std::string> secrets = api::targetSecrets(pass.binding.spec);
        result.error =
            naming(secrets.empty() ? "" : secrets.front(), pass.binding.metadata.key, std::move(seen).error());
    }
}

void Reconciler::planAll(Pass& pass) {
    for (EndpointResult& result : pass.record.endpoints) {
        if (!result.seen) {
            continue;
        }
        const api::EndpointStatus* before = pass.binding.status.endpoint(result.endpoint.name);
        result.step = planStep(result.endpoint.name, {pass.wanted().leaf, *result.seen,
                                                      before != nullptr ? before->deployedFingerprintSHA256 : "",
                                                      pass.binding.spec.allowDowngrade, clock_.wallNow()});
        result.error = result.step->error;
    }
}

std::vector<Candidate> Reconciler::candidates(const Pass& pass) const {
    const api::Status& known = pass.binding.status;
    const std::string& wanted = pass.wanted().leaf.fingerprintSHA256;
    const bool sameCertificate = known.certificate && known.certificate->fingerprintSHA256 == wanted;
    std::vector<Candidate> all;
    for (const EndpointResult& result : pass.record.endpoints) {
        Candidate candidate;
        if (result.acted) {
            candidate.inSync = !result.error;
        } else if (result.step) {
            candidate.action = result.step->action;
            candidate.why = result.step->why;
            candidate.inSync = result.step->why == Why::kInSync;
        }
        if (const api::EndpointStatus* before = known.endpoint(result.endpoint.name)) {
            candidate.knownThere = before->deployedFingerprintSHA256 == wanted;
            candidate.failedBefore = sameCertificate && (before->state == EndpointState::kFailed ||
                                                         before->state == EndpointState::kRolledBack);
        }
        all.push_back(candidate);
    }
    return all;
}

void Reconciler::actAll(Pass& pass) {
    const api::RolloutSpec& rollout = rolloutOf(pass.binding.spec);
    std::vector<EndpointResult>& endpoints = pass.record.endpoints;
    // Each wave is planned with what has come of those before it.
    for (Waves waves = planWaves(candidates(pass), rollout); !waves.empty();
         waves = planWaves(candidates(pass), rollout)) {
        if (pass.options.gentleStop.stop_requested() || pass.context.over(clock_)) {
            return;  // what was not begun is as it was; the next pass goes on
        }
        const std::vector<std::size_t> wave = waves.front();
        actOnWave(pass, wave);
        const bool halted = std::any_of(wave.begin(), wave.end(), [&](std::size_t i) {
            return endpoints[i].error && haltsRollout(endpoints[i].error->reason());
        });
        if (halted) {
            for (auto later = waves.begin() + 1; later != waves.end(); ++later) {
                std::for_each(later->begin(), later->end(), [&](std::size_t i) { endpoints[i].halted = true; });
            }
            return;
        }
    }
}

void Reconciler::actOnWave(Pass& pass, const std::vector<std::size_t>& wave) {
    for (const std::size_t i : wave) {
        pass.record.endpoints[i].acting = true;
    }
    // Long work shows itself while it goes on; the last word is written at the end of the pass.
    if (auto written =
            store_.writeStatus(pass.binding.metadata.key, makeStatus(pass.binding, pass.record, clock_.wallNow()));
        !written) {
        base::logWarning("the status could not be written", {{"namespace", pass.binding.metadata.key.ns},
                                                             {"name", pass.binding.metadata.key.name},
                                                             {"error", written.error().message()}});
    }
    runtime::forEachParallel(wave.size(), settings_.endpointsAtOnce,
                             [&](std::size_t i) { actOne(pass, pass.record.endpoints[wave[i]]); });
}

void Reconciler::actOne(Pass& pass, EndpointResult& result) {
    const base::SteadyTime begin = clock_.steadyNow();
    targets::Outcome outcome;
    try {
        outcome = providers_.of(pass.binding.spec.target)
                      .act(pass.targetRequest(), result.endpoint, result.step->action, pass.context);
    } catch (const std::exception& defect) {
        outcome.error = defectError(defect);
    }
    result.acting = false;
    result.acted = true;
    result.changed = outcome.changed;
    result.rolledBack = outcome.rolledBack;
    result.error = std::move(outcome.error);
    // Where a failure left nothing to be seen, what was seen before is the best that is known.
    if (!result.error || outcome.after.looked || outcome.after.probe != targets::ProbeState::kDisabled) {
        result.seen = std::move(outcome.after);
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steadyNow() - begin);
    const api::ObjectKey& key = pass.binding.metadata.key;
    if (result.error) {
        base::logError(result.rolledBack ? "deployment failed and was rolled back" : "deployment failed",
                       {{"namespace", key.ns},
                        {"name", key.name},
                        {"endpoint", result.endpoint.name},
                        {"reason", base::toString(result.error->reason())},
                        {"error", result.error->message()},
                        {"milliseconds", took.count()}});
    } else {
        base::logInfo("deployed", {{"namespace", key.ns},
                                   {"name", key.name},
                                   {"endpoint", result.endpoint.name},
                                   {"fingerprint", pass.wanted().leaf.fingerprintSHA256},
                                   {"why", toString(result.step->why)},
                                   {"milliseconds", took.count()}});
    }
}

bool Reconciler::record(Pass& pass) {
    // A pass that was cut off tells of the stop alone; the next start finds out how things are.
    const bool acted = std::any_of(pass.record.endpoints.begin(), pass.record.endpoints.end(),
                                   [](const EndpointResult& result) { return result.acted; });
    const bool cutOff = pass.context.stop.stop_requested() || (pass.lookContext.stop.stop_requested() && !acted);
    if (cutOff && decidingError(pass.record) != nullptr) {
        return false;
    }
    const api::Status status = makeStatus(pass.binding, pass.record, clock_.wallNow());
    tellStory(pass, pass.binding.status, status);
    if (auto written = store_.writeStatus(pass.binding.metadata.key, status); !written) {
        pass.recorded = false;
        base::logError("the status could not be written", {{"namespace", pass.binding.metadata.key.ns},
                                                           {"name", pass.binding.metadata.key.name},
                                                           {"error", written.error().message()}});
    }
    const api::Condition* ready = status.find(api::condition::kReady);
    return ready != nullptr && ready->status == api::ConditionStatus::kTrue;
}

void Reconciler::tellStory(const Pass& pass, const api::Status& before, const api::Status& after) {
    bool tellExpiry = false;
    if (after.certificate && isExpiring(*after.certificate, clock_.wallNow())) {
        auto memory = memory_.lock();
        std::string& told = (*memory)[pass.binding.metadata.key].expiryTold;
        tellExpiry = told != after.certificate->fingerprintSHA256;
        told = after.certificate->fingerprintSHA256;
    }
    for (const objects::Event& event : eventsOf(pass.binding, pass.record, before, after, tellExpiry)) {
        store_.emit(event);
    }
}

std::chrono::milliseconds Reconciler::schedule(const Pass& pass) {
    auto memory = memory_.lock();
    const auto [known, fresh] = memory->try_emplace(pass.binding.metadata.key);
    if (fresh) {
        known->second.backoff = base::Backoff(settings_.backoff);
    }
    base::Backoff& backoff = known->second.backoff;
    const Error* error = decidingError(pass.record);
    if (error != nullptr && error->remedy() == base::Remedy::kTime) {
        // What the other side asked for is a floor; above it bindings keep out of step.
        const auto asked = base::jittered(error->retryAfter().value_or(std::chrono::milliseconds(0)),
                                          settings_.backoff.jitter, random_);
        return std::max(backoff.next(random_), asked);
    }
    if (!pass.recorded || (error == nullptr && !pass.record.suspended && !isSettled(pass.record))) {
        return backoff.next(random_);
    }
    // Where only a change helps, most changes wake the binding by themselves; those on the far side show at the
    // regular look.
    backoff.reset();
    return base::jittered(pass.binding.spec.checkInterval, settings_.checkJitter, random_);
}

}  // namespace certbinder::binding
