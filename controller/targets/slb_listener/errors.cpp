#include "targets/slb_listener/errors.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "base/text.h"
#include "document/json.h"

namespace certbinder::targets::slb {
namespace {

using base::Reason;

constexpr std::string_view kMissingResource = "The specified resource does not exist";

struct Entry {
    std::string_view code;  ///< a trailing `*` stands for whatever follows
    Refusal refusal;
    Reason reason;
};

// The first entry that fits decides.
constexpr std::array kTable{
    // Another change to the same load balancer is going on.
    Entry{"SystemBusy", Refusal::kBusy, Reason::kThrottled},
    Entry{"OperationBusy", Refusal::kBusy, Reason::kThrottled},
    Entry{"ServiceIsStopping", Refusal::kBusy, Reason::kThrottled},
    Entry{"ServiceIsConfiguring", Refusal::kBusy, Reason::kThrottled},
    Entry{"BackendServer.configuring", Refusal::kBusy, Reason::kThrottled},
    Entry{"VServerGroupProcessing", Refusal::kBusy, Reason::kThrottled},
    Entry{"ProcessingSameRequest", Refusal::kBusy, Reason::kThrottled},
    Entry{"OperationFailed.ListenerStatusNotSupport", Refusal::kBusy, Reason::kThrottled},
    Entry{"OperationFailed.TokenIsProcessing", Refusal::kBusy, Reason::kThrottled},
    Entry{"DomainExtensionProcessing", Refusal::kBusy, Reason::kThrottled},
    Entry{"IncorrectStatus.DomainExtension", Refusal::kBusy, Reason::kThrottled},
    Entry{"OperationConflict", Refusal::kBusy, Reason::kThrottled},
    Entry{"LastTokenProcessing", Refusal::kBusy, Reason::kThrottled},
    Entry{"LX_REQUEST_TOKEN_CONFLICT", Refusal::kBusy, Reason::kThrottled},

    Entry{"SignatureNonceUsed", Refusal::kNonceUsed, Reason::kUnreachable},
    Entry{"InvalidTimeStamp.Expired", Refusal::kClock, Reason::kCredentialsInvalid},
    Entry{"InvalidTimeStamp.Format", Refusal::kFatal, Reason::kInternalError},

    Entry{"InvalidSecurityToken*", Refusal::kCredentials, Reason::kCredentialsInvalid},
    Entry{"InvalidAccessKeyId*", Refusal::kCredentials, Reason::kCredentialsInvalid},
    Entry{"SignatureDoesNotMatch", Refusal::kCredentials, Reason::kCredentialsInvalid},
    Entry{"IncompleteSignature", Refusal::kCredentials, Reason::kCredentialsInvalid},
    Entry{"Forbidden.AccessKeyDisabled", Refusal::kCredentials, Reason::kCredentialsInvalid},

    Entry{"InvalidLoadBalancerId.NotFound", Refusal::kGone, Reason::kTargetNotFound},
    Entry{"ListenerNotFound", Refusal::kGone, Reason::kTargetNotFound},
    Entry{"CheckedListenerNotFound", Refusal::kGone, Reason::kTargetNotFound},
    Entry{"ServerCertificateId.NotFound", Refusal::kGone, Reason::kTargetNotFound},
    Entry{"InvalidParameter.DomainExtensionId", Refusal::kGone, Reason::kTargetNotFound},

    Entry{"Forbidden*", Refusal::kFatal, Reason::kAccessDenied},
    Entry{"Forbbiden*", Refusal::kFatal, Reason::kAccessDenied},  // the service's own spelling
    Entry{"NoPermission*", Refusal::kFatal, Reason::kAccessDenied},
    Entry{"UserNotAllowed", Refusal::kFatal, Reason::kAccessDenied},
    Entry{"ActionNotAllowed", Refusal::kFatal, Reason::kAccessDenied},

    Entry{"OverQuota", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"QuotaExceed*", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"ListenerNumberOverLimit", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"VipTooManyListeners", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"TooManyListeners", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"TooManyBackendServers", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"TagCountLimit", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"TagCreateCountLimit", Refusal::kFatal, Reason::kQuotaExceeded},
    Entry{"InsufficientCapacity", Refusal::kFatal, Reason::kQuotaExceeded},

    Entry{"CertificateNotMatchPrivateKey", Refusal::kFatal, Reason::kKeyMismatch},
    Entry{"KeyFormatError", Refusal::kFatal, Reason::kInvalidCertificate},
    Entry{"PrivateKeyEncryption", Refusal::kFatal, Reason::kInvalidCertificate},

    Entry{"InvalidRegionId.NotFound", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"InvalidParameter*", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"MissingParameter", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"UnsupportedParameter", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"PARAMETER_FIELD_ERROR", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"UnsupportedOperation*", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"RegionNotSupport", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"InvalidAction.RegionNotSupport", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"ResourceNotAvailible.HttpListener", Refusal::kFatal, Reason::kInvalidSpec},  // the service's own spelling
    Entry{"Operation.NotAllowed", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"Operation.Deny", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"OperationDenied*", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"ListenerAlreadyExists", Refusal::kFatal, Reason::kConflict},
    Entry{"VipNotMatchRspool", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"VServerGroupEmpty", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"InvalidProduct.NotFound", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"InvalidApi.NotFound", Refusal::kFatal, Reason::kInvalidSpec},
    Entry{"InvalidProtocol.NeedSsl", Refusal::kFatal, Reason::kInvalidSpec},
};

bool fits(std::string_view pattern, std::string_view code) {
    if (!pattern.empty() && pattern.back() == '*') {
        pattern.remove_suffix(1);
        return code.substr(0, pattern.size()) == pattern;
    }
    return pattern == code;
}

struct Verdict {
    Refusal refusal;
    Reason reason;
};

Verdict byStatus(int status) {
    if (status >= 500) {
        return {Refusal::kTransient, Reason::kUnreachable};
    }
    if (status == 401 || status == 403) {
        return {Refusal::kFatal, Reason::kAccessDenied};
    }
    return {Refusal::kFatal, Reason::kInternalError};
}

Verdict judge(std::string_view action, const ApiAnswer& answer) {
    const std::string_view code = answer.code;
    if (answer.status == 429 || code.find("Throttling") != std::string_view::npos) {
        return {Refusal::kThrottled, Reason::kThrottled};
    }
    if (answer.status == 449 || (code == "Operation.Deny" && action == "StartLoadBalancerListener")) {
        return {Refusal::kBusy, Reason::kThrottled};
    }
    if (code == "ServiceUnavailable" || code == "ServiceUnavailable.RegionMaintaining" || code == "InternalError" ||
        code == "InternalInvokeError") {
        return {Refusal::kTransient, Reason::kUnreachable};
    }
    if (code == "InvalidParameter" && answer.status < 500 &&
        answer.message.find(kMissingResource) != std::string::npos) {
        return {Refusal::kGone, Reason::kTargetNotFound};
    }
    const auto entry = std::find_if(kTable.begin(), kTable.end(), [&](const Entry& e) { return fits(e.code, code); });
    if (entry != kTable.end() && (answer.status < 500 || entry->refusal == Refusal::kBusy)) {
        return {entry->refusal, entry->reason};
    }
    return byStatus(answer.status);
}

bool mayQuoteTheRequest(const ApiAnswer& answer) {
    if (answer.code == "SignatureDoesNotMatch" || answer.code == "IncompleteSignature") {
        return true;
    }
    const std::string text = base::toLower(answer.message);
    const std::array<std::string_view, 6> marks{"privatekey=",    "privatekey%3d",    "private key-----",
                                                "securitytoken=", "securitytoken%3d", "private%20key"};
    return std::any_of(marks.begin(), marks.end(),
                       [&](std::string_view mark) { return text.find(mark) != std::string::npos; });
}

std::string advice(std::string_view action, const Verdict& verdict, const ApiAnswer& answer) {
    if (answer.code == "SignatureDoesNotMatch" || answer.code == "IncompleteSignature") {
        return "the signature is not accepted; check accessKeySecret";
    }
    switch (verdict.refusal) {
        case Refusal::kClock:
            return "the request's time is not accepted; set this machine's clock right";
        case Refusal::kCredentials:
            return "check accessKeyID, accessKeySecret and securityToken, and that the access key is enabled";
        case Refusal::kTransient:
            return answer.message.empty() ? "the service failed" : "";
        default:
            break;
    }
    if (verdict.reason == Reason::kAccessDenied) {
        return "allow slb:" + std::string(action) + " to the RAM identity";
    }
    return "";
}

}  // namespace

ApiAnswer readAnswer(const http::Response& response) {
    ApiAnswer answer;
    answer.status = response.status;
    const auto body = document::parseJson(response.body.reveal());
    if (body) {
        answer.code = (*body)["Code"].asString();
        answer.message = (*body)["Message"].asString();
        answer.requestID = (*body)["RequestId"].asString();
    }
    return answer;
}

Refusal classify(std::string_view action, const ApiAnswer& answer) {
    return judge(action, answer).refusal;
}

base::Error toError(std::string_view action, const ApiAnswer& answer) {
    const Verdict verdict = judge(action, answer);
    std::string text = std::string(action) + " was answered " + std::to_string(answer.status);
    if (!answer.code.empty()) {
        text += " " + base::printable(answer.code, 100);
    }
    if (!answer.message.empty() && !mayQuoteTheRequest(answer)) {
        text += ": " + base::printable(answer.message);
    }
    const std::string hint = advice(action, verdict, answer);
    if (!hint.empty()) {
        text += "; " + hint;
    }
    std::string code = answer.code.empty() ? std::to_string(answer.status) : base::printable(answer.code, 100);
    if (verdict.refusal == Refusal::kGone && answer.code == "InvalidParameter") {
        code = "ListenerNotFound";  // the text told it apart from the other cases of this code
    }
    return base::Error(verdict.reason, std::move(text)).withCode(std::move(code));
}

bool outcomeUnknown(const base::Error& error) {
    // Without a connection nothing was sent; all other ways of getting no answer leave it open. SignatureNonceUsed is
    // one of them: a connection that proves stale makes the transport send the same bytes twice.
    return error.reason() == Reason::kUnreachable && error.code() != kNotSent &&
           error.code() != http::toString(http::Failure::kRefused) &&
           error.code() != http::toString(http::Failure::kResolve) &&
           error.code() != http::toString(http::Failure::kTls);
}

bool isListenerMissing(const base::Error& error) {
    return error.reason() == Reason::kTargetNotFound &&
           (error.code() == "ListenerNotFound" || error.code() == "CheckedListenerNotFound");
}

bool isLoadBalancerMissing(const base::Error& error) {
    return error.reason() == Reason::kTargetNotFound && error.code() == "InvalidLoadBalancerId.NotFound";
}

std::optional<std::chrono::milliseconds> askedWait(const http::Response& response, base::WallTime now) {
    const auto milliseconds = base::parseInteger(base::trim(response.header("x-acs-retry-after")));
    if (milliseconds && *milliseconds > 0) {
        constexpr std::int64_t kMost = std::chrono::milliseconds(http::kLongestWait).count();
        return std::chrono::milliseconds(std::min(*milliseconds, kMost));
    }
    return http::retryAfter(response, now);
}

}  // namespace certbinder::targets::slb
