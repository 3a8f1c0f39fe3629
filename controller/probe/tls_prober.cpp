#include "probe/tls_prober.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "base/text.h"
#include "base/unique_fd.h"
#include "certificate/openssl.h"
#include "probe/resolver.h"
#include "probe/stop_signal.h"

namespace certbinder::probe {
namespace {

using base::Error;
using base::Reason;
using base::SteadyTime;
using base::unexpected;
using certificate::ErrorQueue;
using certificate::FreeWith;

using SslContextPtr = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;

SslContextPtr makeContext() {
    const ErrorQueue errors;
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
        throw std::runtime_error("OpenSSL makes no TLS context: " + errors.reason());
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_LEGACY_SERVER_CONNECT);
    return context;
}

bool isAddress(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

/// `host:port`, with brackets around a v6 literal.
std::string placeName(const std::string& address, std::uint16_t port) {
    const std::string shown = base::printable(address);
    const bool bracketed = shown.find(':') != std::string::npos;
    return (bracketed ? "[" + shown + "]" : shown) + ":" + std::to_string(port);
}

/// The name to send. RFC 6066 allows no IP literal there and no trailing dot.
std::string sniOf(std::string serverName) {
    if (!serverName.empty() && serverName.back() == '.') {
        serverName.pop_back();
    }
    return isAddress(serverName) ? std::string() : serverName;
}

Error connectFailed(const std::string& why) {
    return Error(Reason::kUnreachable, "connecting failed: " + why);
}

Error handshakeFailed(const std::string& why) {
    return Error(Reason::kUnreachable, "the TLS handshake failed: " + why);
}

/// What the macro SSL_set_tlsext_host_name does with casts of C's kind. OpenSSL copies the name.
bool setServerName(SSL* ssl, std::string name) {
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

/// Why a wait ended without what was waited for.
std::string wordsFor(Wait wait) {
    return wait == Wait::kStopped ? "it was stopped" : "no answer in time; look at the server and at firewalls between";
}

std::string connectErrorWords(int error) {
    const std::string words = std::system_category().message(error);
    return error == ECONNREFUSED ? words + "; nothing listens there, or a firewall refuses" : words;
}

base::Expected<base::UniqueFd> connectTo(const Endpoint& endpoint, const StopSignal& signal, SteadyTime deadline) {
    base::UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return unexpected(connectFailed(connectErrorWords(errno)));
    }
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) == 0) {
        return fd;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        return unexpected(connectFailed(connectErrorWords(errno)));
    }
    const Wait wait = signal.waitFor(fd.get(), POLLOUT, deadline);
    if (wait != Wait::kReady) {
        return unexpected(connectFailed(wordsFor(wait)));
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        return unexpected(connectFailed(connectErrorWords(error)));
    }
    return fd;
}

/// OpenSSL's words where they say it best, else what they mean.
std::string handshakeErrorWords(int kind, int systemError, const ErrorQueue& errors) {
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    const bool closed = reason == SSL_R_UNEXPECTED_EOF_WHILE_READING || kind == SSL_ERROR_ZERO_RETURN ||
                        (kind == SSL_ERROR_SYSCALL && error == 0 && systemError == 0);
    if (closed) {
        return "the server closed the connection; look at whether it speaks TLS there, for this name, and at its log";
    }
    if (kind == SSL_ERROR_SYSCALL && error == 0) {
        return std::system_category().message(systemError);
    }
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
        return "the answer is not TLS; look at whether the port is the one for TLS (`listen … ssl`)";
    }
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
        return "the server does not speak TLS 1.2 or newer; turn that on";
    }
    return errors.reason();
}

std::optional<Error> shakeHands(SSL* ssl, int fd, const StopSignal& signal, SteadyTime deadline) {
    const ErrorQueue errors;
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const int result = SSL_connect(ssl);
        const int systemError = errno;
        if (result == 1) {
            return std::nullopt;
        }
        const int kind = SSL_get_error(ssl, result);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE) {
            return handshakeFailed(handshakeErrorWords(kind, systemError, errors));
        }
        const Wait wait = signal.waitFor(fd, kind == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
        if (wait != Wait::kReady) {
            return handshakeFailed(wordsFor(wait));
        }
    }
}

