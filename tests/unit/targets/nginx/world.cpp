#include "targets/nginx/world.h"

#include <algorithm>

#include "targets/nginx/layout.h"

namespace certbinder::test {

using base::Expected;
using base::Reason;
using base::unexpected;

base::SteadyTime SkippingClock::steadyNow() const {
    const std::scoped_lock lock(mutex_);
    return std::chrono::steady_clock::now() + skipped_;
}

bool SkippingClock::waitUntil(base::SteadyTime time, std::stop_token stop) const {
    const std::scoped_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now() + skipped_;
    skipped_ += std::max(base::SteadyTime::duration(0), time - now);
    return !stop.stop_requested();
}

SharedBundle makePair(const std::string& name) {
    const Chain chain = makeChain(name);
    auto bundle =
        certificate::makeBundle(chain.leaf.pem() + chain.intermediate.pem(), chain.leaf.key().secret(), pkiNow());
    return std::make_shared<const certificate::Bundle>(std::move(bundle.value()));
}

Expected<probe::Served> FakeNginx::handshake(const probe::Place& place, const base::CallContext& context) {
    ++handshakes;
    places.push_back(place);
    if (onHandshake) {
        onHandshake();
    }
    const auto loaded = loaded_.find(place.port);
    if (silent || loaded == loaded_.end() || context.stop.stop_requested()) {
        return unexpected(Reason::kUnreachable, "connection refused");
    }
    const auto leaving = leaving_.find(place.port);
    if (leavingAnswers_ > 0 && leaving != leaving_.end() && handshakes % 2 == 0) {
        --leavingAnswers_;
        return probe::Served{leaving->second, 2};
    }
    return probe::Served{loaded->second, 2};
}

std::optional<std::string> FakeNginx::complaint(const FakeMachine& machine) const {
    for (const auto& [port, files] : sites) {
        const auto chain = machine.contents(files.certificate);
        const auto key = machine.contents(files.privateKey);
        if (!chain || !key) {
            return "cannot load certificate \"" + files.certificate + "\": No such file or directory";
        }
        const auto pair = certificate::makeBundle(*chain, base::SecretBytes(*key), pkiNow());
        if (!pair) {
            return "SSL_CTX_use_PrivateKey(\"" + files.privateKey + "\") failed: key values mismatch";
        }
        if (refused.count(*chain) != 0) {
            return "SSL_CTX_use_certificate(\"" + files.certificate + "\") failed: ee key too small";
        }
    }
    return brokenAnyway ? std::optional<std::string>("unknown directive \"listn\"") : std::nullopt;
}

void FakeNginx::load(const FakeMachine& machine) {
    leaving_ = loaded_;
    leavingAnswers_ = oldWorkersAnswer;
    for (const auto& [port, files] : sites) {
        const auto chain = machine.contents(files.certificate);
        const auto certificates = certificate::readCertificates(chain.value_or(""));
        if (certificates) {
            loaded_[port] = certificates->front();
        }
    }
}

Expected<ssh::CommandResult> FakeNginx::run(const FakeMachine& machine, const std::vector<std::string>& command) {
    ssh::CommandResult result;
    result.exitStatus = 0;
    if (command == std::vector<std::string>{"nginx", "-t"}) {
        if (const auto words = complaint(machine)) {
            result.exitStatus = 1;
            result.output = "nginx: [warn] conflicting server name\nnginx: [emerg] " + *words +
                            "\nnginx: configuration file /etc/nginx/nginx.conf test failed\n";
        }
        return result;
    }
    if (command == std::vector<std::string>{"nginx", "-s", "reload"}) {
        ++reloads;
        if (reloadFails) {
            result.exitStatus = 1;
            result.output = "nginx: [error] invalid PID number \"\" in \"/run/nginx.pid\"\n";
        } else if (!ignoresReload && !complaint(machine)) {
            load(machine);
        }
        return result;
    }
    result.exitStatus = 127;
    result.output = "sh: 1: " + command.front() + ": not found\n";
    return result;
}

World::World() {
    machine->putDirectory("/etc/nginx/ssl");
    machine->onCommand(
        [this](FakeMachine& on, const std::vector<std::string>& command) { return nginx.run(on, command); });
    connector.add("10.0.0.4", 22, machine);
    nginx.sites[443] = {kCertificate, kPrivateKey};
    binding.metadata.key = {"default", "shop"};
    api::NginxTarget nginxTarget;
    nginxTarget.hosts.push_back({"10.0.0.4", 22, std::nullopt});
    nginxTarget.ssh.credentialsRef = "web-ssh";
    nginxTarget.certificatePath = kCertificate;
    nginxTarget.privateKeyPath = kPrivateKey;
    binding.spec.target = std::move(nginxTarget);
    secrets["web-ssh"] = std::make_shared<const api::SecretData>();
}

void World::putPlain(const certificate::Bundle& pair, std::uint32_t keyMode, ssh::Owner owner) {
    machine->put(spec().certificatePath, pair.chainPem, 0644, owner);
    machine->put(spec().privateKeyPath, pair.keyPem.reveal(), keyMode, owner);
    nginx.load(*machine);
}

targets::Outcome World::deploy(const SharedBundle& wanted, targets::Action action) {
    return target.act({binding, secrets, *wanted, {}}, endpoint(), action, {});
}

targets::Outcome World::deploy(const SharedBundle& wanted, const base::CallContext& context) {
    return target.act({binding, secrets, *wanted, {}}, endpoint(), targets::Action::kDeploy, context);
}

Expected<targets::Observation> World::observe(const SharedBundle& wanted, targets::Look look) {
    return target.observe({binding, secrets, *wanted, {}}, endpoint(), look, {});
}

targets::Outcome World::pass(const SharedBundle& wanted) {
    const auto seen = observe(wanted);
    targets::Outcome outcome;
    if (!seen) {
        outcome.error = seen.error();
        return outcome;
    }
    const bool served = seen->probe == targets::ProbeState::kDisabled ||
                        (seen->served && seen->served->fingerprintSHA256 == wanted->leaf.fingerprintSHA256);
    const bool sound = seen->deployed && seen->deployed->is(wanted->leaf) && seen->faults.empty() && !seen->interrupted;
    outcome.after = *seen;
    return served && sound ? outcome : deploy(wanted, sound ? targets::Action::kActivate : targets::Action::kDeploy);
}

bool World::shows(const certificate::Bundle& pair) const {
    const auto& nginxSpec = std::get<api::NginxTarget>(binding.spec.target);
    return machine->contents(nginxSpec.certificatePath) == pair.chainPem &&
           machine->contents(nginxSpec.privateKeyPath) == std::string(pair.keyPem.reveal());
}

std::vector<std::string> World::versions(const std::string& room) const {
    std::vector<std::string> names;
    for (const std::string& line : machine->tree()) {
        if (line.size() > room.size() + 1 && line.compare(0, room.size() + 1, room + "/") == 0 && line.back() == '/') {
            const std::string name = line.substr(room.size() + 1, line.size() - room.size() - 2);
            if (targets::nginx::isVersionName(name)) {
                names.push_back(name);
            }
        }
    }
    return names;
}

std::vector<std::string> World::leftOvers() const {
    std::vector<std::string> found;
    for (const std::string& line : machine->tree()) {
        if (line.find("certbinder-new") != std::string::npos || line.find("/pending -> ") != std::string::npos) {
            found.push_back(line);
        }
    }
    return found;
}

void World::watchPairs(const std::vector<SharedBundle>& pairs) {
    machine->observe([this, pairs](const FakeMachine& at) {
        const auto chain = at.contents(kCertificate);
        const auto key = at.contents(kPrivateKey);
        const bool whole = std::any_of(pairs.begin(), pairs.end(), [&](const SharedBundle& pair) {
            return chain == pair->chainPem && key == std::string(pair->keyPem.reveal());
        });
        const bool nothing = !chain && !key;
        if (!whole && !nothing) {
            broken.push_back("a mixture after " + at.journal().back());
        }
        for (const std::string& line : at.tree()) {
            const bool isCopy = line.find("/.certbinder/") != std::string::npos && line.back() != '/';
            const auto bytes = isCopy ? at.contents(line) : std::nullopt;
            if (bytes && bytes->find("PRIVATE KEY") != std::string::npos && (at.status(line)->mode & ~0600U) != 0) {
                broken.push_back("a readable key " + line + " after " + at.journal().back());
            }
        }
    });
}

std::string messageOf(const targets::Outcome& outcome) {
    return outcome.error ? outcome.error->message() : "";
}

}  // namespace certbinder::test
