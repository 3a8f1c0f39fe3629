#include "sources/huawei_scm/client.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "document/json.h"
#include "http/url.h"
#include "sources/huawei_scm/patience.h"

namespace certbinder::sources::scm {
namespace {

using base::CallContext;
using base::Error;
using base::Expected;
using base::Reason;

constexpr const char* kCertificates = "/v3/scm/certificates";
constexpr std::size_t kPageSize = 50;  // the most that the service gives
/// A difference of clocks that is worth another try; the gateway's own limit is 15 minutes.
constexpr std::int64_t kClockDifference = 60;
constexpr const char* kBadParameter = "SCM.0005";

/// Header values that are secrets leave no trace behind the exchange.
class WipedHeaders {
  public:
    explicit WipedHeaders(http::Headers& headers) : headers_(headers) {}
    ~WipedHeaders() {
        for (auto& [name, value] : headers_) {
            base::wipe(value);
        }
    }
    WipedHeaders(const WipedHeaders&) = delete;
    WipedHeaders& operator=(const WipedHeaders&) = delete;

  private:
    http::Headers& headers_;
};

/// Takes a string out of a parsed answer, which does not wipe what it holds.
base::SecretBytes takeSecret(document::Value& body, std::string_view field) {
    document::Value* value = body.find(field);
    if (value == nullptr || !value->isString()) {
        return {};
    }
    std::string text = value->takeString();
    return base::SecretBytes::take(text);
}

ListedCertificate readListed(const document::Value& item) {
    ListedCertificate certificate;
    certificate.id = item["id"].asString();
    certificate.name = item["name"].asString();
    certificate.names = namesOf(item["domain"].asString(), item["sans"].asString());
    certificate.status = item["status"].asString();
    certificate.expireTime = item["expire_time"].asString();
    return certificate;
}

Error malformed(const std::string& operation, const std::string& what) {
    return Error(Reason::kUnreachable, operation + ": " + what + "; is the endpoint that of SSL Certificate Manager?")
        .withCode("MalformedAnswer");
}

}  // namespace

struct ScmClient::Page {
    std::vector<ListedCertificate> items;
    std::int64_t total = 0;
};

ScmClient::ScmClient(const Settings& settings, Place place, Credentials credentials, http::Transport& transport,
                     const base::Clock& clock, base::Random& random)
    : settings_(settings),
      place_(std::move(place)),
      transport_(transport),
      clock_(clock),
      random_(random),
      limiter_(settings.rate, clock, random) {
    if (auto* key = std::get_if<AccessKey>(&credentials)) {
        key_ = std::move(*key);
    } else {
        tokens_ = std::make_unique<TokenSource>(
            settings_, place_.login, std::move(std::get<PasswordLogin>(credentials)), transport_, clock_, random_);
    }
}

Login ScmClient::login() const {
    return key_ ? Login::kAccessKey : Login::kToken;
}

Expected<void> ScmClient::authenticate(http::Request& request, const Call& call, std::shared_ptr<const Token>& token,
                                       const CallContext& context) {
    if (tokens_) {
        auto fresh = tokens_->token(context);
        if (!fresh) {
            return base::unexpected(std::move(fresh.error()));
        }
        token = std::move(*fresh);
        request.headers.emplace_back("X-Auth-Token", token->text.reveal());
        return {};
    }
    const auto url = http::parseUrl(request.url);
    if (!url) {
        return base::unexpected(url.error());
    }
    request.headers.emplace_back("Host", url->authority());
    request.headers.emplace_back("X-Sdk-Date",
                                 base::formatCompactTime(clock_.wallNow() + std::chrono::seconds(clockOffset_.load())));
    if (!key_->securityToken.empty()) {
        request.headers.emplace_back("X-Security-Token", key_->securityToken.reveal());
    }
    const Signable signable{request.method, std::string(url->path()), call.query, request.headers,
                            request.body.reveal()};
    request.headers.emplace_back("Authorization", authorization(signable, *key_));
    return {};
}

Expected<http::Request> ScmClient::prepare(const Call& call, std::shared_ptr<const Token>& token,
                                           const CallContext& context) {
    http::Request request;
    request.method = call.method;
    request.url = place_.endpoint + call.path + (call.query.empty() ? "" : "?" + canonicalQuery(call.query));
    // Error texts come in Chinese otherwise.
    request.headers = {{"Content-Type", "application/json"}, {"X-Language", "en-us"}};
    if (!place_.projectID.empty()) {
        request.headers.emplace_back("X-Project-Id", place_.projectID);
    }
    if (auto turn = limiter_.acquire(context); !turn) {
        return base::unexpected(std::move(turn.error()));
    }
    // Behind the wait: a signature is good for minutes only.
    if (auto done = authenticate(request, call, token, context); !done) {
        return base::unexpected(std::move(done.error()));
    }
    return request;
}

bool ScmClient::resyncClock(const http::Response& response) {
    const auto theirs = http::dateOf(response);
    if (!theirs) {
        return false;
    }
    const std::int64_t offset = (*theirs - clock_.wallNow()).count();
    const std::int64_t before = clockOffset_.exchange(offset);
    return std::llabs(offset - before) >= kClockDifference;
}

Error ScmClient::refusalOf(const Call& call, const ApiAnswer& answer, const http::Response& response) const {
    std::vector<std::string_view> hidden;
    if (key_) {
        hidden = {key_->id, key_->secret.reveal(), key_->securityToken.reveal()};
    } else {
        hidden = {tokens_->login().password.reveal()};
    }
    Error error = toError(call.operation, answer, login(), hidden);
    base::logInfo(
        "a call was refused",
        {{"action", call.operation}, {"code", error.code()}, {"requestID", redacted(answer.requestID, hidden)}});
    base::logDebug("the refusal in full", {{"action", call.operation}, {"error", redacted(answer.message, hidden)}});
    if (const auto wait = http::retryAfter(response, clock_.wallNow())) {
        error = std::move(error).after(*wait);
    }
    return error;
}

Expected<document::Value> ScmClient::call(const Call& call, const CallContext& context) {
    Patience patience(settings_, clock_, random_);
    for (;;) {
        std::shared_ptr<const Token> token;
        Expected<http::Request> request = prepare(call, token, context);
        if (!request) {
            return base::unexpected(std::move(request.error()).in(call.operation));
        }
        const WipedHeaders wiped(request->headers);
        Expected<http::Response> response = transport_.send(*request, context.within(settings_.callTimeout, clock_));
        if (!response) {
            if (response.error().reason() == Reason::kUnreachable && !context.over(clock_) &&
                patience.afterTransient(context)) {
                continue;
            }
            return base::unexpected(std::move(response.error()).in(call.operation));
        }
        if (response->status >= 200 && response->status < 300) {
            limiter_.succeeded();
            auto body = document::parseJson(response->body.reveal());
            if (!body || !body->isObject()) {
                // Half a body, or a proxy's page with a good status.
                if (patience.afterTransient(context)) {
                    continue;
                }
                return base::unexpected(malformed(call.operation, "the answer is no JSON object"));
            }
            return std::move(*body);
        }

        const ApiAnswer answer = readAnswer(*response);
        bool again = false;
        switch (classify(answer, login())) {
            case Refusal::kToken:
                tokens_->discard(token);
                again = patience.afterToken();
                break;
            case Refusal::kSignature:
                again = key_ && resyncClock(*response) && patience.afterClock();
                break;
            case Refusal::kThrottled:
                limiter_.throttled(http::retryAfter(*response, clock_.wallNow()));
                again = patience.afterThrottled();
                break;
            case Refusal::kTransient:
                again = patience.afterTransient(context);
                break;
            case Refusal::kNotFound:
            case Refusal::kNotReady:
            case Refusal::kNoKey:
            case Refusal::kFatal:
                break;
        }
        if (!again) {
            return base::unexpected(refusalOf(call, answer, *response));
        }
    }
}

Expected<ScmClient::Page> ScmClient::page(const std::string& enterpriseProjectID, const std::string& status,
                                          std::size_t offset, const CallContext& context) {
    // Last to expire first: an order that does not change while the pages are read, and if the end of the list cannot
    // be had, that is where the oldest are.
    Query query{{"limit", std::to_string(kPageSize)},
                {"offset", std::to_string(offset)},
                {"sort_key", "certExpiredTime"},
                {"sort_dir", "DESC"}};
    if (!enterpriseProjectID.empty()) {
        query.emplace_back("enterprise_project_id", enterpriseProjectID);
    }
    if (!status.empty()) {
        query.emplace_back("status", status);
    }
    auto body = call({"ListCertificates", "GET", kCertificates, std::move(query)}, context);
    if (!body) {
        return base::unexpected(std::move(body.error()));
    }
    const document::Value& items = (*body)["certificates"];
    if (!items.isList() && !items.isNull()) {
        return base::unexpected(malformed("ListCertificates", "the answer has no list of certificates"));
    }
    Page page;
    page.total = (*body)["total_count"].asInteger(-1);
    if (items.isNull() && page.total < 0) {
        return base::unexpected(malformed("ListCertificates", "the answer has no list of certificates"));
    }
    for (const document::Value& item : items.asList()) {
        page.items.push_back(readListed(item));
    }
    return page;
}

Expected<Listing> ScmClient::listOnce(const std::string& enterpriseProjectID, const std::string& status,
                                      const CallContext& context, bool& steady) {
    Listing listing;
    std::set<std::string> seen;
    std::optional<std::int64_t> total;
    steady = true;
    for (std::size_t offset = 0;;) {
        auto next = page(enterpriseProjectID, status, offset, context);
        if (!next) {
            // The documentation gives 0 to 100 as the range of an offset, while other clients go on beyond it.
            if (offset > 0 && next.error().code() == kBadParameter) {
                listing.truncated = true;
                return listing;
            }
            return base::unexpected(std::move(next.error()));
        }
        steady = steady && total.value_or(next->total) == next->total;
        total = next->total;
        const std::size_t count = next->items.size();
        const std::size_t seenBefore = seen.size();
        for (ListedCertificate& item : next->items) {
            if (!item.id.empty() && seen.insert(item.id).second) {
                listing.certificates.push_back(std::move(item));
            }
        }
        offset += count;
        // A page with nothing new ends it too: a service that heeds no offset would be read for ever.
        if (count < kPageSize || static_cast<std::int64_t>(offset) == *total || seen.size() == seenBefore) {
            // Fewer than were counted: one moved over a page's edge while the pages were read.
            steady = steady && (*total < 0 || static_cast<std::int64_t>(seen.size()) == *total);
            return listing;
        }
    }
}

Expected<Listing> ScmClient::listSteadily(const std::string& enterpriseProjectID, const std::string& status,
                                          const CallContext& context) {
    for (int reading = 1;; ++reading) {
        bool steady = false;
        auto listing = listOnce(enterpriseProjectID, status, context, steady);
        if (!listing || steady || reading >= settings_.mostListings) {
            return listing;
        }
    }
}

Expected<Listing> ScmClient::list(const std::string& enterpriseProjectID, const CallContext& context) {
    auto all = listSteadily(enterpriseProjectID, "", context);
    if (!all || !all->truncated) {
        return all;
    }
    // Too many to be seen together; those that can be exported are the ones that count.
    all->truncated = false;
    for (const char* status : {kIssued, kUploaded}) {
        auto some = listSteadily(enterpriseProjectID, status, context);
        if (!some && some.error().code() == kBadParameter) {
            all->truncated = true;  // the partner cloud's filter does not know all states
            continue;
        }
        if (!some) {
            return some;
        }
        all->truncated = all->truncated || some->truncated;
        for (ListedCertificate& item : some->certificates) {
            const bool known = std::any_of(all->certificates.begin(), all->certificates.end(),
                                           [&](const ListedCertificate& other) { return other.id == item.id; });
            if (!known) {
                all->certificates.push_back(std::move(item));
            }
        }
    }
    return all;
}

Expected<Shown> ScmClient::show(const std::string& id, const CallContext& context) {
    auto body =
        call({"ShowCertificate", "GET", std::string(kCertificates) + "/" + base::percentEncode(id), {}}, context);
    if (!body) {
        return base::unexpected(std::move(body.error()).in("certificate " + id));
    }
    Shown shown;
    shown.status = (*body)["status"].asString();
    shown.fingerprintSHA1 = base::toLower((*body)["fingerprint"].asString());
    shown.notAfter = (*body)["not_after"].asString();
    return shown;
}

Expected<Exported> ScmClient::exportCertificate(const std::string& id, const CallContext& context) {
    auto body =
        call({"ExportCertificate", "POST", std::string(kCertificates) + "/" + base::percentEncode(id) + "/export", {}},
             context);
    if (!body) {
        return base::unexpected(std::move(body.error()).in("certificate " + id));
    }
    Exported exported;
    exported.keyPem = takeSecret(*body, "private_key");
    const base::SecretBytes encryptionKey = takeSecret(*body, "enc_private_key");  // SM2 only; not wanted, but wiped
    const std::string& leaf = (*body)["certificate"].asString();
    const std::string& chain = (*body)["certificate_chain"].asString();
    const std::string& entire = (*body)["entire_certificate"].asString();  // not in the API's first version
    exported.certificatePem = !leaf.empty() && !chain.empty() ? leaf + "\n" + chain : !entire.empty() ? entire : leaf;
    if (exported.certificatePem.empty()) {
        return base::unexpected(
            malformed("ExportCertificate", "the answer holds no certificate").in("certificate " + id));
    }
    return exported;
}

}  // namespace certbinder::sources::scm
