#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/random.h"
#include "document/value.h"
#include "http/rate_limiter.h"
#include "http/transport.h"
#include "sources/huawei_scm/credentials.h"
#include "sources/huawei_scm/errors.h"
#include "sources/huawei_scm/iam.h"
#include "sources/huawei_scm/selection.h"
#include "sources/huawei_scm/settings.h"
#include "sources/huawei_scm/signer.h"

namespace certbinder::sources::scm {

/// What ShowCertificate tells that certbinder needs.
struct Shown {
    std::string status;
    std::string fingerprintSHA1;  ///< lower case; "" where none is told
    std::string notAfter;         ///< as the service words it, to be compared only

    bool operator==(const Shown&) const = default;
};

/// What ExportCertificate hands out.
struct Exported {
    std::string certificatePem;  ///< leaf and intermediates, in whatever order and form
    base::SecretBytes keyPem;    ///< empty where the service does not have it
};

/// The SCM v3 API for one account at one endpoint: the three reading calls. Thread-safe. Settings, Transport, Clock and
/// Random must outlive it.
///
/// All callers share its pace. Calls are repeated, within the context's deadline, when no answer comes, when the
/// service fails or throttles, once with a new token and once with the service's time.
class ScmClient {
  public:
    struct Place {
        std::string endpoint;   ///< URL, as http::checkEndpoint wants it
        std::string projectID;  ///< "" for none
        LoginPlace login;
    };

    ScmClient(const Settings& settings, Place place, Credentials credentials, http::Transport& transport,
              const base::Clock& clock, base::Random& random);

    /// All certificates of an enterprise project, or of all ("").
    base::Expected<Listing> list(const std::string& enterpriseProjectID, const base::CallContext& context);
    /// Reason kNoMatchingCertificate: there is none of that id.
    base::Expected<Shown> show(const std::string& id, const base::CallContext& context);
    /// Reads a private key, which the service audits. Reasons kNoMatchingCertificate, kKeyNotExportable.
    base::Expected<Exported> exportCertificate(const std::string& id, const base::CallContext& context);

  private:
    struct Call {
        std::string operation;
        std::string method;
        std::string path;
        Query query;
    };
    struct Page;

    base::Expected<document::Value> call(const Call& call, const base::CallContext& context);
    base::Expected<http::Request> prepare(const Call& call, std::shared_ptr<const Token>& token,
                                          const base::CallContext& context);
    base::Expected<void> authenticate(http::Request& request, const Call& call, std::shared_ptr<const Token>& token,
                                      const base::CallContext& context);
    bool resyncClock(const http::Response& response);
    base::Error refusalOf(const Call& call, const ApiAnswer& answer, const http::Response& response) const;
    Login login() const;

    base::Expected<Page> page(const std::string& enterpriseProjectID, const std::string& status, std::size_t offset,
                              const base::CallContext& context);
    base::Expected<Listing> listOnce(const std::string& enterpriseProjectID, const std::string& status,
                                     const base::CallContext& context, bool& steady);
    base::Expected<Listing> listSteadily(const std::string& enterpriseProjectID, const std::string& status,
                                         const base::CallContext& context);

    const Settings& settings_;
    const Place place_;
    http::Transport& transport_;
    const base::Clock& clock_;
    base::Random& random_;

    // One of the two, constant after construction.
    std::optional<AccessKey> key_;
    std::unique_ptr<TokenSource> tokens_;

    http::RateLimiter limiter_;                 // synchronises itself
    std::atomic<std::int64_t> clockOffset_{0};  // seconds that the service's clock is ahead
};

}  // namespace certbinder::sources::scm
