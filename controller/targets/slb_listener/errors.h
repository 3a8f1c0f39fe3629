#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/transport.h"

namespace certbinder::targets::slb {

/// What a client does about a refusal; the folding of the service's hundred codes.
enum class Refusal {
    kBusy,         ///< the resource is being changed: the same request again, for some minutes
    kThrottled,    ///< too many calls: the whole account slows down
    kTransient,    ///< the service failed; whether a write happened is not known
    kNonceUsed,    ///< the request has arrived before: again with a new nonce, a write after a look
    kClock,        ///< this machine's clock differs from the service's
    kCredentials,  ///< the key is wrong, disabled or expired
    kGone,         ///< what the request is about does not exist
    kFatal         ///< all else: only a change helps
};

/// An answer that is no success, as the service words it.
struct ApiAnswer {
    int status = 0;
    std::string code;  ///< "" where the body is no error document of the service
    std::string message;
    std::string requestID;
};

ApiAnswer readAnswer(const http::Response& response);

/// The class of an answer. One code, InvalidParameter, stands for dozens of cases, so its text counts too, and
/// Operation.Deny is a busy listener only for StartLoadBalancerListener.
Refusal classify(std::string_view action, const ApiAnswer& answer);

/// The answer as an error for people: action, status, code, text. Its code() is the service's. A text that may quote
/// the request (a failed signature does) is not repeated, since the request may hold a private key. The request's id is
/// for the log alone: a message that is another one at every try makes another status each time.
base::Error toError(std::string_view action, const ApiAnswer& answer);

/// The code of an error that came before anything was sent.
inline constexpr const char* kNotSent = "NotSent";

/// Whether the request that ended so may have been carried out all the same: connection lost, time-out, 5xx, or a
/// nonce that the service has seen already.
bool outcomeUnknown(const base::Error& error);

bool isListenerMissing(const base::Error& error);
bool isLoadBalancerMissing(const base::Error& error);

/// The header `x-acs-retry-after` (milliseconds), else `Retry-After`; at most http::kLongestWait.
std::optional<std::chrono::milliseconds> askedWait(const http::Response& response, base::WallTime now);

}  // namespace certbinder::targets::slb
