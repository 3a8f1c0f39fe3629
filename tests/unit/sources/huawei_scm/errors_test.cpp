#include "sources/huawei_scm/errors.h"

#include <string>
#include <vector>

#include "support/fake_transport.h"
#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

using base::Reason;

struct Case {
    int status;
    std::string code;
    Login login;
    Refusal refusal;
    Reason reason;
};

TEST_CASE("each documented code leads to what helps", "[sources][scm][errors]") {
    constexpr Login kKey = Login::kAccessKey;
    constexpr Login kToken = Login::kToken;
    const std::vector<Case> cases{
        {401, "APIGW.0307", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "SCM.1000", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "IAM.0066", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "IAM.0067", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "APIGW.0301", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "", kToken, Refusal::kToken, Reason::kCredentialsInvalid},
        {401, "SCM.1000", kKey, Refusal::kSignature, Reason::kCredentialsInvalid},
        {401, "APIGW.0301", kKey, Refusal::kSignature, Reason::kCredentialsInvalid},
        {401, "", kKey, Refusal::kSignature, Reason::kCredentialsInvalid},
        // A missing permission is a 401 too; a new token would not help.
        {401, "SCM.4002", kToken, Refusal::kFatal, Reason::kAccessDenied},
        {403, "SCM.4002", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {401, "SCM.1004", kToken, Refusal::kFatal, Reason::kAccessDenied},
        {401, "SCM.1009", kToken, Refusal::kFatal, Reason::kAccessDenied},
        {401, "SCM.1010", kToken, Refusal::kFatal, Reason::kAccessDenied},
        {403, "SCM.0002", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {400, "SCM.0003", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {403, "APIGW.0302", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {403, "APIGW.0306", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {403, "SOMETHING.NEW", kKey, Refusal::kFatal, Reason::kAccessDenied},
        {429, "APIGW.0308", kKey, Refusal::kThrottled, Reason::kThrottled},
        {429, "", kKey, Refusal::kThrottled, Reason::kThrottled},
        {429, "IAM.0012", kToken, Refusal::kThrottled, Reason::kThrottled},
        {500, "SCM.0007", kKey, Refusal::kTransient, Reason::kUnreachable},
        {500, "SCM.0037", kKey, Refusal::kTransient, Reason::kUnreachable},
        {500, "SCM.0038", kKey, Refusal::kTransient, Reason::kUnreachable},
        {500, "SCM.4001", kKey, Refusal::kTransient, Reason::kUnreachable},
        {502, "APIGW.0201", kKey, Refusal::kTransient, Reason::kUnreachable},
        {503, "", kKey, Refusal::kTransient, Reason::kUnreachable},
        {504, "", kKey, Refusal::kTransient, Reason::kUnreachable},
        {408, "", kKey, Refusal::kTransient, Reason::kUnreachable},
        {404, "SCM.0020", kKey, Refusal::kNotFound, Reason::kNoMatchingCertificate},
        {400, "SCM.0020", kKey, Refusal::kNotFound, Reason::kNoMatchingCertificate},
        {400, "SCM.0008", kKey, Refusal::kNotFound, Reason::kNoMatchingCertificate},
        {404, "", kKey, Refusal::kNotFound, Reason::kNoMatchingCertificate},
        {400, "SCM.0010", kKey, Refusal::kNotReady, Reason::kKeyNotExportable},
        {400, "SCM.0059", kKey, Refusal::kNoKey, Reason::kKeyNotExportable},
        {400, "SCM.0005", kKey, Refusal::kFatal, Reason::kInvalidSpec},
        {400, "SCM.0069", kKey, Refusal::kFatal, Reason::kInvalidSpec},
        {404, "APIGW.0101", kKey, Refusal::kFatal, Reason::kInvalidSpec},
        {302, "", kKey, Refusal::kFatal, Reason::kInvalidSpec},
        {400, "SCM.9999", kKey, Refusal::kFatal, Reason::kInternalError},
    };
    for (const Case& c : cases) {
        INFO(c.status << " " << c.code);
        const ApiAnswer answer{c.status, c.code, "text", "id-1"};
        CHECK(classify(answer, c.login) == c.refusal);
        const base::Error error = toError("ListCertificates", answer, c.login, {});
        CHECK(error.reason() == c.reason);
        CHECK(error.code() == (c.code.empty() ? std::to_string(c.status) : c.code));
        CHECK_THAT(error.message(), CERTBINDER_CONTAINS("ListCertificates was answered " + std::to_string(c.status)));
        CHECK(error.message().find("id-1") == std::string::npos);  // it would be another status at every try
    }
}

TEST_CASE("errors are read in every shape that the cloud gives them", "[sources][scm][errors]") {
    const std::vector<std::pair<std::string, std::string>> bodies{
        {R"({"error_code":"SCM.0005","error_msg":"bad"})", "SCM.0005"},
        {R"({"errorCode":"SCM.0005","errorMsg":"bad"})", "SCM.0005"},
        {R"({"code":"SCM.0005","message":"bad"})", "SCM.0005"},
        {R"({"error":{"code":401,"message":"bad","title":"Unauthorized"}})", "401"},
    };
    for (const auto& [body, code] : bodies) {
        const ApiAnswer answer = readAnswer(test::answer(400, body, {{"X-Request-Id", "r-1"}}));
        CHECK(answer.code == code);
        CHECK(answer.message == "bad");
        CHECK(answer.requestID == "r-1");
    }
    CHECK(readAnswer(test::answer(400, R"({"error_code":"A","request_id":"r-2"})")).requestID == "r-2");
    for (const std::string body : {"", "<html>oops</html>", "[1,2]", "null", "\"text\"", R"({"error_code":)"}) {
        CHECK(readAnswer(test::answer(502, body)).code.empty());
    }
}

TEST_CASE("what gateways quote of a request is blotted out", "[sources][scm][errors]") {
    const std::string text =
        "verify aksk failed, ak:AKQUOTED, canonicalRequest:GET|/v3/|host:h|x-security-token:TOKENQUOTED==|host, "
        "Access=AKOTHER, Signature=abcdef and sk-quoted";
    const std::string shown = redacted(text, {"sk-quoted", ""});
    for (const std::string secret : {"AKQUOTED", "TOKENQUOTED", "AKOTHER", "abcdef", "sk-quoted"}) {
        CHECK(shown.find(secret) == std::string::npos);
    }
    CHECK_THAT(shown, CERTBINDER_CONTAINS("host:h"));
    CHECK(redacted("-----BEGIN PRIVATE KEY-----\nMII", {}).find("MII") == std::string::npos);
}

TEST_CASE("an error is a sentence", "[sources][scm][errors]") {
    CHECK(toError("ShowCertificate", {404, "SCM.0020", "It does not exist.", "r-1"}, Login::kToken, {}).message() ==
          "ShowCertificate was answered 404 SCM.0020: It does not exist; check the id, and that the credentials are "
          "those of its account");
    CHECK(toError("ListCertificates", {500, "", "", ""}, Login::kToken, {}).message() ==
          "ListCertificates was answered 500");
    CHECK(
        toError("ListCertificates", {401, "APIGW.0301", "wrong, canonicalRequest:GET|/v3/", ""}, Login::kAccessKey, {})
            .message() ==
        "ListCertificates was answered 401 APIGW.0301: wrong; check accessKeyID and secretAccessKey, and "
        "securityToken if the key is temporary");
}

TEST_CASE("a login that fails says whether it is the password, the permission or the time", "[sources][scm][errors]") {
    CHECK(loginError({401, "401", "wrong", ""}, {}).reason() == Reason::kCredentialsInvalid);
    CHECK(loginError({400, "400", "no such project", ""}, {}).reason() == Reason::kCredentialsInvalid);
    CHECK(loginError({403, "403", "", ""}, {}).reason() == Reason::kAccessDenied);
    CHECK(loginError({429, "IAM.0012", "", ""}, {}).reason() == Reason::kThrottled);
    CHECK(loginError({503, "", "", ""}, {}).reason() == Reason::kUnreachable);
    CHECK(loginError({404, "APIGW.0101", "", ""}, {}).reason() == Reason::kInvalidSpec);
    CHECK_THAT(loginError({401, "401", "", ""}, {}).message(), CERTBINDER_CONTAINS("HUAWEI ID"));
}

}  // namespace
}  // namespace certbinder::sources::scm
