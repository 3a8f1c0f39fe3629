#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/guarded.h"
#include "certificate/bundle.h"
#include "runtime/shared_lookup.h"
#include "sources/certificate_source.h"
#include "sources/huawei_scm/client.h"
#include "sources/huawei_scm/selection.h"
#include "sources/huawei_scm/settings.h"

namespace certbinder::sources::scm {

/// What all bindings of one account at one endpoint share: the client with its pace, the listing, and each certificate
/// that any of them uses. One listing and one look at a certificate serve all who may have an answer of that age; its
/// key is exported once, and again only when the service tells of other bytes or another state under its id. A key is
/// forgotten as soon as no request leads to it any more. Thread-safe. Settings and Clock must outlive it.
class Account {
  public:
    Account(const Settings& settings, std::unique_ptr<ScmClient> client, const base::Clock& clock);

    /// The certificate for a domain: of those that are valid now by their own dates, the one that stays so longest.
    /// One that cannot be had (no key, not sound) is passed over if another fits.
    base::Expected<Sourced> forDomain(const std::string& domain, const std::string& enterpriseProjectID,
                                      base::SteadyTime notOlderThan, const base::CallContext& context);

    /// Exactly that certificate.
    base::Expected<Sourced> pinned(const std::string& id, base::SteadyTime notOlderThan,
                                   const base::CallContext& context);

  private:
    using BundlePtr = std::shared_ptr<const certificate::Bundle>;
    using ListingPtr = std::shared_ptr<const Listing>;

    /// What is known of a certificate: its bundle, or why there is none.
    struct Known {
        Shown shown;
        BundlePtr bundle;
        std::optional<base::Error> refusal;
        std::optional<base::SteadyTime> askAgainAt;  ///< where time may heal the refusal
    };
    using KnownPtr = std::shared_ptr<const Known>;

    struct Entry {
        std::shared_ptr<runtime::SharedLookup<KnownPtr>> lookup;
        base::SteadyTime lastUse;
    };
    struct Use {
        std::string id;
        base::SteadyTime lastUse;
    };
    struct Entries {
        std::map<std::string, Entry> byID;
        std::map<std::string, Use> byRequest;  // what a domain or a pinned id led to
    };

    base::Expected<ListingPtr> listing(const std::string& enterpriseProjectID, base::SteadyTime notOlderThan,
                                       const base::CallContext& context);
    base::Expected<BundlePtr> bundle(const std::string& id, base::SteadyTime notOlderThan,
                                     const base::CallContext& context);
    base::Expected<KnownPtr> look(const std::string& id, const std::optional<KnownPtr>& previous,
                                  const base::CallContext& context);
    base::Expected<KnownPtr> take(const std::string& id, Shown shown, const base::CallContext& context);
    void settle(const std::string& request, const std::string& id);

    const Settings& settings_;
    const std::unique_ptr<ScmClient> client_;
    const base::Clock& clock_;

    base::Guarded<std::map<std::string, std::shared_ptr<runtime::SharedLookup<ListingPtr>>>> listings_;
    base::Guarded<Entries> entries_;
};

}  // namespace certbinder::sources::scm
