#pragma once

#include <chrono>
#include <string>

#include "base/backoff.h"
#include "http/rate_limiter.h"

namespace certbinder::sources::scm {

/// What a token by password is good for. Most accounts want a project's; a domain's is for those whose permissions were
/// given globally.
enum class TokenScope { kProject, kDomain };

struct Settings {
    std::chrono::milliseconds callTimeout{30'000};  ///< of one HTTP exchange

    /// The pace of an account. The service publishes no limit, others of the same cloud allow 20 calls a minute; the
    /// pause after a refusal that names no time is a minute at least because those limits count by the minute.
    http::RateLimit rate{2, 5, {std::chrono::seconds(60), std::chrono::minutes(16), 2.0, 0.2}};
    int mostThrottledTries = 3;  ///< of one call, each after the pause of the whole account
    int mostTransientTries = 4;  ///< of one call that gets no answer or a 5xx
    base::BackoffSettings transientWait{std::chrono::milliseconds(500), std::chrono::seconds(10), 2.0, 0.2};

    /// How often one look reads the list from its start, where that changes while its pages are read.
    int mostListings = 3;

    /// Overrides where tokens are given out, as HUAWEICLOUD_SDK_IAM_ENDPOINT does; "" for the region's own.
    std::string iamEndpoint;
    TokenScope tokenScope = TokenScope::kProject;
    std::chrono::seconds tokenMargin{40 * 60};     ///< a token is renewed that long before it ends, as the SDKs do
    std::chrono::milliseconds tokenRetry{60'000};  ///< between tries to renew one that still holds

    /// For how long an export that the service refused is not tried again, unless the certificate changes: each try is
    /// an audited read of a private key.
    std::chrono::milliseconds refusalMemory{3'600'000};
    /// How long certificates that nobody asks for, and clients whose credentials nobody uses, are kept.
    std::chrono::milliseconds idle{48 * 3'600'000};
};

}  // namespace certbinder::sources::scm
