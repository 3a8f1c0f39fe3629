#include "fake_scm.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "base/time_text.h"
#include "document/json.h"
#include "http/url.h"

namespace certbinder::test {
namespace {

constexpr const char* kCertificates = "/v3/scm/certificates";

/// `2026-11-20 07:59:59.0`, in GMT+8 as the service's examples suggest.
std::string expireText(base::WallTime time) {
    std::string text = base::formatTime(time + std::chrono::hours(8));
    text[10] = ' ';
    text.back() = '.';
    return text + "0";
}

std::string parameter(const std::string& query, const std::string& name) {
    for (const std::string& pair : base::split(query, '&')) {
        if (pair.rfind(name + "=", 0) == 0) {
            return pair.substr(name.size() + 1);
        }
    }
    return "";
}

http::Response json(int status, const document::Value& body, http::Headers headers = {}) {
    return answer(status, document::toJson(body), std::move(headers));
}

}  // namespace

std::string headerOf(const http::Request& request, const std::string& name) {
    for (const auto& [known, value] : request.headers) {
        if (known == name) {
            return value;
        }
    }
    return "";
}

http::Response scmError(int status, const std::string& code, const std::string& message, http::Headers headers) {
    headers.emplace_back("X-Request-Id", "request-1");
    return json(status, document::Value().set("error_code", code).set("error_msg", message), std::move(headers));
}

void FakeScm::issue(const std::string& id, const std::vector<std::string>& names, int fromDay, int toDay) {
    static const Chain authority = makeChain("authority.example");
    Request request;
    request.commonName = names.front();
    request.names = names;
    request.notBefore = pkiNow() + std::chrono::days(fromDay);
    request.notAfter = pkiNow() + std::chrono::days(toDay);
    const Certificate leaf = authority.intermediate.issue(request);
    FakeCertificate certificate;
    certificate.id = id;
    certificate.names = names;
    certificate.expireTime = expireText(request.notAfter);
    certificate.chainPem = leaf.pem() + authority.intermediate.pem();
    certificate.keyPem = leaf.key().pem();
    certificate.fingerprint = base::toHex(base::sha1(leaf.der()));
    put(std::move(certificate));
}

void FakeScm::put(FakeCertificate certificate) {
    const std::scoped_lock lock(mutex_);
    secrets_.push_back(certificate.keyPem);
    certificates_[certificate.id] = std::move(certificate);
}

void FakeScm::erase(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    certificates_.erase(id);
}

void FakeScm::revokeTokens() {
    const std::scoped_lock lock(mutex_);
    tokens_.clear();
}

void FakeScm::setTokenLife(int seconds) {
    const std::scoped_lock lock(mutex_);
    tokenLife_ = seconds;
}

void FakeScm::setDeepOffsetRefused() {
    const std::scoped_lock lock(mutex_);
    deepOffsetRefused_ = true;
}

void FakeScm::setUnsteady(int times) {
    const std::scoped_lock lock(mutex_);
    unsteady_ = times;
}

int FakeScm::count(const std::string& operation) const {
    const std::scoped_lock lock(mutex_);
    const auto found = counts_.find(operation);
    return found == counts_.end() ? 0 : found->second;
}

std::vector<std::string> FakeScm::tokenBodies() const {
    const std::scoped_lock lock(mutex_);
    return tokenBodies_;
}

std::vector<std::string> FakeScm::secrets() const {
    const std::scoped_lock lock(mutex_);
    return secrets_;
}

base::Expected<http::Response> FakeScm::operator()(const http::Request& request) {
    const auto url = http::parseUrl(request.url);
    if (!url) {
        return base::unexpected(url.error());
    }
    const std::scoped_lock lock(mutex_);
    const std::string path(url->path());
    if (path == "/v3/auth/tokens") {
        return createToken(request);
    }
    const std::string token = headerOf(request, "X-Auth-Token");
    if (token.empty() ? headerOf(request, "Authorization").empty() : tokens_.count(token) == 0) {
        return scmError(401, token.empty() ? "APIGW.0301" : "APIGW.0307");
    }
    if (path == kCertificates) {
        return list(std::string(url->query()));
    }
    std::string id = path.substr(std::string(kCertificates).size() + 1);
    const bool isExport = id.size() > 7 && id.substr(id.size() - 7) == "/export";
    if (isExport) {
        id.resize(id.size() - 7);
    }
    ++counts_[isExport ? "ExportCertificate" : "ShowCertificate"];
    const auto found = certificates_.find(id);
    if (found == certificates_.end()) {
        return scmError(404, "SCM.0020", "The certificate does not exist.");
    }
    return isExport ? exported(found->second) : show(found->second);
}

http::Response FakeScm::createToken(const http::Request& request) {
    ++counts_["CreateToken"];
    tokenBodies_.emplace_back(request.body.reveal());
    const std::string token = "TOKEN-THAT-NOBODY-MAY-SEE-" + std::to_string(++tokenNumber_);
    tokens_.insert(token);
    secrets_.push_back(token);
    const document::Value body = document::Value()
                                     .set("issued_at", "2026-01-01T00:00:00.000000Z")
                                     .set("expires_at", base::formatTime(pkiNow() + std::chrono::seconds(tokenLife_)));
    return json(201, document::Value().set("token", body), {{"X-Subject-Token", token}});
}

http::Response FakeScm::list(const std::string& query) {
    ++counts_["ListCertificates"];
    const auto offset = static_cast<std::size_t>(base::parseInteger(parameter(query, "offset")).value_or(0));
    const auto limit = static_cast<std::size_t>(base::parseInteger(parameter(query, "limit")).value_or(10));
    if (deepOffsetRefused_ && offset > 100) {
        return scmError(400, "SCM.0005", "offset is too large");
    }
    const std::string status = parameter(query, "status");
    std::vector<const FakeCertificate*> chosen;
    for (const auto& [id, certificate] : certificates_) {
        if (status.empty() || certificate.status == status) {
            chosen.push_back(&certificate);
        }
    }
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const FakeCertificate* a, const FakeCertificate* b) { return a->expireTime > b->expireTime; });
    auto total = static_cast<std::int64_t>(chosen.size());
    if (offset > 0 && unsteady_ > 0) {
        --unsteady_;
        ++total;
    }
    document::List items;
    for (std::size_t i = offset; i < chosen.size() && i < offset + limit; ++i) {
        const FakeCertificate& c = *chosen[i];
        document::Value item;
        item.set("id", c.id).set("name", "name").set("domain", c.names.front());
        item.set("sans", base::join({c.names.begin() + 1, c.names.end()}, ";"));
        item.set("expire_time", c.expireTime).set("status", c.status).set("description", document::Value());
        items.push_back(std::move(item));
    }
    return json(200, document::Value().set("certificates", std::move(items)).set("total_count", total));
}

http::Response FakeScm::show(const FakeCertificate& certificate) const {
    return json(200, document::Value()
                         .set("id", certificate.id)
                         .set("status", certificate.status)
                         .set("fingerprint", certificate.fingerprint)
                         .set("not_after", certificate.expireTime));
}

http::Response FakeScm::exported(const FakeCertificate& certificate) const {
    if (!certificate.exportCode.empty()) {
        return scmError(400, certificate.exportCode, "Not possible.");
    }
    document::Value body = document::Value().set("entire_certificate", certificate.chainPem);
    switch (certificate.keyField) {
        case FakeCertificate::KeyField::kPresent:
            body.set("private_key", certificate.keyPem);
            break;
        case FakeCertificate::KeyField::kNull:
            body.set("private_key", document::Value());
            break;
        case FakeCertificate::KeyField::kEmpty:
            body.set("private_key", "");
            break;
        case FakeCertificate::KeyField::kAbsent:
            break;
    }
    return json(200, body);
}

}  // namespace certbinder::test
