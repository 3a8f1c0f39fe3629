#include "sources/huawei_scm/huawei_scm_source.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "http/url.h"
#include "sources/huawei_scm/credentials.h"
#include "sources/huawei_scm/regions.h"

namespace certbinder::sources {
namespace {

using base::Expected;
using base::Reason;

const api::HuaweiScmSource& sourceOf(const SourceRequest& request) {
    return std::get<api::HuaweiScmSource>(request.binding.spec.source);
}

/// Static credentials from the Secret that the binding names. Other ways to log in (agencies, ambient ones) would
/// branch off here.
Expected<scm::Credentials> credentialsOf(const SourceRequest& request) {
    const std::string& name = sourceOf(request).credentialsRef;
    if (name.empty()) {
        return base::unexpected(Reason::kCredentialsNotFound,
                                "spec.source.huaweiSCM has no credentialsRef; name a Secret with accessKeyID and "
                                "secretAccessKey, or with userName, password and domainName");
    }
    const std::string place = "Secret " + request.binding.metadata.key.ns + "/" + name;
    const auto found = request.secrets.find(name);
    if (found == request.secrets.end() || !found->second) {
        return base::unexpected(
            Reason::kCredentialsNotFound,
            "there is no " + place + ", which spec.source.huaweiSCM.credentialsRef names; create it, or mend the name");
    }
    return scm::readCredentials(*found->second, "the " + place);
}

std::string withoutSlash(std::string url) {
    while (!url.empty() && url.back() == '/') {
        url.pop_back();
    }
    return url;
}

}  // namespace

HuaweiScmSource::HuaweiScmSource(scm::Settings settings, http::Transport& transport, const base::Clock& clock,
                                 base::Random& random)
    : settings_(std::move(settings)), transport_(transport), clock_(clock), random_(random) {}

Expected<scm::ScmClient::Place> HuaweiScmSource::placeOf(const api::HuaweiScmSource& source) const {
    scm::ScmClient::Place place;
    if (source.endpoint.empty()) {
        auto endpoint = scm::scmEndpoint(source.region);
        if (!endpoint) {
            return base::unexpected(std::move(endpoint.error()));
        }
        place.endpoint = std::move(*endpoint);
    } else if (auto error = http::checkEndpoint(source.endpoint)) {
        return base::unexpected(std::move(*error).in("spec.source.huaweiSCM.endpoint"));
    } else {
        place.endpoint = withoutSlash(source.endpoint);
    }
    place.projectID = source.projectID;
    if (settings_.iamEndpoint.empty()) {
        place.login.endpoint = scm::iamEndpoint(source.region);
    } else if (auto error = http::checkEndpoint(settings_.iamEndpoint)) {
        return base::unexpected(std::move(*error).in("the IAM endpoint of the environment"));
    } else {
        place.login.endpoint = withoutSlash(settings_.iamEndpoint);
    }
    place.login.region = source.region;
    place.login.projectID = source.projectID;
    return place;
}

/// A Secret that holds other credentials than before leaves an account behind, with its keys and tokens: it goes where
/// no other Secret holds the same.
void HuaweiScmSource::forgetOthers(Accounts& accounts, const std::string& user, const std::string& key) {
    const std::string before = std::exchange(accounts.keyByUser[user], key);
    const bool stillUsed = std::any_of(accounts.keyByUser.begin(), accounts.keyByUser.end(),
                                       [&](const auto& entry) { return entry.second == before; });
    if (!before.empty() && !stillUsed) {
        accounts.byKey.erase(before);
    }
}

Expected<std::shared_ptr<scm::Account>> HuaweiScmSource::accountOf(const SourceRequest& request) {
    auto place = placeOf(sourceOf(request));
    if (!place) {
        return base::unexpected(std::move(place.error()));
    }
    auto credentials = credentialsOf(request);
    if (!credentials) {
        return base::unexpected(std::move(credentials.error()));
    }
    // By content, so that Secrets of several namespaces with the same credentials share one pace and one listing.
    const std::string where = place->endpoint + " " + place->login.region + " " + place->projectID + " ";
    const std::string key = where + scm::identityOf(*credentials);
    const std::string user = where + request.binding.metadata.key.ns + "/" + sourceOf(request).credentialsRef;
    const base::SteadyTime now = clock_.steadyNow();

    auto accounts = accounts_.lock();
    for (auto entry = accounts->byKey.begin(); entry != accounts->byKey.end();) {
        entry = entry->second.lastUse + settings_.idle < now ? accounts->byKey.erase(entry) : std::next(entry);
    }
    const auto known = accounts->keyByUser.find(user);
    if (known == accounts->keyByUser.end() || known->second != key) {
        forgetOthers(*accounts, user, key);
    }
    Known& entry = accounts->byKey[key];
    entry.lastUse = now;
    if (!entry.account) {
        entry.account = std::make_shared<scm::Account>(
            settings_,
            std::make_unique<scm::ScmClient>(settings_, std::move(*place), std::move(*credentials), transport_, clock_,
                                             random_),
            clock_);
    }
    return entry.account;
}

Expected<Sourced> HuaweiScmSource::load(const SourceRequest& request, const base::CallContext& context) {
    auto account = accountOf(request);
    if (!account) {
        return base::unexpected(std::move(account.error()));
    }
    const api::HuaweiScmSource& source = sourceOf(request);
    return source.certificateID.empty()
               ? (*account)->forDomain(source.domain, source.enterpriseProjectID, request.notOlderThan, context)
               : (*account)->pinned(source.certificateID, request.notOlderThan, context);
}

}  // namespace certbinder::sources
