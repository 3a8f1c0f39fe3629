#include "targets/slb_listener/client.h"

#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "document/json.h"

namespace certbinder::targets::slb {

using base::CallContext;
using base::Error;
using base::Expected;
using base::Reason;

/// What one call has gone through already, and whether it may go on. Used by one thread.
class SlbClient::Patience {
  public:
    Patience(const ClientSettings& settings, const base::Clock& clock, base::Random& random)
        : settings_(settings),
          clock_(clock),
          random_(random),
          busyUntil_(clock.steadyNow() + settings.busyBudget),
          busy_(settings.busyWait),
          transient_(settings.transientWait) {}

    bool afterBusy(const CallContext& context) {
        const auto wait = busy_.next(random_);
        return clock_.steadyNow() + wait <= busyUntil_ && rest(wait, context);
    }

    bool afterTransient(const CallContext& context) {
        return ++transients_ < settings_.mostTransientTries && rest(transient_.next(random_), context);
    }

    // The wait is the limiter's, at the next acquire().
    bool afterThrottled() { return ++throttled_ < settings_.mostThrottledTries; }

    bool afterClock() { return !std::exchange(clockSet_, true); }

  private:
    bool rest(std::chrono::milliseconds wait, const CallContext& context) const {
        const base::SteadyTime until = clock_.steadyNow() + wait;
        return until < context.deadline && clock_.waitUntil(until, context.stop);
    }

