#include "tls_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace certbinder::test {
namespace {

struct Bound {
    sockaddr_storage address{};
    socklen_t size = 0;
};

Bound anyPortOf(const std::string& address) {
    Bound bound;
    if (address.find(':') != std::string::npos) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        inet_pton(AF_INET6, address.c_str(), &six.sin6_addr);
        bound.size = sizeof(six);
        std::memcpy(&bound.address, &six, sizeof(six));
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        inet_pton(AF_INET, address.c_str(), &four.sin_addr);
        bound.size = sizeof(four);
        std::memcpy(&bound.address, &four, sizeof(four));
    }
    return bound;
}

void need(bool done, const char* what) {
    if (!done) {
        throw std::runtime_error(std::string("the test server failed: ") + what);
    }
}

}  // namespace

std::unique_ptr<LocalServer> LocalServer::start(std::function<void(int fd)> serve, const std::string& address) {
    std::unique_ptr<LocalServer> server(new LocalServer());
    Bound bound = anyPortOf(address);
    auto* generic = reinterpret_cast<sockaddr*>(&bound.address);
    server->listener_.reset(::socket(bound.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!server->listener_ || ::bind(server->listener_.get(), generic, bound.size) != 0) {
        return nullptr;
    }
    need(::listen(server->listener_.get(), 16) == 0, "listening");
    need(::getsockname(server->listener_.get(), generic, &bound.size) == 0, "asking for the port");
    server->port_ = ntohs(bound.address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(generic)->sin_port
                                                             : reinterpret_cast<sockaddr_in6*>(generic)->sin6_port);
    server->serve_ = std::move(serve);
    server->stop_.reset(::eventfd(0, EFD_CLOEXEC));
    server->thread_ = std::thread([raw = server.get()] { raw->run(); });
    return server;
}

LocalServer::~LocalServer() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof(one));
        thread_.join();
    }
}

bool LocalServer::waitForConnections(int count) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (accepted_ < count && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    return accepted_ >= count;
}

void LocalServer::run() {
    for (;;) {
        std::array<pollfd, 2> fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), -1) > 0 && fds[1].revents != 0) {
            return;
        }
        base::UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) {
            continue;
        }
        ++accepted_;
        // A client that hangs must not hang the test.
        const timeval limit{10, 0};
        ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (serve_) {
            serve_(connection.get());
        } else {
            held_.push_back(std::move(connection));
        }
    }
}

TlsServer::Context TlsServer::contextFor(const std::vector<Certificate>& chain, int newestVersion) {
    const Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), newestVersion);
    need(SSL_CTX_use_certificate(context.get(), chain.front().handle()) == 1, "using the certificate");
    need(SSL_CTX_use_PrivateKey(context.get(), chain.front().key().handle()) == 1, "using the key");
    for (std::size_t i = 1; i < chain.size(); ++i) {
        need(SSL_CTX_add1_chain_cert(context.get(), chain[i].handle()) == 1, "adding to the chain");
    }
    return context;
}

int TlsServer::chooseByName(ssl_st* ssl, int* /*alert*/, void* self) {
    auto* server = static_cast<TlsServer*>(self);
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const std::lock_guard lock(server->mutex_);
    server->lastName_ = name != nullptr ? std::optional<std::string>(name) : std::nullopt;
    const auto found = server->byName_.find(name != nullptr ? name : "");
    if (found != server->byName_.end()) {
        SSL_set_SSL_CTX(ssl, found->second.get());
    }
    return SSL_TLSEXT_ERR_OK;
}

TlsServer::TlsServer(const Settings& settings) : standard_(contextFor(settings.standard, settings.newestVersion)) {
    for (const auto& [name, chain] : settings.byName) {
        byName_[name] = contextFor(chain, settings.newestVersion);
    }
    // The functions behind two macros of OpenSSL that cast in C's way.
    using Callback = void (*)();
    SSL_CTX_callback_ctrl(standard_.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                          reinterpret_cast<Callback>(&TlsServer::chooseByName));
    SSL_CTX_ctrl(standard_.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, this);
    server_ = LocalServer::start([this](int fd) { serve(fd); }, settings.address);
}

TlsServer::~TlsServer() {
    server_.reset();
}

std::optional<std::string> TlsServer::lastName() const {
    const std::lock_guard lock(mutex_);
    return lastName_;
}

void TlsServer::serve(int fd) {
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(standard_.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) == 1) {
        resumed_ += SSL_session_reused(ssl.get());
        char byte = 0;
        SSL_read(ssl.get(), &byte, 1);  // until the client says goodbye
    }
    ERR_clear_error();
}

}  // namespace certbinder::test
