#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "certificate/bundle.h"
#include "fake_slb.h"
#include "probe/prober.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_transport.h"
#include "support/test_pki.h"
#include "targets/slb_listener/slb_listener_target.h"

namespace certbinder::test {

/// A new certificate for `name` under an RSA (or other) key; it ends `number` hours later than that of number 0.
certificate::Bundle makePair(const std::string& name, int number = 0, KeyKind kind = KeyKind::kRsa2048);

/// Serves what the fake service's listeners refer to.
class FakeProber final : public probe::Prober {
  public:
    explicit FakeProber(FakeSlb& cloud) : cloud_(cloud) {}

    base::Expected<probe::Served> handshake(const probe::Place& place, const base::CallContext& context) override;

    void know(const certificate::CertificateInfo& certificate);
    std::vector<probe::Place> places() const;

    std::atomic<bool> unreachable{false};

  private:
    FakeSlb& cloud_;
    mutable std::mutex mutex_;
    std::map<std::string, certificate::CertificateInfo> known_;  // by SHA-1
    std::vector<probe::Place> places_;
};

/// The target over a fake service, in the thread of the test: waiting moves the clock.
struct Fixture {
    Fixture();

    /// Of lb-1:443, with credentials from the Secret "aliyun".
    api::CertificateBinding binding;
    api::SlbListenerTarget& spec();
    api::Secrets secrets;
    std::shared_ptr<api::SecretData> credentials;
    certificate::Bundle wanted = makePair("shop.example.com");
    certificate::Bundle earlier = makePair("shop.example.com", 1);  ///< what the listener has at first

    FakeSlb cloud;
    FakeTransport transport;
    FakeClock clock{FakeClock::Waiting::kAdvances};
    FakeRandom random;
    FakeProber prober{cloud};
    targets::slb::Settings settings;
    targets::SlbListenerTarget target;

    targets::TargetRequest request() const { return {binding, secrets, wanted, clock.steadyNow()}; }
    targets::Endpoint endpoint() const { return target.endpoints(binding).front(); }
    base::Expected<targets::Observation> observe();
    targets::Outcome deploy();
    targets::Outcome act(targets::Action action);

    /// Puts a certificate into the store as another person's upload and returns its id.
    std::string store(const certificate::CertificateInfo& certificate, bool bought = false);
    FakeSlb::Listener& listener() { return cloud.balancers.at("lb-1").listeners.at(443); }
};

}  // namespace certbinder::test
