#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/keyed_mutex.h"
#include "runtime/shared_lookup.h"
#include "targets/slb_listener/client.h"

namespace certbinder::targets::slb {

/// What all bindings of one account, region and endpoint share: the client with its pace, and the listings, of which
/// one serves every binding that it is young enough for. Thread-safe. The clock must outlive it.
class Account {
  public:
    Account(std::unique_ptr<SlbClient> client, const base::Clock& clock);

    SlbClient& client() { return *client_; }

    /// Look-ups in the listings; nothing where there is no such thing. `notOlderThan`: the oldest answer that will do.
    base::Expected<std::optional<ListenerEntry>> listener(const std::string& loadBalancerID, std::uint16_t port,
                                                          base::SteadyTime notOlderThan,
                                                          const base::CallContext& context);
    base::Expected<std::optional<LoadBalancer>> loadBalancer(const std::string& id, base::SteadyTime notOlderThan,
                                                             const base::CallContext& context);
    base::Expected<std::vector<ServerCertificate>> certificates(base::SteadyTime notOlderThan,
                                                                const base::CallContext& context);
    /// A certificate that the listing at hand does not show is looked for once more: it may be younger than that.
    base::Expected<std::optional<ServerCertificate>> certificate(const std::string& id, base::SteadyTime notOlderThan,
                                                                 const base::CallContext& context);
    /// One call per listener, so only for listeners that a binding wants an extension of.
    base::Expected<std::vector<DomainExtension>> extensions(const std::string& loadBalancerID, std::uint16_t port,
                                                            base::SteadyTime notOlderThan,
                                                            const base::CallContext& context);

    /// Own changes, noted in the listings at hand so that the next look need not ask for them anew.
    void noteListener(const std::string& loadBalancerID, std::uint16_t port, const ListenerAttributes& attributes);
    void noteCertificate(const ServerCertificate& certificate);

    /// One upload of a certificate at a time, by its fingerprint.
    runtime::KeyedMutex& uploads() { return uploads_; }

  private:
    using ListenerKey = std::pair<std::string, std::uint16_t>;
    using Listeners = std::map<ListenerKey, ListenerEntry>;
    using LoadBalancers = std::map<std::string, LoadBalancer>;
    using Extensions = runtime::SharedLookup<std::vector<DomainExtension>>;

    base::Expected<Listeners> loadListeners(const base::CallContext& context);
    base::Expected<LoadBalancers> loadLoadBalancers(const base::CallContext& context);
    std::shared_ptr<Extensions> extensionsOf(const ListenerKey& key);

    const std::unique_ptr<SlbClient> client_;
    const base::Clock& clock_;

    // These synchronise themselves.
    runtime::SharedLookup<Listeners> listeners_;
    runtime::SharedLookup<LoadBalancers> loadBalancers_;
    runtime::SharedLookup<std::vector<ServerCertificate>> certificates_;
    runtime::KeyedMutex uploads_;
    base::Guarded<std::map<ListenerKey, std::shared_ptr<Extensions>>> extensions_;
};

}  // namespace certbinder::targets::slb
