#include "targets/nginx/nginx_target.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "base/text.h"
#include "targets/nginx/deny.h"
#include "targets/nginx/proof.h"
#include "targets/nginx/site.h"
#include "targets/nginx/transaction.h"

namespace certbinder::targets::nginx {

using base::Error;
using base::Expected;
using base::Reason;
using base::unexpected;

namespace {

const api::NginxTarget& specOf(const api::CertificateBinding& binding) {
    return std::get<api::NginxTarget>(binding.spec.target);
}

std::string endpointName(const api::NginxHost& host) {
    const bool v6 = host.address.find(':') != std::string::npos;
    return (v6 ? "[" + host.address + "]" : host.address) + ":" + std::to_string(host.port);
}

/// The host of an endpoint; null where the binding has changed meanwhile and has it no more.
const api::NginxHost* find(const api::NginxTarget& spec, const Endpoint& endpoint) {
    const auto host = std::find_if(spec.hosts.begin(), spec.hosts.end(),
                                   [&](const api::NginxHost& one) { return endpointName(one) == endpoint.name; });
    return host == spec.hosts.end() ? nullptr : &*host;
}

std::string placeOf(const Endpoint& endpoint) {
    return "host " + endpoint.name;
}

Error noSuchHost(const Endpoint& endpoint) {
    return Error(Reason::kTargetNotFound, placeOf(endpoint) + " is not a host of the binding any more");
}

std::optional<Watch> watchOf(const TargetRequest& request, const api::NginxHost& host, probe::Prober& prober,
                             const base::Clock& clock) {
    const api::ProbeSpec& probe = host.probe ? *host.probe : specOf(request.binding).probe;
    if (!probe.enabled) {
        return std::nullopt;
    }
    probe::Place place;
    place.address = probe.address.empty() ? host.address : probe.address;
    place.port = probe.port;
    place.serverName = probe.serverName.empty() ? probe::probeName(request.wanted.leaf) : probe.serverName;
    return Watch{prober, std::move(place), probe.timeout, clock};
}

}  // namespace

std::vector<Endpoint> NginxTarget::endpoints(const api::CertificateBinding& binding) const {
    const api::NginxTarget& spec = specOf(binding);
    std::vector<Endpoint> endpoints;
    for (const api::NginxHost& host : spec.hosts) {
        const std::string name = endpointName(host);
        // The key's path as well: two bindings that shared it would overwrite each other's key at every pass.
        endpoints.push_back({name, {"nginx/" + name + spec.certificatePath, "nginx/" + name + spec.privateKeyPath}});
    }
    return endpoints;
}

std::optional<Error> NginxTarget::check(const api::CertificateBinding& binding) const {
    const api::NginxTarget& spec = specOf(binding);
    if (spec.sudo) {
        return Error(Reason::kInvalidSpec,
                     "sudo: this version logs in directly as a user who may write the files; set sudo to false and "
                     "ssh.user to such a user");
    }
    if (spec.ssh.jumpHost) {
        return Error(Reason::kInvalidSpec,
                     "ssh.jumpHost: this version logs in to the hosts directly; remove jumpHost and let certbinder "
                     "run where it reaches the hosts");
    }
    if (auto error = checkPath("certificatePath", spec.certificatePath)) {
        return error;
    }
    if (auto error = checkPath("privateKeyPath", spec.privateKeyPath)) {
        return error;
    }
    if (spec.certificatePath == spec.privateKeyPath) {
        return Error(Reason::kInvalidSpec,
                     "certificatePath and privateKeyPath name the same file; the key must be in a file of its own");
    }
    for (const auto& [field, command] :
         {std::pair("testCommand", &spec.testCommand), std::pair("reloadCommand", &spec.reloadCommand)}) {
        if (command->empty() || command->front().empty()) {
            return Error(Reason::kInvalidSpec, std::string(field) + " names no program; give one, with its arguments");
        }
    }
    std::set<std::string> names;
    for (const api::NginxHost& host : spec.hosts) {
        if (!names.insert(endpointName(host)).second) {
            return Error(Reason::kInvalidSpec,
                         "hosts: " + endpointName(host) + " is there twice; remove one of the two");
        }
    }
    return std::nullopt;
}

Expected<std::unique_ptr<ssh::RemoteHost>> NginxTarget::login(const TargetRequest& request, const api::NginxHost& host,
                                                              const base::CallContext& context) {
    const api::SshSpec& ssh = specOf(request.binding).ssh;
    const auto secret = request.secrets.find(ssh.credentialsRef);
    if (secret == request.secrets.end() || secret->second == nullptr) {
        return unexpected(Reason::kCredentialsNotFound,
                          "the Secret " + ssh.credentialsRef +
                              " that ssh.credentialsRef names is not there; create it with known_hosts and "
                              "ssh-privatekey or password");
    }
    return connector_.connect({host.address, host.port, ssh.user, &secret->second->entries}, context);
}

Expected<Observation> NginxTarget::observe(const TargetRequest& request, const Endpoint& endpoint, Look look,
                                           const base::CallContext& context) {
    const api::NginxTarget& spec = specOf(request.binding);
    const api::NginxHost* host = find(spec, endpoint);
    if (host == nullptr) {
        return unexpected(noSuchHost(endpoint));
    }
    Observation seen;
    const std::optional<Watch> watch = watchOf(request, *host, prober_, clock_);
    if (look == Look::kFull || !watch) {
        auto session = login(request, *host, context);
        if (!session) {
            return unexpected(std::move(session.error()).in(placeOf(endpoint)));
        }
        (*session)->setContext(context);
        auto site = inspect(**session, spec.certificatePath, spec.privateKeyPath, request.wanted, clock_.wallNow());
        if (!site) {
            return unexpected(std::move(site.error()).in(placeOf(endpoint)));
        }
        seen.looked = true;
        seen.deployed = site->leaf ? std::optional(Held::of(*site->leaf)) : std::nullopt;
        seen.faults = std::move(site->faults);
        seen.interrupted = site->interrupted;
    }
    if (watch) {
        auto served = shakeHands(*watch, context);
        seen.probe = served ? ProbeState::kServed : ProbeState::kFailed;
        if (served) {
            seen.served = std::move(served->leaf);
        } else {
            seen.probeError = served.error();
        }
    }
    return seen;
}

Outcome NginxTarget::act(const TargetRequest& request, const Endpoint& endpoint, Action action,
                         const base::CallContext& context) {
    Outcome outcome;
    if (action != Action::kDeploy && action != Action::kActivate) {
        return outcome;
    }
    const api::NginxHost* host = find(specOf(request.binding), endpoint);
    if (host == nullptr) {
        outcome.error = noSuchHost(endpoint);
        return outcome;
    }
    const auto hold = hosts_.acquire(endpoint.name, context);
    if (!hold) {
        outcome.error =
            Error(Reason::kUnreachable, "the time ran out while another deployment to the same host was going on")
                .in(placeOf(endpoint));
        return outcome;
    }
    const TransactionInput input{endpoint.name,
                                 specOf(request.binding),
                                 request.wanted,
                                 watchOf(request, *host, prober_, clock_),
                                 [&](const base::CallContext& atMost) { return login(request, *host, atMost); },
                                 clock_};
    outcome = runTransaction(input, context);
    if (outcome.error) {
        outcome.error = Error(*outcome.error).in(placeOf(endpoint));
    }
    return outcome;
}

}  // namespace certbinder::targets::nginx
