#include "kube/connection.h"

#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace certbinder::kube {
namespace {

using base::Reason;

ApiError notSent(const Call& call, const base::Error& error) {
    ApiError failed = errorOf(error);
    failed.reason = ApiReason::kNoCredentials;
    failed.place = call.shown;
    return failed;
}

ApiError notAnswered(const Call& call, const base::Error& error) {
    ApiError failed = errorOf(error);
    failed.place = call.shown;
    return failed;
}

void addImpersonation(http::Headers& headers, const Impersonation& as) {
    if (as.user.empty()) {
        return;
    }
    headers.emplace_back("Impersonate-User", as.user);
    if (!as.uid.empty()) {
        headers.emplace_back("Impersonate-Uid", as.uid);
    }
    for (const std::string& group : as.groups) {
        headers.emplace_back("Impersonate-Group", group);
    }
    for (const auto& [key, values] : as.extra) {
        for (const std::string& value : values) {
            headers.emplace_back("Impersonate-Extra-" + base::percentEncode(key), value);
        }
    }
}

/// A request for the moment of its sending: the header with the credentials is wiped right after.
class Dressed {
  public:
    Dressed(const Call& call, const ClusterConfig& config, const Identity& identity) {
        request_.method = call.method;
        request_.url = config.server + call.target;
        request_.repeatable = call.repeatable;
        request_.mostBytes = call.mostAnswerBytes;
        request_.body = base::SecretBytes(call.body);
        request_.headers.emplace_back("Accept", call.accept);
        if (!call.contentType.empty()) {
            request_.headers.emplace_back("Content-Type", call.contentType);
        }
        addImpersonation(request_.headers, config.impersonation);
        if (!identity.authorization.empty()) {
            request_.headers.emplace_back("Authorization", identity.authorization.reveal());
        }
    }
    Dressed(const Dressed&) = delete;
    Dressed& operator=(const Dressed&) = delete;
    ~Dressed() {
        for (auto& [name, value] : request_.headers) {
            if (name == "Authorization") {
                base::wipe(value);
            }
        }
    }

    http::Request& request() { return request_; }

  private:
    http::Request request_;
};

}  // namespace

Connection::Connection(ClusterConfig config, http::TransportSettings settings, MakeTransport make)
    : config_(std::move(config)), settings_(std::move(settings)), make_(std::move(make)) {}

base::Expected<Connection::Transports> Connection::make(std::shared_ptr<const std::string> trust,
                                                        const Identity& identity) const {
    http::TransportSettings settings = settings_;
    if (trust) {
        settings.onlyCaPem = *trust;
    }
    settings.clientCertificate = identity.certificate;
    settings.tlsServerName = config_.tlsServerName;
    settings.proxy = config_.proxy;
    Transports made;
    made.trust = std::move(trust);
    made.certificate = identity.certificate;
    for (std::shared_ptr<http::Transport>* transport : {&made.requests, &made.watches}) {
        base::Expected<std::unique_ptr<http::Transport>> one = make_(settings);
        if (!one) {
            return base::unexpected(std::move(one.error()).in(config_.origin));
        }
        *transport = std::move(*one);
    }
    return made;
}

base::Expected<Connection::Transports> Connection::transportsFor(const Identity& identity) {
    std::shared_ptr<const std::string> trust;
    if (config_.trust) {
        base::Expected<std::shared_ptr<const std::string>> read = config_.trust->current();
        if (!read) {
            return base::unexpected(std::move(read.error()).in(config_.origin));
        }
        trust = std::move(*read);
    }
    auto current = transports_.lock();
    if (current->requests && current->trust == trust && current->certificate == identity.certificate) {
        return *current;
    }
    base::Expected<Transports> made = make(trust, identity);
    if (made) {
        *current = std::move(*made);
    } else if (!current->requests || current->certificate != identity.certificate) {
        return made;
    } else {
        // A CA file that was replaced by something else. Noted as seen, so that it is said and tried once.
        base::logWarning("the cluster's new CA cannot be used; the last one stays in force",
                         {{"error", made.error().message()}});
        current->trust = trust;
    }
    return *current;
}

Result<http::Response> Connection::send(const Call& call, const base::CallContext& context) {
    for (bool again = false;; again = true) {
        base::Expected<std::shared_ptr<const Identity>> identity = config_.credentials->current(context);
        if (!identity) {
            return tl::unexpected(notSent(call, identity.error()));
        }
        const base::Expected<Transports> transports = transportsFor(**identity);
        if (!transports) {
            return tl::unexpected(notSent(call, transports.error()));
        }
        Dressed dressed(call, config_, **identity);
        base::Expected<http::Response> response = transports->requests->send(dressed.request(), context);
        if (!response) {
            return tl::unexpected(notAnswered(call, response.error()));
        }
        if (response->status != 401 || again) {
            return std::move(*response);
        }
        config_.credentials->refused(*identity);
    }
}

Result<void> Connection::stream(const Call& call, const std::function<bool(const http::Response&)>& onHead,
                                const std::function<bool(std::string_view)>& onPiece, std::size_t mostPieceBytes,
                                std::chrono::milliseconds silence, const base::CallContext& context) {
    for (bool again = false;; again = true) {
        base::Expected<std::shared_ptr<const Identity>> identity = config_.credentials->current(context);
        if (!identity) {
            return tl::unexpected(notSent(call, identity.error()));
        }
        const base::Expected<Transports> transports = transportsFor(**identity);
        if (!transports) {
            return tl::unexpected(notSent(call, transports.error()));
        }
        Dressed dressed(call, config_, **identity);
        dressed.request().mostBytes = mostPieceBytes;
        bool unauthorized = false;
        const auto headFirst = [&](const http::Response& head) {
            unauthorized = head.status == 401 && !again;
            return !unauthorized && onHead(head);
        };
        const base::Expected<void> done =
            transports->watches->stream(dressed.request(), headFirst, onPiece, silence, context);
        if (!unauthorized) {
            return done ? Result<void>() : Result<void>(tl::unexpected(notAnswered(call, done.error())));
        }
        config_.credentials->refused(*identity);
    }
}

}  // namespace certbinder::kube
