#include "targets/slb_listener/account.h"

#include <algorithm>

namespace certbinder::targets::slb {
namespace {

using base::CallContext;
using base::Expected;
using base::SteadyTime;

/// Goes through all pages. `fetch(token)` gives a page, `take(item)` keeps an item.
template <typename Fetch, typename Take>
Expected<void> forEachPage(Fetch fetch, Take take) {
    std::string token;
    for (;;) {
        auto page = fetch(token);
        if (!page) {
            return base::unexpected(std::move(page.error()));
        }
        for (auto& item : page->items) {
            take(std::move(item));
        }
        if (page->next.empty()) {
            return {};
        }
        if (page->next == token) {
            return base::unexpected(base::Reason::kInternalError,
                                    "the listing goes round in circles: a page names itself as the next");
        }
        token = std::move(page->next);
    }
}

template <typename Map>
auto findIn(const Map& map, const typename Map::key_type& key) -> std::optional<typename Map::mapped_type> {
    const auto found = map.find(key);
    return found == map.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

Account::Account(std::unique_ptr<SlbClient> client, const base::Clock& clock)
    : client_(std::move(client)),
      clock_(clock),
      listeners_(clock),
      loadBalancers_(clock),
      certificates_(clock),
      uploads_(clock) {}

Expected<Account::Listeners> Account::loadListeners(const CallContext& context) {
    Listeners all;
    auto done = forEachPage([&](const std::string& token) { return client_->describeListeners(token, context); },
                            [&](ListenerEntry entry) {
                                ListenerKey key{entry.loadBalancerID, entry.port};
                                all.insert_or_assign(std::move(key), std::move(entry));
                            });
    if (!done) {
        return base::unexpected(std::move(done.error()));
    }
    return all;
}

Expected<Account::LoadBalancers> Account::loadLoadBalancers(const CallContext& context) {
    LoadBalancers all;
    auto done = forEachPage([&](const std::string& token) { return client_->describeLoadBalancers(token, context); },
                            [&](LoadBalancer balancer) {
                                std::string id = balancer.id;
                                all.insert_or_assign(std::move(id), std::move(balancer));
                            });
    if (!done) {
        return base::unexpected(std::move(done.error()));
    }
    return all;
}

Expected<std::optional<ListenerEntry>> Account::listener(const std::string& loadBalancerID, std::uint16_t port,
                                                         SteadyTime notOlderThan, const CallContext& context) {
    return listeners_.with(
        notOlderThan, [this](const CallContext& c) { return loadListeners(c); }, context,
        [&](const Listeners& all) {
            return findIn(all, {loadBalancerID, port});
        });
}

Expected<std::optional<LoadBalancer>> Account::loadBalancer(const std::string& id, SteadyTime notOlderThan,
                                                            const CallContext& context) {
    return loadBalancers_.with(
        notOlderThan, [this](const CallContext& c) { return loadLoadBalancers(c); }, context,
        [&](const LoadBalancers& all) { return findIn(all, id); });
}

Expected<std::vector<ServerCertificate>> Account::certificates(SteadyTime notOlderThan, const CallContext& context) {
    return certificates_.with(
        notOlderThan, [this](const CallContext& c) { return client_->describeCertificates(c); }, context,
        [](const std::vector<ServerCertificate>& all) { return all; });
}

Expected<std::optional<ServerCertificate>> Account::certificate(const std::string& id, SteadyTime notOlderThan,
                                                                const CallContext& context) {
    const auto find = [&](SteadyTime oldest) {
        return certificates_.with(
            oldest, [this](const CallContext& c) { return client_->describeCertificates(c); }, context,
            [&](const std::vector<ServerCertificate>& all) {
                const auto found =
                    std::find_if(all.begin(), all.end(), [&](const ServerCertificate& c) { return c.id == id; });
                return found == all.end() ? std::nullopt : std::optional(*found);
            });
    };
    auto found = find(notOlderThan);
    if (found && !*found) {
        return find(clock_.steadyNow());
    }
    return found;
}

std::shared_ptr<Account::Extensions> Account::extensionsOf(const ListenerKey& key) {
    auto all = extensions_.lock();
    std::shared_ptr<Extensions>& entry = (*all)[key];
    if (!entry) {
        entry = std::make_shared<Extensions>(clock_);
    }
    return entry;
}

Expected<std::vector<DomainExtension>> Account::extensions(const std::string& loadBalancerID, std::uint16_t port,
                                                           SteadyTime notOlderThan, const CallContext& context) {
    const auto load = [&](const CallContext& c) -> Expected<std::vector<DomainExtension>> {
        auto attributes = client_->describeListener(loadBalancerID, port, c);
        if (!attributes) {
            return base::unexpected(std::move(attributes.error()));
        }
        return *attributes ? std::move((*attributes)->extensions) : std::vector<DomainExtension>();
    };
    return extensionsOf({loadBalancerID, port})
        ->with(notOlderThan, load, context, [](const std::vector<DomainExtension>& all) { return all; });
}

void Account::noteListener(const std::string& loadBalancerID, std::uint16_t port,
                           const ListenerAttributes& attributes) {
    const ListenerEntry entry{loadBalancerID, port, attributes.status, attributes.serverCertificateID};
    listeners_.patch(
        [entry](Listeners& all) { all.insert_or_assign(ListenerKey(entry.loadBalancerID, entry.port), entry); });
    extensionsOf({loadBalancerID, port})
        ->patch([extensions = attributes.extensions](std::vector<DomainExtension>& all) { all = extensions; });
}

void Account::noteCertificate(const ServerCertificate& certificate) {
    certificates_.patch([certificate](std::vector<ServerCertificate>& all) {
        const bool there =
            std::any_of(all.begin(), all.end(), [&](const ServerCertificate& c) { return c.id == certificate.id; });
        if (!there) {
            all.push_back(certificate);
        }
    });
}

}  // namespace certbinder::targets::slb
