#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "document/value.h"
#include "http/transport.h"

namespace certbinder::kube {

/// The `reason` of a Status (apimachinery, meta/v1), as far as somebody acts on it; where the answer holds none, the
/// one that belongs to its HTTP status.
enum class ApiReason {
    kNoAnswer,       ///< nothing came, or not all of it: see `failure`
    kNoCredentials,  ///< nothing was sent, since there was nothing to log in with
    kBadRequest,
    kUnauthorized,
    kForbidden,
    kNotFound,
    kAlreadyExists,
    kConflict,
    kGone,     ///< 410, by the reasons Gone and Expired: the resource version or continue token is too old
    kInvalid,  ///< 422
    kTooLarge,
    kTooManyRequests,
    kTimeout,        ///< 504, or 500 with reason ServerTimeout
    kInternalError,  ///< also any 5xx without a reason
    kUnavailable,
    kOther
};

std::string_view toString(ApiReason reason);

struct ApiCause {
    std::string type;     ///< `FieldManagerConflict`, `ResourceVersionTooLarge`, `FieldValueInvalid`, …
    std::string field;    ///< `spec.target`
    std::string message;  ///< for a person
};

/// Why a request to the API server did not do what it should. Copyable. Never holds a body, a header or a credential.
struct ApiError {
    int httpStatus = 0;  ///< 0 where there was no answer
    ApiReason reason = ApiReason::kNoAnswer;
    std::string message;  ///< the server's sentence, made fit to be shown, or ours
    std::vector<ApiCause> causes;
    std::optional<std::chrono::milliseconds> retryAfter;  ///< the server's floor
    std::optional<http::Failure> failure;                 ///< of the transport, with kNoAnswer
    std::string place;                                    ///< `PATCH secrets web/shop-tls`

    bool is(ApiReason wanted) const { return reason == wanted; }
    bool hasCause(std::string_view type) const;
    /// "Too large resource version": the server's cache is behind what was asked for.
    bool isResourceVersionTooLarge() const;

    /// "PATCH secrets web/shop-tls: not found (404): …"
    std::string text() const;

    /// Folded into the reasons the reconciler knows: 401 AuthenticationFailed, 403 PermissionDenied, 409 Conflict, 422
    /// InvalidSpec, 429 Throttled, kNoCredentials CredentialsInvalid, 404 SourceNotFound, and Unreachable for what is
    /// left. The code is the API's reason word.
    base::Error toError() const;
};

template <typename T>
using Result = tl::expected<T, ApiError>;

/// Of an answer that is no success. Reads the Status where the body is one, quotes at most 500 bytes where it is not.
ApiError errorOf(const http::Response& response, base::WallTime now);

/// Of a Status object, as a watch's ERROR event carries it.
ApiError errorOf(const document::Value& status);

/// Of a transport's error.
ApiError errorOf(const base::Error& failed);

}  // namespace certbinder::kube
