#pragma once

// A host in memory with an nginx on it: what the tests of the nginx target deploy to.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "certificate/bundle.h"
#include "probe/prober.h"
#include "support/fake_remote_host.h"
#include "support/test.h"
#include "support/test_pki.h"
#include "targets/nginx/nginx_target.h"

namespace certbinder::test {

/// Goes with the machine's clock, and waits by moving on at once.
class SkippingClock final : public base::Clock {
  public:
    base::SteadyTime steadyNow() const override;
    base::WallTime wallNow() const override { return pkiNow(); }
    bool waitUntil(base::SteadyTime time, std::stop_token stop) const override;

  private:
    mutable std::mutex mutex_;
    mutable base::SteadyTime::duration skipped_{0};
};

using SharedBundle = std::shared_ptr<const certificate::Bundle>;

/// A certificate for `name` with a key of its own and its intermediate.
SharedBundle makePair(const std::string& name = "shop.example.com");

/// nginx as clients see it: serves what it loaded with the last reload, by port. Right after a reload old and new
/// workers answer in turn.
class FakeNginx final : public probe::Prober {
  public:
    struct Files {
        std::string certificate;
        std::string privateKey;
    };

    base::Expected<probe::Served> handshake(const probe::Place& place, const base::CallContext& context) override;
    base::Expected<ssh::CommandResult> run(const FakeMachine& machine, const std::vector<std::string>& command);
    /// As at its start: takes what is on the disk.
    void load(const FakeMachine& machine);

    std::map<std::uint16_t, Files> sites;
    std::set<std::string> refused;      ///< chains that the configuration test does not like
    bool brokenAnyway = false;          ///< the configuration test fails whatever the certificate
    bool reloadFails = false;           ///< with exit status 1
    bool ignoresReload = false;         ///< reloads without taking anything new
    bool silent = false;                ///< no handshake comes about
    int oldWorkersAnswer = 0;           ///< so many handshakes after a reload are answered by the old workers in turn
    std::function<void()> onHandshake;  ///< before each
    int handshakes = 0;
    int reloads = 0;
    std::vector<probe::Place> places;

  private:
    std::optional<std::string> complaint(const FakeMachine& machine) const;

    std::map<std::uint16_t, certificate::CertificateInfo> loaded_;
    std::map<std::uint16_t, certificate::CertificateInfo> leaving_;
    int leavingAnswers_ = 0;
};

/// One host `10.0.0.4:22`, pairs as the test puts them, and the target.
class World {
  public:
    World();

    static constexpr const char* kCertificate = "/etc/nginx/ssl/shop.pem";
    static constexpr const char* kPrivateKey = "/etc/nginx/ssl/shop.key";
    static constexpr const char* kRoom = "/etc/nginx/ssl/.certbinder";

    /// Plain files, as a person puts them there, and nginx started with them.
    void putPlain(const certificate::Bundle& pair, std::uint32_t keyMode = 0600, ssh::Owner owner = {});

    targets::Outcome deploy(const SharedBundle& wanted, targets::Action action = targets::Action::kDeploy);
    targets::Outcome deploy(const SharedBundle& wanted, const base::CallContext& context);
    base::Expected<targets::Observation> observe(const SharedBundle& wanted, targets::Look look = targets::Look::kFull);
    /// One pass as the reconciler makes it: looks, and acts where that is not in sync.
    targets::Outcome pass(const SharedBundle& wanted);

    /// What is read through the two paths is this pair.
    bool shows(const certificate::Bundle& pair) const;
    /// The names of the versions in the room.
    std::vector<std::string> versions(const std::string& room = kRoom) const;
    std::vector<std::string> leftOvers() const;  ///< links that were made and not renamed, and `pending`

    /// From now on after each operation: the two paths show one of these pairs and no mixture of them, and no copy of a
    /// key can be read by others. What was wrong is in `broken`.
    void watchPairs(const std::vector<SharedBundle>& pairs);
    std::vector<std::string> broken;

    api::NginxTarget& spec() { return std::get<api::NginxTarget>(binding.spec.target); }
    targets::Endpoint endpoint() const { return target.endpoints(binding).front(); }

    SkippingClock clock;
    std::shared_ptr<FakeMachine> machine = std::make_shared<FakeMachine>();
    FakeConnector connector;
    FakeNginx nginx;
    targets::nginx::NginxTarget target{connector, nginx, clock};
    api::CertificateBinding binding;
    api::Secrets secrets;
};

/// The message of an outcome's error; "" for none.
std::string messageOf(const targets::Outcome& outcome);

}  // namespace certbinder::test
