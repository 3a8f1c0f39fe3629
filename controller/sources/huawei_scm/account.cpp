#include "sources/huawei_scm/account.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "certificate/checks.h"

namespace certbinder::sources::scm {
namespace {

using base::CallContext;
using base::Error;
using base::Expected;
using base::Reason;
using base::SteadyTime;

constexpr const char* kNotReadyCode = "SCM.0010";

/// Whether it is the certificate that is at fault, rather than the way to it: then another one may do.
bool isOfTheCertificate(Reason reason) {
    return reason == Reason::kKeyNotExportable || reason == Reason::kInvalidCertificate ||
           reason == Reason::kKeyMismatch || reason == Reason::kNoMatchingCertificate;
}

bool mayBeExported(const Shown& shown) {
    return shown.status == kIssued || shown.status == kUploaded || shown.status.empty();
}

/// Why a certificate does not do for the domain although the listing says so.
std::optional<std::string> objection(const certificate::CertificateInfo& leaf, const std::string& domain,
                                     base::WallTime now) {
    if (leaf.notAfter < now) {
        return "expired on " + base::formatTime(leaf.notAfter);
    }
    if (now < leaf.notBefore) {
        return "is valid only from " + base::formatTime(leaf.notBefore) + " on";
    }
    if (!certificate::covers(leaf, domain)) {
        return "does not cover it by its own names";
    }
    return std::nullopt;
}

}  // namespace

Account::Account(const Settings& settings, std::unique_ptr<ScmClient> client, const base::Clock& clock)
    : settings_(settings), client_(std::move(client)), clock_(clock) {}

Expected<Account::ListingPtr> Account::listing(const std::string& enterpriseProjectID, SteadyTime notOlderThan,
                                               const CallContext& context) {
    std::shared_ptr<runtime::SharedLookup<ListingPtr>> lookup;
    {
        auto all = listings_.lock();
        auto& known = (*all)[enterpriseProjectID];
        if (!known) {
            known = std::make_shared<runtime::SharedLookup<ListingPtr>>(clock_);
        }
        lookup = known;
    }
    const auto load = [&](const CallContext& c) -> Expected<ListingPtr> {
        auto fresh = client_->list(enterpriseProjectID, c);
        if (!fresh) {
            return base::unexpected(std::move(fresh.error()));
        }
        return std::make_shared<const Listing>(std::move(*fresh));
    };
    return lookup->get(notOlderThan, load, context);
}

Expected<Account::KnownPtr> Account::take(const std::string& id, Shown shown, const CallContext& context) {
    auto known = std::make_shared<Known>();
    known->shown = std::move(shown);
    const auto refused = [&](Error error) -> KnownPtr {
        known->refusal = std::move(error);
        return known;
    };
    if (!mayBeExported(known->shown)) {
        return refused(Error(Reason::kNoMatchingCertificate,
                             "certificate " + id + " is in state " + base::printable(known->shown.status, 64) +
                                 "; only issued and uploaded ones can be exported: wait for it to be issued, or take "
                                 "another one"));
    }
    auto exported = client_->exportCertificate(id, context);
    if (!exported) {
        if (exported.error().reason() != Reason::kKeyNotExportable) {
            return base::unexpected(std::move(exported.error()));
        }
        if (exported.error().code() == kNotReadyCode) {
            known->askAgainAt = clock_.steadyNow() + settings_.refusalMemory;
        }
        return refused(std::move(exported.error()));
    }
    if (base::trim(exported->keyPem.reveal()).empty()) {
        return refused(Error(Reason::kKeyNotExportable,
                             "certificate " + id +
                                 " comes without its private key: its CSR was made elsewhere, so SCM does not have it; "
                                 "import certificate and key into SCM, or use a Secret as the source"));
    }
    auto bundle = certificate::makeBundle(exported->certificatePem, exported->keyPem, clock_.wallNow());
    if (!bundle) {
        return refused(std::move(bundle.error()).in("certificate " + id));
    }
    known->bundle = std::make_shared<const certificate::Bundle>(std::move(*bundle));
    return KnownPtr(std::move(known));
}

Expected<Account::KnownPtr> Account::look(const std::string& id, const std::optional<KnownPtr>& previous,
                                          const CallContext& context) {
    auto shown = client_->show(id, context);
    if (!shown) {
        return base::unexpected(std::move(shown.error()));
    }
    if (previous && (*previous)->shown == *shown) {
        const auto& askAgainAt = (*previous)->askAgainAt;
        if (!askAgainAt || clock_.steadyNow() < *askAgainAt) {
            return *previous;
        }
    }
    return take(id, std::move(*shown), context);
}

Expected<Account::BundlePtr> Account::bundle(const std::string& id, SteadyTime notOlderThan,
                                             const CallContext& context) {
    std::shared_ptr<runtime::SharedLookup<KnownPtr>> lookup;
    {
        auto entries = entries_.lock();
        Entry& entry = entries->byID[id];
        if (!entry.lookup) {
            entry.lookup = std::make_shared<runtime::SharedLookup<KnownPtr>>(clock_);
        }
        entry.lastUse = clock_.steadyNow();
        lookup = entry.lookup;
    }
    const auto load = [&](const CallContext& c) { return look(id, lookup->last(), c); };
    auto known = lookup->get(notOlderThan, load, context);
    if (!known) {
        return base::unexpected(std::move(known.error()));
    }
    if ((*known)->refusal) {
        return base::unexpected(*(*known)->refusal);
    }
    return (*known)->bundle;
}

void Account::settle(const std::string& request, const std::string& id) {
    const SteadyTime now = clock_.steadyNow();
    auto entries = entries_.lock();
    const std::string before = std::exchange((*entries).byRequest[request], {id, now}).id;
    const auto isUsed = [&](const std::string& other) {
        return std::any_of(entries->byRequest.begin(), entries->byRequest.end(),
                           [&](const auto& use) { return use.second.id == other; });
    };
    if (!before.empty() && before != id && !isUsed(before)) {
        entries->byID.erase(before);
    }
    const auto forgetIdle = [&](auto& all) {
        for (auto entry = all.begin(); entry != all.end();) {
            entry = entry->second.lastUse + settings_.idle < now ? all.erase(entry) : std::next(entry);
        }
    };
    forgetIdle(entries->byRequest);
    forgetIdle(entries->byID);
}

Expected<Sourced> Account::forDomain(const std::string& domain, const std::string& enterpriseProjectID,
                                     SteadyTime notOlderThan, const CallContext& context) {
    auto all = listing(enterpriseProjectID, notOlderThan, context);
    if (!all) {
        return base::unexpected(std::move(all.error()));
    }
    std::optional<Sourced> best;
    std::string bestExpireTime;
    std::optional<Error> failure;  // of the first candidate that is at fault itself
    std::vector<std::string> passedOver;
    for (const ListedCertificate& candidate : candidates(**all, domain)) {
        // Those behind expire earlier; only among equals do the leaves decide.
        if (best && candidate.expireTime != bestExpireTime) {
            break;
        }
        auto loaded = bundle(candidate.id, notOlderThan, context);
        if (!loaded) {
            if (!isOfTheCertificate(loaded.error().reason())) {
                return base::unexpected(std::move(loaded.error()));
            }
            passedOver.push_back(loaded.error().message());
            if (!failure && loaded.error().reason() != Reason::kNoMatchingCertificate) {
                failure = std::move(loaded.error());
            }
            continue;
        }
        const certificate::CertificateInfo& leaf = (*loaded)->leaf;
        if (const auto why = objection(leaf, domain, clock_.wallNow())) {
            passedOver.push_back(candidate.id + " " + *why);
        } else if (!best || isPreferred(leaf, candidate.id, best->bundle->leaf, best->id)) {
            best = Sourced{candidate.id, std::move(*loaded)};
            bestExpireTime = candidate.expireTime;
        }
    }
    if (!best) {
        return base::unexpected(failure ? std::move(*failure) : noneFits(**all, domain, passedOver));
    }
    for (const std::string& sentence : passedOver) {
        base::logDebug("a newer certificate is passed over", {{"domain", domain}, {"error", sentence}});
    }
    settle(enterpriseProjectID + "/" + domain, best->id);
    return std::move(*best);
}

Expected<Sourced> Account::pinned(const std::string& id, SteadyTime notOlderThan, const CallContext& context) {
    auto loaded = bundle(id, notOlderThan, context);
    if (!loaded) {
        return base::unexpected(std::move(loaded.error()));
    }
    settle(id, id);
    return Sourced{id, std::move(*loaded)};
}

}  // namespace certbinder::sources::scm
