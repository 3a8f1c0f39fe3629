#include "sources/huawei_scm/errors.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "document/json.h"

namespace certbinder::sources::scm {
namespace {

using base::Reason;

struct Verdict {
    Refusal refusal;
    Reason reason;
    std::string_view advice;
};

struct Entry {
    std::string_view code;
    Verdict verdict;
};

constexpr std::string_view kCheckKey =
    "check accessKeyID and secretAccessKey, and securityToken if the key is temporary";
constexpr std::string_view kCheckToken = "check userName, password and domainName, and that the user is enabled";
constexpr std::string_view kGrant = "grant scm:cert:list, scm:cert:get and scm:cert:download (or scm:cert:export)";
constexpr std::string_view kNoSuchCertificate = "check the id, and that the credentials are those of its account";
constexpr std::string_view kAccount = "look at the state of the account in the console";

// Status 401 stands for a wrong token as well as for a missing permission: the code tells them apart.
constexpr std::array kTable{
    Entry{"SCM.4002", {Refusal::kFatal, Reason::kAccessDenied, kGrant}},
    Entry{"SCM.0002", {Refusal::kFatal, Reason::kAccessDenied, "check projectID: it is another account's or region's"}},
    Entry{"SCM.0003", {Refusal::kFatal, Reason::kAccessDenied, kNoSuchCertificate}},
    Entry{"SCM.1004", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"SCM.1009", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"SCM.1010", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"APIGW.0302", {Refusal::kFatal, Reason::kAccessDenied, kGrant}},
    Entry{"APIGW.0306", {Refusal::kFatal, Reason::kAccessDenied, kGrant}},
    Entry{"IAM.0002", {Refusal::kFatal, Reason::kAccessDenied, kGrant}},
    Entry{"IAM.0003", {Refusal::kFatal, Reason::kAccessDenied, kGrant}},
    Entry{"IAM.0080", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"IAM.0081", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"IAM.0082", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},
    Entry{"IAM.0083", {Refusal::kFatal, Reason::kAccessDenied, kAccount}},

    Entry{"APIGW.0301", {Refusal::kSignature, Reason::kCredentialsInvalid, kCheckKey}},
    Entry{"APIGW.0307", {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}},
    Entry{"SCM.1000", {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}},
    Entry{"IAM.0001", {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}},
    Entry{"IAM.0066", {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}},
    Entry{"IAM.0067", {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}},

    Entry{"APIGW.0308", {Refusal::kThrottled, Reason::kThrottled, ""}},
    Entry{"IAM.0012", {Refusal::kThrottled, Reason::kThrottled, ""}},

    Entry{"SCM.0007", {Refusal::kTransient, Reason::kUnreachable, ""}},
    Entry{"SCM.0037", {Refusal::kTransient, Reason::kUnreachable, ""}},
    Entry{"SCM.0038", {Refusal::kTransient, Reason::kUnreachable, ""}},
    Entry{"SCM.4001", {Refusal::kTransient, Reason::kUnreachable, ""}},

    Entry{"SCM.0008", {Refusal::kNotFound, Reason::kNoMatchingCertificate, kNoSuchCertificate}},
    Entry{"SCM.0020", {Refusal::kNotFound, Reason::kNoMatchingCertificate, kNoSuchCertificate}},
    Entry{"SCM.0010",
          {Refusal::kNotReady, Reason::kKeyNotExportable,
           "a certificate can be exported while it is issued (or uploaded) and valid, and if its CSR was not made "
           "elsewhere; take another one, or import certificate and key into SCM"}},
    Entry{"SCM.0059",
          {Refusal::kNoKey, Reason::kKeyNotExportable,
           "the key of a certificate with a CSR of one's own is not in SCM; import certificate and key into SCM, or "
           "use a Secret as the source"}},

    Entry{"SCM.0005", {Refusal::kFatal, Reason::kInvalidSpec, "check enterpriseProjectID, region and endpoint"}},
    Entry{"SCM.0069", {Refusal::kFatal, Reason::kInvalidSpec, "check projectID"}},
    Entry{"APIGW.0101", {Refusal::kFatal, Reason::kInvalidSpec, "check endpoint and region: there is no such API"}},
};

Verdict byStatus(int status, Login login) {
    if (status == 401) {
        return login == Login::kToken ? Verdict{Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken}
                                      : Verdict{Refusal::kSignature, Reason::kCredentialsInvalid, kCheckKey};
    }
    if (status == 403) {
        return {Refusal::kFatal, Reason::kAccessDenied, kGrant};
    }
    if (status == 404) {
        return {Refusal::kNotFound, Reason::kNoMatchingCertificate, kNoSuchCertificate};
    }
    if (status == 429) {
        return {Refusal::kThrottled, Reason::kThrottled, ""};
    }
    if (status == 408 || status >= 500) {
        return {Refusal::kTransient, Reason::kUnreachable, ""};
    }
    if (status < 400) {
        return {Refusal::kFatal, Reason::kInvalidSpec, "check endpoint: this is not the service's answer"};
    }
    return {Refusal::kFatal, Reason::kInternalError, ""};
}

Verdict judge(const ApiAnswer& answer, Login login) {
    if (answer.status == 429) {
        return byStatus(answer.status, login);
    }
    const auto entry =
        std::find_if(kTable.begin(), kTable.end(), [&](const Entry& known) { return known.code == answer.code; });
    if (entry == kTable.end()) {
        return byStatus(answer.status, login);
    }
    Verdict verdict = entry->verdict;
    if (login == Login::kAccessKey && verdict.refusal == Refusal::kToken) {
        verdict = {Refusal::kSignature, Reason::kCredentialsInvalid, kCheckKey};
    } else if (login == Login::kToken && verdict.refusal == Refusal::kSignature) {
        verdict = {Refusal::kToken, Reason::kCredentialsInvalid, kCheckToken};
    }
    return verdict;
}

bool readShape(const document::Value& body, const char* code, const char* message, ApiAnswer& answer) {
    const document::Value& found = body[code];
    if (found.isString()) {
        answer.code = found.asString();
    } else if (found.isInteger()) {
        answer.code = std::to_string(found.asInteger());
    } else {
        return false;
    }
    answer.message = body[message].asString();
    return true;
}

/// In the order of the official SDKs.
bool readShapes(const document::Value& body, ApiAnswer& answer) {
    return readShape(body, "error_code", "error_msg", answer) || readShape(body, "errorCode", "errorMsg", answer) ||
           readShape(body, "code", "message", answer);
}

void blot(std::string& text, std::string_view secret) {
    if (secret.empty()) {
        return;
    }
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
        text.replace(at, secret.size(), "***");
    }
}

/// Blots out what stands behind `mark`, up to a character that cannot be part of it.
void blotAfter(std::string& text, std::string_view mark) {
    constexpr std::string_view kEnds = " ,;|\"'\r\n\t";
    const std::string lower = base::toLower(text);
    std::string kept;
    std::size_t from = 0;
    for (std::size_t at = lower.find(mark); at != std::string::npos; at = lower.find(mark, from)) {
        const std::size_t value = at + mark.size();
        const std::size_t end = std::min(text.find_first_of(kEnds, value), text.size());
        kept += text.substr(from, value - from) + (end > value ? "***" : "");
        from = end;
    }
    text = kept + text.substr(from);
}

/// The service's words as part of a sentence: without the full stop, and without the canonical request that comes with
/// a wrong signature, which is for those who debug signatures.
std::string sentence(std::string_view message) {
    constexpr std::string_view kEnds = " .,;:";
    message = message.substr(0, message.find("canonicalRequest"));
    const std::size_t last = message.find_last_not_of(kEnds);
    return std::string(message.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

base::Error describe(std::string_view operation, const ApiAnswer& answer, Reason reason, std::string_view advice,
                     const std::vector<std::string_view>& hidden) {
    const std::string status = std::to_string(answer.status);
    std::string text = std::string(operation) + " was answered " + status;
    if (!answer.code.empty() && answer.code != status) {
        text += " " + redacted(answer.code, hidden);
    }
    if (const std::string message = sentence(answer.message); !message.empty()) {
        text += ": " + redacted(message, hidden);
    }
    if (!advice.empty()) {
        text += "; " + std::string(advice);
    }
    std::string code = answer.code.empty() ? status : redacted(answer.code, hidden);
    return base::Error(reason, std::move(text)).withCode(std::move(code));
}

}  // namespace

ApiAnswer readAnswer(const http::Response& response) {
    ApiAnswer answer;
    answer.status = response.status;
    if (const auto body = document::parseJson(response.body.reveal())) {
        bool found = readShapes(*body, answer);
        for (const document::Member& member : body->asObject()) {
            found = found || readShapes(member.value, answer);
        }
        answer.requestID = (*body)["request_id"].asString();
    }
    if (const std::string_view id = base::trim(response.header("X-Request-Id")); !id.empty()) {
        answer.requestID = std::string(id);
    }
    return answer;
}

Refusal classify(const ApiAnswer& answer, Login login) {
    return judge(answer, login).refusal;
}

std::string redacted(std::string text, const std::vector<std::string_view>& hidden) {
    if (text.find("PRIVATE KEY") != std::string::npos) {
        return "(a text with a private key in it)";
    }
    for (const std::string_view secret : hidden) {
        blot(text, secret);
    }
    for (const std::string_view mark :
         {"x-security-token:", "x-auth-token:", "ak:", "access=", "signature=", "password="}) {
        blotAfter(text, mark);
    }
    return base::printable(text);
}

base::Error toError(std::string_view operation, const ApiAnswer& answer, Login login,
                    const std::vector<std::string_view>& hidden) {
    const Verdict verdict = judge(answer, login);
    return describe(operation, answer, verdict.reason, verdict.advice, hidden);
}

base::Error loginError(const ApiAnswer& answer, const std::vector<std::string_view>& hidden) {
    constexpr std::string_view kOperation = "the login at IAM";
    switch (judge(answer, Login::kToken).refusal) {
        case Refusal::kThrottled:
            return describe(kOperation, answer, Reason::kThrottled, "", hidden);
        case Refusal::kTransient:
            return describe(kOperation, answer, Reason::kUnreachable, "", hidden);
        default:
            break;
    }
    if (answer.status == 403) {
        return describe(kOperation, answer, Reason::kAccessDenied,
                        "allow programmatic access to the IAM user, and see that it is enabled", hidden);
    }
    if (answer.code == "APIGW.0101" || answer.status < 400) {
        return describe(kOperation, answer, Reason::kInvalidSpec, "check the endpoint of IAM", hidden);
    }
    // An account that was turned into a HUAWEI ID gets no token by password, whatever the password is.
    return describe(kOperation, answer, Reason::kCredentialsInvalid,
                    "check userName, password and domainName (the account's name), that they are an IAM user's and not "
                    "a HUAWEI ID's, and that the project exists",
                    hidden);
}

}  // namespace certbinder::sources::scm