    const ClientSettings& settings_;
    const base::Clock& clock_;
    base::Random& random_;
    const base::SteadyTime busyUntil_;
    base::Backoff busy_;
    base::Backoff transient_;
    int transients_ = 0;
    int throttled_ = 0;
    bool clockSet_ = false;
};

SlbClient::SlbClient(ClientSettings settings, Place place, std::shared_ptr<const Credentials> credentials,
                     http::Transport& transport, const base::Clock& clock, base::Random& random)
    : settings_(std::move(settings)),
      place_(std::move(place)),
      credentials_(std::move(credentials)),
      transport_(transport),
      clock_(clock),
      random_(random),
      limiter_(settings_.rate, clock, random) {}

Expected<http::Response> SlbClient::exchange(const Parameters& parameters, const CallContext& context) {
    if (context.over(clock_)) {
        return base::unexpected(Error(Reason::kUnreachable, "the time ran out before the call").withCode(kNotSent));
    }
    if (auto turn = limiter_.acquire(context); !turn) {
        return base::unexpected(std::move(turn.error()).withCode(kNotSent));
    }
    const Stamp stamp{base::uuid(), clock_.wallNow() + std::chrono::seconds(clockOffset_.load())};
    http::Request request;
    request.method = "POST";
    request.url = place_.endpoint;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
    request.body = signedForm(parameters, *credentials_, stamp);
    return transport_.send(request, context.within(settings_.callTimeout, clock_));
}

bool SlbClient::resyncClock(const http::Response& response) {
    const auto theirs = http::dateOf(response);
    if (theirs) {
        clockOffset_ = (*theirs - clock_.wallNow()).count();
    }
    return theirs.has_value();
}

bool SlbClient::mayRepeat(Kind kind, Refusal refusal, const http::Response& response, Patience& patience,
                          const CallContext& context) {
    switch (refusal) {
        case Refusal::kBusy:
            return patience.afterBusy(context);
        case Refusal::kThrottled:
            limiter_.throttled(askedWait(response, clock_.wallNow()));
            return patience.afterThrottled();
        case Refusal::kTransient:
        case Refusal::kNonceUsed:
            return kind == Kind::kReading && patience.afterTransient(context);
        case Refusal::kClock:
            return patience.afterClock() && resyncClock(response);
        case Refusal::kCredentials:
        case Refusal::kGone:
        case Refusal::kFatal:
            return false;
    }
    return false;
}

Expected<document::Value> SlbClient::call(const std::string& action, Kind kind, Parameters parameters,
                                          const CallContext& context) {
    parameters.set("Action", action);
    // On every call: where it is missing, the central host silently means cn-hangzhou.
    parameters.set("RegionId", place_.region);
    Patience patience(settings_, clock_, random_);
    for (;;) {
        Expected<http::Response> response = exchange(parameters, context);
        if (!response) {
            Error error = std::move(response.error()).in(action);
            const bool safe = kind == Kind::kReading || !outcomeUnknown(error);
            if (safe && error.reason() == Reason::kUnreachable && !context.over(clock_) &&
                patience.afterTransient(context)) {
                continue;
            }
            return base::unexpected(std::move(error));
        }
        if (response->status >= 200 && response->status < 300) {
            limiter_.succeeded();
            auto body = document::parseJson(response->body.reveal());
            if (!body) {
                return base::unexpected(Error(Reason::kUnreachable,
                                              action + ": the answer is no JSON; is the endpoint that of the service?")
                                            .withCode("MalformedAnswer"));
            }
            return std::move(*body);
        }

        const ApiAnswer answer = readAnswer(*response);
        if (!mayRepeat(kind, classify(action, answer), *response, patience, context)) {
            Error error = toError(action, answer);
            base::logInfo(
                "a call was refused",
                {{"action", action}, {"code", error.code()}, {"requestID", base::printable(answer.requestID, 64)}});
            if (const auto wait = askedWait(*response, clock_.wallNow())) {
                error = std::move(error).after(*wait);
            }
            return base::unexpected(std::move(error));
        }
    }
}

Expected<void> SlbClient::write(const std::string& action, Parameters parameters, const CallContext& context) {
    auto answer = call(action, Kind::kWriting, std::move(parameters), context);
    if (!answer) {
        return base::unexpected(std::move(answer.error()));
    }
    return {};
}

Expected<Page<ListenerEntry>> SlbClient::describeListeners(const std::string& token, const CallContext& context) {
    Parameters parameters;
    parameters.set("ListenerProtocol", "https").set("MaxResults", "100");
    if (!token.empty()) {
        parameters.set("NextToken", token);
    }
    auto answer = call("DescribeLoadBalancerListeners", Kind::kReading, std::move(parameters), context);
    if (!answer) {
        return base::unexpected(std::move(answer.error()));
    }
    Page<ListenerEntry> page;
    for (const document::Value& item : listOf(*answer, "Listeners", "Listener")) {
        if (auto entry = readListenerEntry(item)) {
            page.items.push_back(std::move(*entry));
        }
    }
    page.next = (*answer)["NextToken"].asString();
    return page;
}

Expected<Page<LoadBalancer>> SlbClient::describeLoadBalancers(const std::string& token, const CallContext& context) {
    constexpr std::int64_t kPageSize = 100;
    const std::int64_t number = token.empty() ? 1 : std::stoll(token);
    Parameters parameters;
    parameters.set("PageNumber", std::to_string(number)).set("PageSize", std::to_string(kPageSize));
    auto answer = call("DescribeLoadBalancers", Kind::kReading, std::move(parameters), context);
    if (!answer) {
        return base::unexpected(std::move(answer.error()));
    }
    Page<LoadBalancer> page;
    for (const document::Value& item : listOf(*answer, "LoadBalancers", "LoadBalancer")) {
        page.items.push_back(readLoadBalancer(item));
    }
    if (!page.items.empty() && (*answer)["TotalCount"].asInteger() > number * kPageSize) {
        page.next = std::to_string(number + 1);
    }
    return page;
}

Expected<std::vector<ServerCertificate>> SlbClient::describeCertificates(const CallContext& context) {
    auto answer = call("DescribeServerCertificates", Kind::kReading, {}, context);
    if (!answer) {
        return base::unexpected(std::move(answer.error()));
    }
    std::vector<ServerCertificate> certificates;
    for (const document::Value& item : listOf(*answer, "ServerCertificates", "ServerCertificate")) {
        certificates.push_back(readCertificate(item));
    }
    return certificates;
}

Expected<std::optional<ListenerAttributes>> SlbClient::describeListener(const std::string& loadBalancerID,
                                                                        std::uint16_t port,
                                                                        const CallContext& context) {
    Parameters parameters;
    parameters.set("LoadBalancerId", loadBalancerID).set("ListenerPort", std::to_string(port));
    auto answer = call("DescribeLoadBalancerHTTPSListenerAttribute", Kind::kReading, std::move(parameters), context);
    if (answer) {
        return std::optional(readListenerAttributes(*answer));
    }
    if (isListenerMissing(answer.error())) {
        return std::optional<ListenerAttributes>();
    }
    return base::unexpected(std::move(answer.error()));
}

Expected<std::string> SlbClient::uploadCertificate(const Upload& upload, const CallContext& context) {
    Parameters parameters;
    parameters.set("ServerCertificateName", upload.name)
        .set("ServerCertificate", upload.chainPem)
        .set("PrivateKey", upload.keyPem);
    int number = 0;
    for (const auto& [key, value] : upload.tags) {
        const std::string prefix = "Tag." + std::to_string(++number);
        parameters.set(prefix + ".Key", key).set(prefix + ".Value", value);
    }
    auto answer = call("UploadServerCertificate", Kind::kWriting, std::move(parameters), context);
    if (!answer) {
        return base::unexpected(std::move(answer.error()));
    }
    std::string id = (*answer)["ServerCertificateId"].asString();
    if (id.empty()) {
        return base::unexpected(Error(Reason::kUnreachable, "UploadServerCertificate: the answer names no certificate")
                                    .withCode("MalformedAnswer"));
    }
    return id;
}

Expected<void> SlbClient::createListener(Parameters parameters, const CallContext& context) {
    return write("CreateLoadBalancerHTTPSListener", std::move(parameters), context);
}

Expected<void> SlbClient::setListener(Parameters parameters, const CallContext& context) {
    return write("SetLoadBalancerHTTPSListenerAttribute", std::move(parameters), context);
}

Expected<void> SlbClient::startListener(const std::string& loadBalancerID, std::uint16_t port,
                                        const CallContext& context) {
    Parameters parameters;
    parameters.set("LoadBalancerId", loadBalancerID)
        .set("ListenerPort", std::to_string(port))
        .set("ListenerProtocol", "https");
    return write("StartLoadBalancerListener", std::move(parameters), context);
}

Expected<void> SlbClient::createExtension(const std::string& loadBalancerID, std::uint16_t port,
                                          const std::string& domain, const std::string& certificateID,
                                          const CallContext& context) {
    Parameters parameters;
    parameters.set("LoadBalancerId", loadBalancerID)
        .set("ListenerPort", std::to_string(port))
        .set("Domain", domain)
        .set("ServerCertificateId", certificateID);
    return write("CreateDomainExtension", std::move(parameters), context);
}

Expected<void> SlbClient::setExtension(const std::string& extensionID, const std::string& certificateID,
                                       const CallContext& context) {
    Parameters parameters;
    parameters.set("DomainExtensionId", extensionID).set("ServerCertificateId", certificateID);
    return write("SetDomainExtensionAttribute", std::move(parameters), context);
}

Expected<void> SlbClient::deleteExtension(const std::string& extensionID, const CallContext& context) {
    Parameters parameters;
    parameters.set("DomainExtensionId", extensionID);
    return write("DeleteDomainExtension", std::move(parameters), context);
}

}  // namespace certbinder::targets::slb
