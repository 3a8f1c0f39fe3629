#include "targets/slb_listener/errors.h"

#include "fake_slb.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets::slb;
using base::Reason;

namespace {

struct Case {
    int status;
    const char* code;
    Refusal refusal;
    Reason reason;
};

// The tables of the service's documentation.
constexpr Case kCases[] = {
    {449, "SystemBusy", Refusal::kBusy, Reason::kThrottled},
    {400, "OperationBusy", Refusal::kBusy, Reason::kThrottled},
    {409, "ServiceIsStopping", Refusal::kBusy, Reason::kThrottled},
    {409, "BackendServer.configuring", Refusal::kBusy, Reason::kThrottled},
    {400, "ServiceIsConfiguring", Refusal::kBusy, Reason::kThrottled},
    {400, "VServerGroupProcessing", Refusal::kBusy, Reason::kThrottled},
    {400, "ProcessingSameRequest", Refusal::kBusy, Reason::kThrottled},
    {400, "OperationFailed.ListenerStatusNotSupport", Refusal::kBusy, Reason::kThrottled},
    {400, "OperationFailed.TokenIsProcessing", Refusal::kBusy, Reason::kThrottled},
    {400, "DomainExtensionProcessing", Refusal::kBusy, Reason::kThrottled},
    {400, "IncorrectStatus.DomainExtension", Refusal::kBusy, Reason::kThrottled},
    {409, "OperationConflict", Refusal::kBusy, Reason::kThrottled},
    {403, "LastTokenProcessing", Refusal::kBusy, Reason::kThrottled},
    {400, "LX_REQUEST_TOKEN_CONFLICT", Refusal::kBusy, Reason::kThrottled},
    {400, "Throttling", Refusal::kThrottled, Reason::kThrottled},
    {400, "Throttling.User", Refusal::kThrottled, Reason::kThrottled},
    {400, "Throttling.Api", Refusal::kThrottled, Reason::kThrottled},
    {503, "Rejected.Throttling", Refusal::kThrottled, Reason::kThrottled},
    {429, "", Refusal::kThrottled, Reason::kThrottled},
    {503, "ServiceUnavailable", Refusal::kTransient, Reason::kUnreachable},
    {400, "ServiceUnavailable", Refusal::kTransient, Reason::kUnreachable},
    {500, "InternalError", Refusal::kTransient, Reason::kUnreachable},
    {500, "InternalInvokeError", Refusal::kTransient, Reason::kUnreachable},
    {503, "InvalidParameter", Refusal::kTransient, Reason::kUnreachable},
    {503, "ServiceUnavailable.RegionMaintaining", Refusal::kTransient, Reason::kUnreachable},
    {502, "", Refusal::kTransient, Reason::kUnreachable},
    {504, "", Refusal::kTransient, Reason::kUnreachable},
    {400, "SignatureNonceUsed", Refusal::kNonceUsed, Reason::kUnreachable},
    {400, "InvalidTimeStamp.Expired", Refusal::kClock, Reason::kCredentialsInvalid},
    {400, "InvalidTimeStamp.Format", Refusal::kFatal, Reason::kInternalError},
    {403, "InvalidSecurityToken.Expired", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {400, "InvalidSecurityToken.MismatchWithAccessKey", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {404, "InvalidAccessKeyId.NotFound", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {400, "InvalidAccessKeyId.Inactive", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {400, "SignatureDoesNotMatch", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {400, "IncompleteSignature", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {403, "Forbidden.AccessKeyDisabled", Refusal::kCredentials, Reason::kCredentialsInvalid},
    {404, "InvalidLoadBalancerId.NotFound", Refusal::kGone, Reason::kTargetNotFound},
    {404, "ServerCertificateId.NotFound", Refusal::kGone, Reason::kTargetNotFound},
    {404, "ListenerNotFound", Refusal::kGone, Reason::kTargetNotFound},
    {404, "CheckedListenerNotFound", Refusal::kGone, Reason::kTargetNotFound},
    {400, "InvalidParameter.DomainExtensionId", Refusal::kGone, Reason::kTargetNotFound},
    {403, "Forbidden", Refusal::kFatal, Reason::kAccessDenied},
    {403, "Forbidden.RAM", Refusal::kFatal, Reason::kAccessDenied},
    {403, "Forbbiden.SubUser", Refusal::kFatal, Reason::kAccessDenied},
    {403, "NoPermission", Refusal::kFatal, Reason::kAccessDenied},
    {400, "UserNotAllowed", Refusal::kFatal, Reason::kAccessDenied},
    {400, "ActionNotAllowed", Refusal::kFatal, Reason::kAccessDenied},
    {400, "OverQuota", Refusal::kFatal, Reason::kQuotaExceeded},
    {400, "ListenerNumberOverLimit", Refusal::kFatal, Reason::kQuotaExceeded},
    {400, "VipTooManyListeners", Refusal::kFatal, Reason::kQuotaExceeded},
    {400, "TooManyListeners", Refusal::kFatal, Reason::kQuotaExceeded},
    {400, "TagCountLimit", Refusal::kFatal, Reason::kQuotaExceeded},
    {400, "CertificateNotMatchPrivateKey", Refusal::kFatal, Reason::kKeyMismatch},
    {400, "KeyFormatError", Refusal::kFatal, Reason::kInvalidCertificate},
    {400, "PrivateKeyEncryption", Refusal::kFatal, Reason::kInvalidCertificate},
    {404, "InvalidRegionId.NotFound", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "InvalidParameter", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "InvalidParameter.Domain", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "Operation.NotAllowed", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "UnsupportedOperationonfixedprotocalport", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "ResourceNotAvailible.HttpListener", Refusal::kFatal, Reason::kInvalidSpec},
    {400, "ListenerAlreadyExists", Refusal::kFatal, Reason::kConflict},
    {400, "NobodyKnowsThisCode", Refusal::kFatal, Reason::kInternalError},
    {403, "NobodyKnowsThisCode", Refusal::kFatal, Reason::kAccessDenied},
};

ApiAnswer answerOf(int status, const std::string& code, const std::string& message = "text") {
    return readAnswer(test::refusal(status, code, message));
}

}  // namespace

TEST_CASE("every code of the service's tables has its class and its reason", "[slb][errors]") {
    for (const Case& c : kCases) {
        INFO(c.status << " " << c.code);
        const ApiAnswer answer = answerOf(c.status, c.code);
        CHECK(classify("AnyAction", answer) == c.refusal);
        CHECK(base::toString(toError("AnyAction", answer).reason()) == base::toString(c.reason));
    }
}

TEST_CASE("Operation.Deny is a busy listener for a start only", "[slb][errors]") {
    CHECK(classify("StartLoadBalancerListener", answerOf(400, "Operation.Deny")) == Refusal::kBusy);
    CHECK(classify("DeleteLoadBalancerListener", answerOf(400, "Operation.Deny")) == Refusal::kFatal);
}

TEST_CASE("a missing listener is told by the text of InvalidParameter, or by a code of its own", "[slb][errors]") {
    CHECK(isListenerMissing(
        toError("Describe", answerOf(400, "InvalidParameter", "The specified resource does not exist."))));
    CHECK(isListenerMissing(toError("Describe", answerOf(404, "ListenerNotFound"))));
    CHECK_FALSE(isListenerMissing(toError("Describe", answerOf(400, "InvalidParameter", "The port is not valid."))));
    CHECK_FALSE(isListenerMissing(toError("Describe", answerOf(404, "InvalidLoadBalancerId.NotFound"))));
    CHECK(isLoadBalancerMissing(toError("Describe", answerOf(404, "InvalidLoadBalancerId.NotFound"))));
}

TEST_CASE("an error names action, status, code and text, and reads the same at every try", "[slb][errors]") {
    const base::Error error = toError("UploadServerCertificate", answerOf(400, "KeyFormatError", "The key is odd."));
    CHECK(error.message() == "UploadServerCertificate was answered 400 KeyFormatError: The key is odd.");
    CHECK(error.code() == "KeyFormatError");
    CHECK_THAT(toError("UploadServerCertificate", answerOf(403, "Forbidden.RAM")).message(),
               CERTBINDER_CONTAINS("allow slb:UploadServerCertificate"));
    CHECK_THAT(toError("DescribeServerCertificates", answerOf(404, "InvalidAccessKeyId.NotFound")).message(),
               CERTBINDER_CONTAINS("check accessKeyID"));
}

TEST_CASE("an error never repeats a text that quotes the request", "[slb][errors]") {
    const std::string quoted = "server string to sign is:POST&%2F&PrivateKey%3Dverysecret";
    for (const char* code : {"SignatureDoesNotMatch", "IncompleteSignature", "InvalidParameter"}) {
        const std::string message = toError("UploadServerCertificate", answerOf(400, code, quoted)).message();
        CHECK(message.find("verysecret") == std::string::npos);
    }
    const std::string pem = "wrong: -----BEGIN RSA PRIVATE KEY-----\nverysecret";
    CHECK(toError("Upload", answerOf(400, "InvalidParameter", pem)).message().find("verysecret") == std::string::npos);
}

TEST_CASE("an answer that is no error document still makes an error", "[slb][errors]") {
    http::Response response;
    response.status = 502;
    response.body = base::SecretBytes("<html>Bad Gateway</html>");
    const base::Error error = toError("Describe", readAnswer(response));
    CHECK(error.reason() == Reason::kUnreachable);
    CHECK(error.code() == "502");
}

TEST_CASE("the outcome of a request is unknown unless it surely was not sent or was refused", "[slb][errors]") {
    const auto unknown = [](http::Failure failure) {
        return outcomeUnknown(base::Error(Reason::kUnreachable, "x").withCode(std::string(http::toString(failure))));
    };
    CHECK(unknown(http::Failure::kTimeout));
    CHECK(unknown(http::Failure::kReset));
    CHECK(unknown(http::Failure::kTruncated));
    CHECK(unknown(http::Failure::kCancelled));
    CHECK_FALSE(unknown(http::Failure::kRefused));
    CHECK_FALSE(unknown(http::Failure::kResolve));
    CHECK_FALSE(unknown(http::Failure::kTls));
    CHECK(outcomeUnknown(toError("Upload", answerOf(500, "InternalError"))));
    CHECK(outcomeUnknown(toError("Upload", answerOf(400, "SignatureNonceUsed"))));
    CHECK_FALSE(outcomeUnknown(toError("Upload", answerOf(400, "OverQuota"))));
    CHECK_FALSE(outcomeUnknown(toError("Upload", answerOf(400, "Throttling"))));
}

TEST_CASE("waits are read from headers, and none is longer than makes sense", "[slb][errors]") {
    using namespace std::chrono_literals;
    http::Response response;
    response.headers = {{"X-Acs-Retry-After", "1500"}};
    CHECK(askedWait(response, {}) == std::optional<std::chrono::milliseconds>(1500ms));

    response.headers = {{"x-acs-retry-after", "-3"}, {"Retry-After", "2"}};
    CHECK(askedWait(response, {}) == std::optional<std::chrono::milliseconds>(2s));

    response.headers = {{"x-acs-retry-after", "9223372036854775807"}};
    CHECK(askedWait(response, {}) == std::optional<std::chrono::milliseconds>(http::kLongestWait));
}
