#include "targets/slb_listener/deployment.h"

#include <algorithm>
#include <utility>

#include "base/backoff.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "certificate/bundle.h"
#include "certificate/checks.h"
#include "targets/slb_listener/errors.h"
#include "targets/slb_listener/listener_plan.h"

namespace certbinder::targets::slb {

using base::Error;
using base::Expected;
using base::Reason;

Outcome Deployment::deploy() {
    if (auto brought = bring(); !brought) {
        outcome_.error = std::move(brought.error());
        if (now_ && session_.fillDeployed(outcome_.after, referenceIn(*now_))) {
            return std::move(outcome_);
        }
        outcome_.after.looked = false;
        return std::move(outcome_);
    }
    if (auto filled = session_.fillDeployed(outcome_.after, referenceIn(*now_)); !filled) {
        outcome_.error = std::move(filled.error());
        return std::move(outcome_);
    }
    judge(prove());
    if (!outcome_.error) {
        if (auto unchanged = checkNothingElseChanged(); !unchanged) {
            outcome_.error = std::move(unchanged.error());
        }
    }
    return std::move(outcome_);
}

Outcome Deployment::activate() {
    auto found = look();
    Expected<void> ready;
    if (!found) {
        ready = base::unexpected(std::move(found.error()));
    } else if (!*found) {
        ready = base::unexpected(Reason::kTargetNotFound, session_.balancerText() + " has no HTTPS listener on port " +
                                                              std::to_string(session_.target.port));
    } else {
        ready = start();
    }
    if (ready) {
        ready = session_.fillDeployed(outcome_.after, referenceIn(*now_));
    }
    if (!ready) {
        outcome_.error = std::move(ready.error());
        outcome_.after.looked = false;
        return std::move(outcome_);
    }
    judge(prove());
    return std::move(outcome_);
}

// ---- bringing it there ----

Expected<void> Deployment::checkKey() const {
    if (session_.request.wanted.rsa) {
        return {};
    }
    return base::unexpected(Reason::kInvalidCertificate,
                            "the certificate's key is " + session_.wanted.key +
                                ", and classic load balancers take RSA keys only; have the certificate issued with an "
                                "RSA key of 2048 bits");
}

Expected<void> Deployment::bring() {
    if (auto fine = checkKey(); !fine) {
        return fine;
    }
    auto found = look();
    if (!found) {
        return base::unexpected(std::move(found.error()));
    }
    before_ = *found;
    if (!before_ && !session_.target.listener) {
        return base::unexpected(Reason::kTargetNotFound, session_.balancerText() + " has no HTTPS listener on port " +
                                                             std::to_string(session_.target.port) +
                                                             "; create it, or add a listener block to have it created");
    }
    previous_ = before_ ? referenceIn(*before_) : std::string();
    auto certificateID = upload();
    if (!certificateID) {
        return base::unexpected(std::move(certificateID.error()));
    }
    if (!before_) {
        if (auto created = create(*certificateID); !created) {
            return created;
        }
    }
    if (auto referred = refer(*certificateID); !referred) {
        return referred;
    }
    return start();
}

Expected<std::string> Deployment::upload() {
    Session& s = session_;
    // Whoever comes second finds what the first has uploaded.
    auto hold = s.account.uploads().acquire(s.wanted.fingerprintSHA256, s.context);
    if (!hold) {
        return base::unexpected(Reason::kThrottled,
                                "the time ran out while another upload of the same certificate was going on");
    }
    for (const base::SteadyTime oldest : {s.request.notOlderThan, s.clock.steadyNow()}) {
        // The second look: an upload cannot be undone by repeating, so the last word is asked for right before it.
        auto store = s.account.certificates(oldest, s.context);
        if (!store) {
            return base::unexpected(std::move(store.error()));
        }
        if (const ServerCertificate* entry = findUpload(*store, s.wanted, previous_)) {
            return entry->id;
        }
    }
    return uploadNew();
}

Expected<std::string> Deployment::uploadNew() {
    Session& s = session_;
    auto key = certificate::toPkcs1Pem(s.request.wanted);
    if (!key) {
        return base::unexpected(std::move(key.error()));
    }
    const SlbClient::Upload upload{uploadName(s.wanted), s.request.wanted.chainPem, key->reveal(),
                                   uploadTags(s.wanted)};
    base::Backoff wait(s.settings.lostAnswerWait);
    for (int tries = 1;; ++tries) {
        auto id = s.account.client().uploadCertificate(upload, s.context);
        if (id) {
            outcome_.changed = true;
            s.account.noteCertificate(
                {*id, upload.name, s.wanted.fingerprintSHA1, s.wanted.notAfter, s.clock.wallNow(), false, upload.tags});
            base::logInfo("certificate uploaded", {{"region", s.target.region},
                                                   {"serverCertificateID", *id},
                                                   {"fingerprint", s.wanted.fingerprintSHA256}});
            return id;
        }
        if (!outcomeUnknown(id.error())) {
            return base::unexpected(describeUploadError(std::move(id.error())));
        }
        if (!s.rest(wait.next(s.random))) {
            return id;
        }
        auto store = s.account.certificates(s.clock.steadyNow(), s.context);
        if (!store) {
            return base::unexpected(std::move(store.error()));
        }
        if (const ServerCertificate* entry = findUpload(*store, s.wanted, previous_)) {
            outcome_.changed = true;
            return entry->id;
        }
        if (tries >= s.settings.mostWriteTries) {
            return id;
        }
    }
}

Error Deployment::describeUploadError(Error error) {
    Session& s = session_;
    if (error.reason() != Reason::kQuotaExceeded) {
        return error;
    }
    auto store = s.account.certificates(s.request.notOlderThan, s.context);
    if (!store) {
        return error;
    }
    const base::WallTime now = s.clock.wallNow();
    const auto count = [&](auto that) { return std::to_string(std::count_if(store->begin(), store->end(), that)); };
    const std::string own = count([](const ServerCertificate& c) { return c.tags.contains(kManagedTag); });
    const std::string expired = count([&](const ServerCertificate& c) { return c.notAfter && *c.notAfter < now; });
    return Error(Reason::kQuotaExceeded,
                 s.target.region + " takes no further certificate: it holds " + std::to_string(store->size()) + ", " +
                     own + " of them uploaded by certbinder, " + expired +
                     " expired; delete those that no listener uses, or have the quota slb_quota_certs_num raised (" +
                     error.bareMessage() + ")")
        .withCode(error.code());
}

Expected<void> Deployment::create(const std::string& certificateID) {
    Session& s = session_;
    auto spec = balancerSpec();
    if (!spec) {
        return base::unexpected(std::move(spec.error()));
    }
    auto parameters = createParameters(s.target, *spec, certificateID);
    if (!parameters) {
        return base::unexpected(std::move(parameters.error()));
    }
    auto created = settle([&] { return s.account.client().createListener(parameters->clone(), s.context); },
                          [](const Attributes& seen) { return seen.has_value(); });
    if (!created && created.error().code() == "ListenerAlreadyExists") {
        auto seen = look();
        if (!seen) {
            return base::unexpected(std::move(seen.error()));
        }
        if (!*seen) {
            return base::unexpected(Reason::kConflict, "port " + std::to_string(s.target.port) + " of " +
                                                           s.balancerText() +
                                                           " is taken by a listener of another protocol");
        }
    } else if (!created) {
        return base::unexpected(std::move(created.error()).in("creating a listener of " + s.balancerText()));
    }
    auto seen = awaitState([](const ListenerAttributes&) { return true; }, "be created");
    if (!seen) {
        return base::unexpected(std::move(seen.error()));
    }
    return {};
}

Expected<std::string> Deployment::balancerSpec() {
    Session& s = session_;
    auto balancer = s.account.loadBalancer(s.target.loadBalancerID, s.request.notOlderThan, s.context);
    if (!balancer) {
        return base::unexpected(std::move(balancer.error()));
    }
    return *balancer ? (*balancer)->spec : std::string();
}

Expected<void> Deployment::refer(const std::string& certificateID) {
    const ListenerAttributes now = *now_;
    if (referenceIn(now) == certificateID) {
        return {};
    }
    auto referred =
        session_.target.serverName.empty() ? referDefault(now, certificateID) : referExtension(now, certificateID);
    if (!referred) {
        return base::unexpected(std::move(referred.error()).in("changing " + session_.referenceText()));
    }
    switched_ = true;
    auto seen = awaitState([&](const ListenerAttributes& a) { return referenceIn(a) == certificateID; },
                           "refer to the new certificate");
    if (!seen) {
        return base::unexpected(std::move(seen.error()));
    }
    return {};
}

Expected<void> Deployment::referDefault(const ListenerAttributes& now, const std::string& certificateID) {
    Session& s = session_;
    auto spec = balancerSpec();
    if (!spec) {
        return base::unexpected(std::move(spec.error()));
    }
    const Parameters parameters = setParameters(s.target.loadBalancerID, s.target.port, now, *spec, certificateID);
    return settle([&] { return s.account.client().setListener(parameters.clone(), s.context); },
                  [&](const Attributes& seen) { return seen && seen->serverCertificateID == certificateID; });
}

Expected<void> Deployment::referExtension(const ListenerAttributes& now, const std::string& certificateID) {
    Session& s = session_;
    SlbClient& client = s.account.client();
    const DomainExtension* extension = now.extension(s.target.serverName);
    return settle(
        [&] {
            return extension != nullptr
                       ? client.setExtension(extension->id, certificateID, s.context)
                       : client.createExtension(s.target.loadBalancerID, s.target.port,
                                                base::toLower(s.target.serverName), certificateID, s.context);
        },
        [&](const Attributes& seen) { return seen && referenceIn(*seen) == certificateID; });
}

Expected<void> Deployment::start() {
    Session& s = session_;
    if (now_->status == "running") {
        return {};
    }
    auto settled = awaitState([](const ListenerAttributes&) { return true; }, "come to rest");
    if (settled && settled->status == "stopped") {
        // A stopped listener serves nobody, and a new one is always stopped.
        auto begun = settle(
            [&] { return s.account.client().startListener(s.target.loadBalancerID, s.target.port, s.context); },
            [](const Attributes& seen) { return seen && (seen->status == "running" || seen->status == "starting"); });
        if (!begun) {
            return base::unexpected(std::move(begun.error()).in("starting a listener of " + s.balancerText()));
        }
        started_ = true;
        settled = awaitState([](const ListenerAttributes& a) { return a.status == "running"; }, "run");
    }
    if (!settled) {
        return base::unexpected(std::move(settled.error()));
    }
    return {};
}

Expected<void> Deployment::checkNothingElseChanged() {
    if (!before_ || !switched_ || !now_) {
        return {};
    }
    const std::vector<std::string> changed = differences(*before_, *now_);
    if (changed.empty()) {
        return {};
    }
    return base::unexpected(
        Reason::kInternalError,
        "changing the certificate of " + session_.referenceText() +
            " changed other settings too, which have to be put right by hand: " + base::join(changed, ", "));
}

// ---- proving it ----

Deployment::Proof Deployment::prove() {
    Session& s = session_;
    Observation& after = outcome_.after;
    auto where = s.place();
    if (!where || !*where) {
        if (!where) {
            after.probe = ProbeState::kFailed;
            after.probeError = std::move(where.error());
        }
        return where ? Proof::kNoAddress : Proof::kNoHandshake;
    }
    place_ = **where;
    const base::SteadyTime begin = s.clock.steadyNow();
    const base::SteadyTime last = s.context.deadline == base::SteadyTime::max()
                                      ? base::SteadyTime::max()
                                      : std::max(s.context.deadline - s.settings.rollBackReserve,
                                                 std::min(begin + s.probeTimeout(), s.context.deadline));
    base::Backoff wait(s.settings.probeWait);
    for (;;) {
        s.shakeHands(after, *place_);
        if (after.served && after.served->fingerprintSHA256 == s.wanted.fingerprintSHA256) {
            return Proof::kProven;
        }
        if (after.served) {
            other_ = after.served;
        }
        const bool patient = other_ || started_;
        const auto patience = patient ? s.settings.propagationPatience : s.settings.unreachablePatience;
        const base::SteadyTime next = s.clock.steadyNow() + wait.next(s.random);
        if (next > begin + patience || next > last) {
            break;
        }
        if (!s.clock.waitUntil(next, s.context.stop)) {
            return Proof::kCutShort;
        }
    }
    if (s.context.stop.stop_requested()) {
        return Proof::kCutShort;
    }
    return other_ ? Proof::kOtherCertificate : Proof::kNoHandshake;
}

std::string Deployment::servedFrom() const {
    return place_->address + ":" + std::to_string(place_->port) + " for " + place_->serverName;
}

std::string Deployment::extensionHint() const {
    if (!session_.target.serverName.empty() || !now_) {
        return {};
    }
    certificate::CertificateInfo named;
    for (const DomainExtension& extension : now_->extensions) {
        named.dnsNames = {extension.domain};
        if (certificate::covers(named, place_->serverName)) {
            return " (the listener has a certificate of its own for the domain " + extension.domain +
                   "; name another probe.serverName)";
        }
    }
    return {};
}

void Deployment::judge(Proof proof) {
    Session& s = session_;
    switch (proof) {
        case Proof::kNoAddress:
        case Proof::kProven:
            return;
        case Proof::kCutShort:
            outcome_.error = Error(Reason::kUnreachable, s.referenceText() + " refers to the certificate " +
                                                             s.wanted.fingerprintSHA256 +
                                                             ", but there was no time left to prove that it is served");
            return;
        case Proof::kNoHandshake: {
            const std::string why = outcome_.after.probeError ? outcome_.after.probeError->message() : "no handshake";
            outcome_.error = Error(Reason::kUnreachable,
                                   s.referenceText() + " refers to the certificate " + s.wanted.fingerprintSHA256 +
                                       ", but that could not be proven from here: " + why +
                                       "; give a probe address that can be reached, or turn the probe off");
            return;
        }
        case Proof::kOtherCertificate:
            outcome_.after.probe = ProbeState::kServed;
            outcome_.after.served = other_;
            outcome_.after.probeError.reset();
            rollBack(s.referenceText() + " refers to the certificate " + s.wanted.fingerprintSHA256 +
                     ", but clients of " + servedFrom() + " get " + other_->fingerprintSHA256 + extensionHint());
            return;
    }
}

void Deployment::rollBack(std::string what) {
    Session& s = session_;
    if (!switched_ || (previous_.empty() && s.target.serverName.empty())) {
        outcome_.error =
            Error(Reason::kServedCertificateDiffers,
                  std::move(what) + "; nothing was taken back, since there is no earlier certificate to go back to");
        return;
    }
    auto back = switchBack();
    if (!back) {
        outcome_.error = Error(Reason::kServedCertificateDiffers,
                               std::move(what) + "; switching back failed: " + back.error().message());
        return;
    }
    outcome_.rolledBack = true;
    outcome_.error = Error(Reason::kServedCertificateDiffers,
                           std::move(what) + "; " + s.referenceText() + " is back as it was" +
                               (previous_.empty() ? "" : ", with the server certificate " + previous_));
    if (auto filled = s.fillDeployed(outcome_.after, previous_); !filled) {
        outcome_.after.looked = false;
    }
    s.shakeHands(outcome_.after, *place_);
}

Expected<void> Deployment::switchBack() {
    Session& s = session_;
    auto found = look();
    if (!found) {
        return base::unexpected(std::move(found.error()));
    }
    if (!*found) {
        return base::unexpected(Reason::kTargetNotFound, "the listener is gone");
    }
    const ListenerAttributes now = **found;
    Expected<void> back;
    if (s.target.serverName.empty()) {
        back = referDefault(now, previous_);
    } else if (!previous_.empty()) {
        back = referExtension(now, previous_);
    } else if (const DomainExtension* extension = now.extension(s.target.serverName)) {
        back = settle([&] { return s.account.client().deleteExtension(extension->id, s.context); },
                      [&](const Attributes& seen) { return seen && referenceIn(*seen).empty(); });
    }
    if (!back) {
        return back;
    }
    auto seen = awaitState([&](const ListenerAttributes& a) { return referenceIn(a) == previous_; },
                           "refer to the earlier certificate");
    if (!seen) {
        return base::unexpected(std::move(seen.error()));
    }
    return {};
}

// ---- looking and waiting ----

std::string Deployment::referenceIn(const ListenerAttributes& attributes) const {
    if (session_.target.serverName.empty()) {
        return attributes.serverCertificateID;
    }
    const DomainExtension* extension = attributes.extension(session_.target.serverName);
    return extension == nullptr ? std::string() : extension->serverCertificateID;
}

Expected<Deployment::Attributes> Deployment::look() {
    Session& s = session_;
    auto seen = s.account.client().describeListener(s.target.loadBalancerID, s.target.port, s.context);
    if (!seen) {
        if (isLoadBalancerMissing(seen.error())) {
            return base::unexpected(
                Error(Reason::kTargetNotFound, "there is no " + s.balancerText() +
                                                   "; check loadBalancerID and region, and that the "
                                                   "credentials are those of its account")
                    .withCode(seen.error().code()));
        }
        return base::unexpected(std::move(seen.error()));
    }
    now_ = *seen;
    if (now_) {
        s.account.noteListener(s.target.loadBalancerID, s.target.port, *now_);
    }
    return std::move(*seen);
}

Expected<ListenerAttributes> Deployment::awaitState(const std::function<bool(const ListenerAttributes&)>& done,
                                                    const std::string& what) {
    Session& s = session_;
    const base::SteadyTime end = s.clock.steadyNow() + s.settings.transitionPatience;
    base::Backoff wait(s.settings.transitionWait);
    for (;;) {
        auto seen = look();
        if (!seen) {
            return base::unexpected(std::move(seen.error()));
        }
        if (*seen && !(*seen)->inTransition() && done(**seen)) {
            return std::move(**seen);
        }
        if (s.clock.steadyNow() >= end || !s.rest(wait.next(s.random))) {
            const std::string state = *seen ? (*seen)->status : "missing";
            return base::unexpected(Reason::kThrottled, s.referenceText() + " did not " + what +
                                                            " in time; the listener is " + base::printable(state, 40));
        }
    }
}

Expected<void> Deployment::settle(const std::function<Expected<void>()>& change,
                                  const std::function<bool(const Attributes&)>& done) {
    Session& s = session_;
    base::Backoff wait(s.settings.lostAnswerWait);
    for (int tries = 1;; ++tries) {
        auto made = change();
        if (made || !outcomeUnknown(made.error())) {
            outcome_.changed = outcome_.changed || made.has_value();
            return made;
        }
        outcome_.changed = true;  // perhaps; who is told of a change looks again, who is not does not
        if (!s.rest(wait.next(s.random))) {
            return made;
        }
        auto seen = look();
        if (!seen) {
            return base::unexpected(std::move(seen.error()));
        }
        if (done(*seen)) {
            return {};
        }
        if (tries >= s.settings.mostWriteTries) {
            return made;
        }
    }
}

}  // namespace certbinder::targets::slb
