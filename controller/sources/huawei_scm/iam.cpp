#include "sources/huawei_scm/iam.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "document/json.h"
#include "sources/huawei_scm/errors.h"
#include "sources/huawei_scm/patience.h"

namespace certbinder::sources::scm {
namespace {

using base::CallContext;
using base::Expected;
using base::Reason;
using base::SteadyTime;

constexpr std::string_view kTokenHeader = "X-Subject-Token";

/// Of a token whose answer does not say when it ends: what the documentation promises.
constexpr std::chrono::hours kUsualLife{24};

std::string takeHeader(http::Headers& headers, std::string_view name) {
    for (auto& [known, value] : headers) {
        if (base::toLower(known) == base::toLower(name)) {
            return std::exchange(value, std::string());
        }
    }
    return {};
}

/// A JSON string that leaves no trace but in `out`.
void appendQuoted(base::SecretBytes& out, std::string_view text) {
    std::string quoted = base::quoteJson(text);
    out.append(quoted);
    base::wipe(quoted);
}

}  // namespace

TokenSource::TokenSource(const Settings& settings, LoginPlace place, PasswordLogin login, http::Transport& transport,
                         const base::Clock& clock, base::Random& random)
    : settings_(settings),
      place_(std::move(place)),
      login_(std::move(login)),
      transport_(transport),
      clock_(clock),
      random_(random),
      lookup_(clock),
      renewNotBefore_(SteadyTime::min()) {}

base::SecretBytes TokenSource::body() const {
    base::SecretBytes body(R"({"auth":{"identity":{"methods":["password"],"password":{"user":{"name":)");
    appendQuoted(body, login_.userName);
    body.append(R"(,"password":)");
    appendQuoted(body, login_.password.reveal());
    body.append(R"(,"domain":{"name":)");
    appendQuoted(body, login_.domainName);
    body.append(R"(}}}},"scope":)");
    if (settings_.tokenScope == TokenScope::kDomain) {
        body.append(R"({"domain":{"name":)");
        appendQuoted(body, login_.domainName);
    } else if (!place_.projectID.empty()) {
        body.append(R"({"project":{"id":)");
        appendQuoted(body, place_.projectID);
    } else {
        body.append(R"({"project":{"name":)");
        appendQuoted(body, place_.region);
    }
    body.append("}}}}");
    return body;
}

Expected<TokenSource::Shared> TokenSource::read(http::Response& response) const {
    std::string text = takeHeader(response.headers, kTokenHeader);
    auto token = std::make_shared<Token>();
    token->text = base::SecretBytes::take(text);
    if (token->text.empty()) {
        return base::unexpected(Reason::kUnreachable, "the login at IAM gave no token; is the endpoint that of IAM?");
    }
    const SteadyTime now = clock_.steadyNow();
    std::chrono::seconds life = kUsualLife;
    if (const auto body = document::parseJson(response.body.reveal())) {
        // The difference of IAM's own two times: this machine's clock may be wrong.
        const auto issued = base::parseTime((*body)["token"]["issued_at"].asString());
        const auto ends = base::parseTime((*body)["token"]["expires_at"].asString());
        if (ends) {
            life = std::max(*ends - issued.value_or(clock_.wallNow()), std::chrono::seconds(1));
        }
    }
    token->endsAt = now + life;
    token->renewAt = now + std::max(life - settings_.tokenMargin, life / 2);
    return Shared(std::move(token));
}

Expected<TokenSource::Shared> TokenSource::fetch(const CallContext& context) {
    Patience patience(settings_, clock_, random_);
    for (;;) {
        http::Request request;
        request.method = "POST";
        // Without the catalogue of all services, which is longer than the rest of the answer.
        request.url = place_.endpoint + "/v3/auth/tokens?nocatalog=true";
        request.headers = {{"Content-Type", "application/json;charset=utf8"}};
        request.body = body();
        auto response = transport_.send(request, context.within(settings_.callTimeout, clock_));
        if (!response) {
            if (response.error().reason() == Reason::kUnreachable && !context.over(clock_) &&
                patience.afterTransient(context)) {
                continue;
            }
            return base::unexpected(std::move(response.error()).in("the login at IAM"));
        }
        if (response->status >= 200 && response->status < 300) {
            return read(*response);
        }
        const ApiAnswer answer = readAnswer(*response);
        if (classify(answer, Login::kToken) == Refusal::kTransient && patience.afterTransient(context)) {
            continue;
        }
        base::Error error = loginError(answer, {login_.password.reveal()});
        base::logInfo("a login at IAM was refused",
                      {{"code", error.code()}, {"requestID", base::printable(answer.requestID, 64)}});
        if (const auto wait = http::retryAfter(*response, clock_.wallNow())) {
            error = std::move(error).after(*wait);
        }
        return base::unexpected(std::move(error));
    }
}

Expected<TokenSource::Shared> TokenSource::token(const CallContext& context) {
    const auto load = [this](const CallContext& c) { return fetch(c); };
    auto known = lookup_.get(SteadyTime::min(), load, context);
    const SteadyTime now = clock_.steadyNow();
    if (!known || now < (*known)->renewAt) {
        return known;
    }
    const bool stillGood = now < (*known)->endsAt;
    if (stillGood && now < *renewNotBefore_.lock()) {
        return known;
    }
    auto renewed = lookup_.get((*known)->renewAt, load, context);
    if (renewed || !stillGood) {
        return renewed;
    }
    *renewNotBefore_.lock() = now + settings_.tokenRetry;
    base::logWarning("the IAM token could not be renewed; the present one is used on",
                     {{"reason", base::toString(renewed.error().reason())}, {"error", renewed.error().message()}});
    return known;
}

void TokenSource::discard(const std::shared_ptr<const Token>& refused) {
    lookup_.discardIf([&](const Shared& known) { return known == refused; });
}

}  // namespace certbinder::sources::scm
