#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "document/value.h"
#include "http/transport.h"
#include "probe/prober.h"

namespace certbinder::test {

using Form = std::map<std::string, std::string>;

/// The parameters of a form body, decoded.
Form decodeForm(std::string_view body);

/// What the service does instead of, or besides, answering one call.
struct Fault {
    /// The answer; nothing lets the call be answered as always.
    std::optional<base::Expected<http::Response>> answer;
    bool afterTheChange = false;  ///< the call is carried out first: its own answer gets lost
};

http::Response refusal(int status, const std::string& code, const std::string& message = "as the test wants it",
                       http::Headers headers = {});

/// A region of the load balancer service, in memory: what certbinder calls of it, with the habits that matter (uploads
/// are never idempotent, Set resets HealthCheckDomain, new listeners are stopped). Thread-safe by one lock; the lock is
/// not held while a hook runs.
class FakeSlb {
  public:
    struct StoredCertificate {
        std::string id;
        std::string name;
        std::string fingerprint;
        std::int64_t expiresAt = 0;  ///< milliseconds
        std::int64_t createdAt = 0;  ///< milliseconds
        bool bought = false;
        std::map<std::string, std::string> tags;
    };
    struct Extension {
        std::string id;
        std::string domain;
        std::string certificateID;
    };
    struct Listener {
        std::string status = "running";
        std::string certificateID;
        std::map<std::string, std::string> settings;
        std::vector<Extension> extensions;
    };
    struct Balancer {
        std::string address = "203.0.113.7";
        std::string addressType = "internet";
        std::string spec = "slb.s1.small";
        std::map<std::uint16_t, Listener> listeners;
    };

    // The world: set up before, looked at after; not while calls are under way.
    std::map<std::string, Balancer> balancers;
    std::vector<StoredCertificate> certificates;
    std::size_t quota = 100;
    bool strictSet = false;  ///< Set resets StickySession, HealthCheck and timeouts that it is not given
    bool setChangesGzip = false;
    /// What clients are served instead of what a listener refers to; by certificate id.
    std::function<std::string(const std::string& referredID)> dataPlane;

    /// For FakeTransport.
    base::Expected<http::Response> answer(const http::Request& request);

    void failNext(const std::string& action, Fault fault);
    void refuseNext(const std::string& action, int status, const std::string& code, int times = 1);

    /// All calls of an action, in order.
    std::vector<Form> calls(const std::string& action) const;
    std::size_t count(const std::string& action) const { return calls(action).size(); }
    std::size_t writes() const;

    /// The fingerprint of the certificate that a client gets there; "" where nobody answers.
    std::string servedFingerprint(const std::string& address, std::uint16_t port, const std::string& serverName) const;

    const StoredCertificate* certificate(const std::string& id) const;

  private:
    http::Response carryOut(const std::string& action, const Form& form);
    http::Response describeListeners(const Form& form) const;
    http::Response describeBalancers(const Form& form) const;
    http::Response describeCertificates() const;
    http::Response describeListener(const Form& form) const;
    http::Response upload(const Form& form);
    http::Response create(const Form& form);
    http::Response set(const Form& form);
    http::Response start(const Form& form);
    http::Response createExtension(const Form& form);
    http::Response changeExtension(const Form& form, bool remove);
    Listener* find(const Form& form);

    mutable std::mutex mutex_;
    std::map<std::string, std::deque<Fault>> faults_;
    std::vector<Form> calls_;
    int numbers_ = 0;
};

}  // namespace certbinder::test