base::Expected<Served> servedBy(SSL* ssl) {
    const certificate::X509Ptr leaf(SSL_get1_peer_certificate(ssl));
    if (!leaf) {
        return unexpected(handshakeFailed("the server shows no certificate"));
    }
    auto info = certificate::infoOf(leaf.get());
    if (!info) {
        return unexpected(handshakeFailed(info.error().message()));
    }
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    const int length = chain != nullptr ? sk_X509_num(chain) : 1;
    return Served{std::move(*info), static_cast<std::size_t>(std::max(length, 1))};
}

base::Expected<Served> handshakeAt(SSL_CTX* context, const Endpoint& endpoint, const std::string& sni,
                                   const StopSignal& signal, SteadyTime deadline) {
    const ErrorQueue errors;
    const auto fd = connectTo(endpoint, signal, deadline);
    if (!fd) {
        return unexpected(fd.error());
    }
    const SslPtr ssl(SSL_new(context));
    if (!ssl || SSL_set_fd(ssl.get(), fd->get()) != 1) {
        return unexpected(Reason::kInternalError, "OpenSSL makes no connection: " + errors.reason());
    }
    if (!sni.empty() && !setServerName(ssl.get(), sni)) {
        return unexpected(Reason::kInternalError,
                          "the server name " + base::printable(sni) + " cannot be sent: " + errors.reason());
    }
    if (auto failed = shakeHands(ssl.get(), fd->get(), signal, deadline)) {
        return unexpected(std::move(*failed));
    }
    auto served = servedBy(ssl.get());
    SSL_shutdown(ssl.get());  // says goodbye, so that the server logs no broken connection; its own is not waited for
    return served;
}

/// The time for the next address, so that a silent one does not use up that of those behind it.
SteadyTime shareOf(SteadyTime deadline, std::size_t remaining) {
    if (deadline == SteadyTime::max()) {
        return deadline;
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    return now >= deadline ? deadline : now + (deadline - now) / static_cast<int>(remaining);
}

}  // namespace

struct TlsProber::Parts {
    const SslContextPtr context = makeContext();  // shared by all threads, never changed
    Resolver resolver;
};

TlsProber::TlsProber() : parts_(std::make_unique<Parts>()) {}
TlsProber::~TlsProber() = default;

base::Expected<Served> TlsProber::handshake(const Place& place, const base::CallContext& context) {
    const std::string where = placeName(place.address, place.port);
    const StopSignal signal(context.stop);
    const auto endpoints = parts_->resolver.resolve(place.address, place.port, signal, context.deadline);
    if (!endpoints) {
        return unexpected(Error(endpoints.error()).in(where));
    }
    const std::string sni = sniOf(place.serverName);
    std::vector<std::string> failures;
    Reason reason = Reason::kUnreachable;
    for (std::size_t i = 0; i < endpoints->size() && !context.stop.stop_requested(); ++i) {
        const Endpoint& endpoint = (*endpoints)[i];
        const SteadyTime deadline = shareOf(context.deadline, endpoints->size() - i);
        auto served = handshakeAt(parts_->context.get(), endpoint, sni, signal, deadline);
        if (served) {
            return served;
        }
        reason = served.error().reason();
        failures.push_back(endpoints->size() == 1 ? served.error().message()
                                                  : endpoint.literal() + ": " + served.error().message());
    }
    if (failures.empty()) {
        failures.emplace_back("connecting was stopped");
    }
    // Name servers rotate their answers; a message that did so too would be another status at every look.
    std::sort(failures.begin(), failures.end());
    return unexpected(Error(reason, base::join(failures, "; ")).in(where));
}

}  // namespace certbinder::probe
