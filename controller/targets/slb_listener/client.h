#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/random.h"
#include "certificate/bundle.h"
#include "document/value.h"
#include "http/rate_limiter.h"
#include "http/transport.h"
#include "targets/slb_listener/errors.h"
#include "targets/slb_listener/model.h"
#include "targets/slb_listener/signer.h"

namespace certbinder::targets::slb {

struct ClientSettings {
    std::chrono::milliseconds callTimeout{30'000};  ///< of one HTTP exchange
    /// How long a call goes on asking a busy load balancer: a change takes the service minutes at worst.
    std::chrono::milliseconds busyBudget{300'000};
    base::BackoffSettings busyWait{std::chrono::seconds(1), std::chrono::seconds(10), 2.0, 0.2};
    int mostTransientTries = 4;  ///< of a reading call that gets no answer or a 5xx
    base::BackoffSettings transientWait{std::chrono::milliseconds(500), std::chrono::seconds(10), 2.0, 0.2};
    int mostThrottledTries = 8;  ///< of one call, each after the pause of the whole account
    http::RateLimit rate{};      ///< the service publishes no limit; ten calls a second per account and region are safe
};

/// A page of a listing, and how to ask for the next one.
template <typename T>
struct Page {
    std::vector<T> items;
    std::string next;  ///< "" on the last page
};

/// The API of one account in one region at one endpoint (2014-05-15, RPC style). Thread-safe.
///
/// Calls wait out busy states and throttling within the context's deadline; all callers of one client share its pace.
/// Reading calls are repeated when no answer comes. Writing calls are not, since they are not idempotent: their error
/// says by outcomeUnknown() that the caller has to look first.
class SlbClient {
  public:
    struct Place {
        std::string endpoint;  ///< URL
        std::string region;
    };

    SlbClient(ClientSettings settings, Place place, std::shared_ptr<const Credentials> credentials,
              http::Transport& transport, const base::Clock& clock, base::Random& random);

    const std::string& region() const { return place_.region; }

    /// The HTTPS listeners of the region, 100 a page. `token` is "" for the first page.
    base::Expected<Page<ListenerEntry>> describeListeners(const std::string& token, const base::CallContext& context);
    /// The load balancers of the region, 100 a page. `token` as above.
    base::Expected<Page<LoadBalancer>> describeLoadBalancers(const std::string& token,
                                                             const base::CallContext& context);
    /// The region's certificate store, which has no pages: the quota keeps it small.
    base::Expected<std::vector<ServerCertificate>> describeCertificates(const base::CallContext& context);

    /// Nothing where there is no HTTPS listener on the port; kTargetNotFound where there is no such load balancer.
    base::Expected<std::optional<ListenerAttributes>> describeListener(const std::string& loadBalancerID,
                                                                       std::uint16_t port,
                                                                       const base::CallContext& context);

    struct Upload {
        std::string name;
        std::string_view chainPem;
        std::string_view keyPem;  ///< PKCS#1
        std::map<std::string, std::string> tags;
    };
    /// The new certificate's id. Each call makes a new one, even of the same pair.
    base::Expected<std::string> uploadCertificate(const Upload& upload, const base::CallContext& context);

    base::Expected<void> createListener(Parameters parameters, const base::CallContext& context);
    base::Expected<void> setListener(Parameters parameters, const base::CallContext& context);
    base::Expected<void> startListener(const std::string& loadBalancerID, std::uint16_t port,
                                       const base::CallContext& context);

    base::Expected<void> createExtension(const std::string& loadBalancerID, std::uint16_t port,
                                         const std::string& domain, const std::string& certificateID,
                                         const base::CallContext& context);
    base::Expected<void> setExtension(const std::string& extensionID, const std::string& certificateID,
                                      const base::CallContext& context);
    base::Expected<void> deleteExtension(const std::string& extensionID, const base::CallContext& context);

  private:
    enum class Kind { kReading, kWriting };
    class Patience;

    base::Expected<document::Value> call(const std::string& action, Kind kind, Parameters parameters,
                                         const base::CallContext& context);
    base::Expected<void> write(const std::string& action, Parameters parameters, const base::CallContext& context);
    base::Expected<http::Response> exchange(const Parameters& parameters, const base::CallContext& context);
    bool mayRepeat(Kind kind, Refusal refusal, const http::Response& response, Patience& patience,
                   const base::CallContext& context);
    bool resyncClock(const http::Response& response);

    const ClientSettings settings_;
    const Place place_;
    const std::shared_ptr<const Credentials> credentials_;
    http::Transport& transport_;
    const base::Clock& clock_;
    base::Random& random_;

    http::RateLimiter limiter_;                 // synchronises itself
    std::atomic<std::int64_t> clockOffset_{0};  // seconds that the service's clock is ahead
};

}  // namespace certbinder::targets::slb
