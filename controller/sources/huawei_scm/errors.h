#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "http/transport.h"

namespace certbinder::sources::scm {

/// What a client does about an answer that is no success. The service's codes are an open set; texts come in two
/// languages and change, so they decide nothing.
enum class Refusal {
    kToken,      ///< the token has ended or is unknown: a new one, then once more
    kSignature,  ///< key or signature are wrong, unless this machine's clock is
    kThrottled,  ///< too many calls: the whole account slows down
    kTransient,  ///< the service failed
    kNotFound,   ///< there is no such certificate
    kNotReady,   ///< the certificate's state or type does not allow it
    kNoKey,      ///< the service does not have the certificate's private key
    kFatal       ///< all else: only a change helps
};

/// An error document in any of the shapes of the cloud.
struct ApiAnswer {
    int status = 0;
    std::string code;  ///< "" where the body is none
    std::string message;
    std::string requestID;
};

enum class Login { kAccessKey, kToken };

ApiAnswer readAnswer(const http::Response& response);

/// The class of an answer of the certificate service. `login` matters for a 401 that names no reason.
Refusal classify(const ApiAnswer& answer, Login login);

/// The answer as an error for people: operation, status, code, text, and what would mend it. The request's id is for
/// the log alone: a message that is another one at every try makes another status each time. code() is the service's.
/// Gateways quote the key's id and the request's headers; those, and whatever of `hidden` a text holds, are blotted
/// out.
base::Error toError(std::string_view operation, const ApiAnswer& answer, Login login,
                    const std::vector<std::string_view>& hidden);

/// The same for the answer of IAM to a login.
base::Error loginError(const ApiAnswer& answer, const std::vector<std::string_view>& hidden);

/// A text of the other side, fit to be shown.
std::string redacted(std::string text, const std::vector<std::string_view>& hidden);

}  // namespace certbinder::sources::scm
