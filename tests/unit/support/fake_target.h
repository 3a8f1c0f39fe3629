#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "targets/certificate_target.h"

namespace certbinder::test {

/// Hosts or listeners in memory that obey the contract of a target. Thread-safe.
class FakeTarget final : public targets::CertificateTarget {
  public:
    /// One endpoint and how it behaves.
    struct Site {
        std::optional<certificate::CertificateInfo> deployed;
        std::optional<certificate::CertificateInfo> served;
        std::vector<std::string> faults;
        bool interrupted = false;
        bool probed = true;
        std::optional<base::Error> lookError;  ///< of every look
        std::optional<base::Error> actError;   ///< of every act
        bool rollsBack = false;                ///< a failing act takes back what it did
        bool idle = false;                     ///< an act says it went well and does nothing
        bool blind = false;                    ///< a failing act leaves nothing to be seen
    };

    /// Called before a look or an act, outside of any lock; may block or throw.
    std::function<void(const targets::Endpoint&)> onObserve;
    std::function<void(const base::CallContext&)> onLook;
    std::function<void(const targets::Endpoint&, const base::CallContext&)> onAct;
    std::optional<base::Error> fault;  ///< what `check` says

    void change(const std::string& endpoint, const std::function<void(Site&)>& how) {
        const std::scoped_lock lock(mutex_);
        how(sites_[endpoint]);
    }
    Site site(const std::string& endpoint) {
        const std::scoped_lock lock(mutex_);
        return sites_[endpoint];
    }

    /// What was asked of it, such as `full a:22`, `served a:22`, `deploy a:22`, `activate a:22`; in a thread's order.
    std::vector<std::string> calls() const {
        const std::scoped_lock lock(mutex_);
        return calls_;
    }
    void forgetCalls() {
        const std::scoped_lock lock(mutex_);
        calls_.clear();
    }

    std::vector<targets::Endpoint> endpoints(const api::CertificateBinding& binding) const override {
        std::vector<targets::Endpoint> all;
        if (const auto* nginx = std::get_if<api::NginxTarget>(&binding.spec.target)) {
            for (const api::NginxHost& host : nginx->hosts) {
                const std::string name = host.address + ":" + std::to_string(host.port);
                all.push_back({name, {"nginx " + name + " " + nginx->certificatePath}});
            }
        } else {
            const auto& slb = std::get<api::SlbListenerTarget>(binding.spec.target);
            const std::string name = slb.loadBalancerID + ":" + std::to_string(slb.port);
            all.push_back({name, {"slb " + name}});
        }
        return all;
    }

    std::optional<base::Error> check(const api::CertificateBinding&) const override { return fault; }

    base::Expected<targets::Observation> observe(const targets::TargetRequest&, const targets::Endpoint& endpoint,
                                                 targets::Look look, const base::CallContext& context) override {
        if (onLook) {
            onLook(context);
        }
        if (onObserve) {
            onObserve(endpoint);
        }
        const std::scoped_lock lock(mutex_);
        calls_.push_back((look == targets::Look::kFull ? "full " : "served ") + endpoint.name);
        const Site& site = sites_[endpoint.name];
        if (site.lookError) {
            return base::unexpected(*site.lookError);
        }
        return seen(site, look == targets::Look::kFull);
    }

    targets::Outcome act(const targets::TargetRequest& request, const targets::Endpoint& endpoint,
                         targets::Action action, const base::CallContext& context) override {
        if (onAct) {
            onAct(endpoint, context);
        }
        const std::scoped_lock lock(mutex_);
        calls_.push_back((action == targets::Action::kDeploy ? "deploy " : "activate ") + endpoint.name);
        Site& site = sites_[endpoint.name];
        targets::Outcome outcome;
        if (site.actError) {
            outcome.error = site.actError;
            outcome.changed = outcome.rolledBack = site.rollsBack;
            outcome.after = site.blind ? targets::Observation() : seen(site, true);
            return outcome;
        }
        if (site.idle) {
            outcome.after = seen(site, true);
            return outcome;
        }
        site.deployed = site.served = request.wanted.leaf;
        site.faults.clear();
        site.interrupted = false;
        outcome.changed = true;
        outcome.after = seen(site, true);
        return outcome;
    }

  private:
    static targets::Observation seen(const Site& site, bool looked) {
        targets::Observation seen;
        seen.looked = looked;
        if (looked) {
            seen.deployed = site.deployed ? std::optional(targets::Held::of(*site.deployed)) : std::nullopt;
            seen.faults = site.faults;
            seen.interrupted = site.interrupted;
        }
        if (!site.probed) {
            return seen;
        }
        seen.served = site.served;
        seen.probe = site.served ? targets::ProbeState::kServed : targets::ProbeState::kFailed;
        if (!site.served) {
            seen.probeError = base::Error(base::Reason::kUnreachable, "connection refused");
        }
        return seen;
    }

    mutable std::mutex mutex_;
    std::map<std::string, Site> sites_;
    std::vector<std::string> calls_;
};

}  // namespace certbinder::test
