#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method = "GET";
    std::string url;  ///< absolute, http or https, percent-encoded: sent as it stands, so that signatures hold
    Headers headers;
    base::SecretBytes body;            ///< may hold keys and passwords, so it is a secret by type
    std::size_t mostBytes = 16 << 20;  ///< of the answer's body, or of one piece of a stream; more is an error
    /// Sending it twice does what sending it once does, so it may be sent as a GET may: on a kept connection, and again
    /// where that proves stale.
    bool repeatable = false;
};

struct Response {
    int status = 0;
    Headers headers;
    base::SecretBytes body;  ///< may hold keys and tokens; read with reveal(), quoted in messages only field by field

    /// The first header of that name, any case; "" where there is none.
    std::string_view header(std::string_view name) const;
};

/// Why there was no answer, folded into what one acts on.
enum class Failure { kRefused, kResolve, kTls, kTimeout, kCancelled, kReset, kTruncated, kProtocol, kTooLarge };

/// One HTTP exchange over TLS that is always verified (chain, names by SAN only, TLS 1.2 or better). Redirects are not
/// followed. Never throws. Thread-safe.
class Transport {
  public:
    virtual ~Transport() = default;

    /// Sends and waits for the whole answer; any status is an answer. Errors have reason kUnreachable (kInvalidSpec for
    /// a URL that cannot be used), the Failure's word as their code, and never hold a header or a body.
    /// A request may have reached the server although there is an error.
    virtual base::Expected<Response> send(const Request& request, const base::CallContext& context) = 0;

    /// Sends and hands the body on in pieces as they come. `onHead` sees status and headers first; `onPiece` returning
    /// false ends it. Fails with kTimeout after `silence` without a byte.
    virtual base::Expected<void> stream(const Request& request, const std::function<bool(const Response&)>& onHead,
                                        const std::function<bool(std::string_view)>& onPiece,
                                        std::chrono::milliseconds silence, const base::CallContext& context) = 0;
};

/// Far above any wait that makes sense; keeps the arithmetic of the callers from overflowing.
inline constexpr std::chrono::hours kLongestWait{24};

/// `Retry-After` as seconds or HTTP date (RFC 9110 10.2.3), for the errors of the callers; at most kLongestWait.
std::optional<std::chrono::milliseconds> retryAfter(const Response& response, base::WallTime now);

/// The header `Date`, by which a clock that goes wrong is found; nothing where it is missing or no date.
std::optional<base::WallTime> dateOf(const Response& response);

std::string_view toString(Failure failure);

/// The Failure that a transport's error has as its code; nothing for other errors.
std::optional<Failure> failureOf(const base::Error& error);

}  // namespace certbinder::http
