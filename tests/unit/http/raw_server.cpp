#include "http/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <stdexcept>

#include "base/text.h"

namespace certbinder::test {
namespace {

void require(bool held, const char* what) {
    if (!held) {
        throw std::runtime_error(std::string("the test's server failed: ") + what);
    }
}

}  // namespace

std::unique_ptr<SSL_CTX, OpensslFree> serverContext(const Certificate& certificate) {
    std::unique_ptr<SSL_CTX, OpensslFree> context(SSL_CTX_new(TLS_server_method()));
    require(SSL_CTX_use_certificate(context.get(), certificate.handle()) == 1, "certificate");
    require(SSL_CTX_use_PrivateKey(context.get(), certificate.key().handle()) == 1, "key");
    return context;
}

RawConnection::RawConnection(int fd, SSL_CTX* tls) : fd_(fd) {
    const int noDelay = 1;  // else an answer may wait for the client's delayed ACK, and times measured say nothing
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &noDelay, sizeof noDelay);
    if (tls != nullptr) {
        startTls(tls);
    }
}

void RawConnection::startTls(SSL_CTX* tls) {
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), fd_.get());
}

long RawConnection::read(char* bytes, std::size_t size) {
    if (!usable_) {
        return 0;
    }
    if (!ssl_) {
        return ::recv(fd_.get(), bytes, size, 0);
    }
    if (SSL_is_init_finished(ssl_.get()) == 0 && SSL_accept(ssl_.get()) != 1) {
        usable_ = false;
        return 0;
    }
    return SSL_read(ssl_.get(), bytes, static_cast<int>(size));
}

std::string RawConnection::readRequest() {
    std::string text;
    std::size_t wanted = std::string::npos;
    while (text.size() < wanted) {
        char piece[4096];
        const long got = read(piece, sizeof piece);
        if (got <= 0) {
            return {};
        }
        text.append(piece, static_cast<std::size_t>(got));
        const std::size_t end = text.find("\r\n\r\n");
        if (end != std::string::npos && wanted == std::string::npos) {
            const std::size_t length = base::toLower(text).find("content-length:");
            wanted =
                end + 4 + (length == std::string::npos ? 0 : std::strtoul(text.c_str() + length + 15, nullptr, 10));
        }
    }
    return text;
}

bool RawConnection::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const long sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            usable_ = false;
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void RawConnection::endCleanly() {
    if (ssl_ && usable_) {
        SSL_shutdown(ssl_.get());
    }
    cut();
}

void RawConnection::cut() {
    ::shutdown(fd_.get(), SHUT_WR);
    usable_ = false;
}

void RawConnection::reset() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    usable_ = false;
}

void RawConnection::waitUntilLeft() {
    char piece[4096];
    while (::recv(fd_.get(), piece, sizeof piece, 0) > 0) {
    }
}

void RawConnection::stop() {
    ::shutdown(fd_.get(), SHUT_RDWR);
}

RawServer::RawServer(Script script, std::unique_ptr<SSL_CTX, OpensslFree> tls, bool ipv6)
    : script_(std::move(script)), tls_(std::move(tls)), ipv6_(ipv6) {
    listener_.reset(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    socklen_t size = ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (ipv6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
        v6->sin6_family = AF_INET6;
        v6->sin6_addr = in6addr_loopback;
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    require(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    require(::listen(listener_.get(), 128) == 0, "listen");
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(ipv6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                       : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
    acceptor_ = std::thread([this] { accept(); });
}

RawServer::~RawServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
        const std::scoped_lock lock(mutex_);
        stopped_ = true;
        for (const auto& connection : open_) {
            connection->stop();
        }
    }
    for (std::thread& worker : workers_) {
        worker.join();
    }
}

std::string RawServer::url(std::string_view target, std::string_view host) const {
    const std::string name = !host.empty() ? std::string(host) : ipv6_ ? "[::1]" : "127.0.0.1";
    return (tls_ ? "https://" : "http://") + name + ":" + std::to_string(port_) + std::string(target);
}

void RawServer::accept() {
    for (;;) {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        ++accepted_;
        const std::scoped_lock lock(mutex_);
        open_.push_back(std::make_unique<RawConnection>(fd, tls_.get()));
        const auto place = std::prev(open_.end());
        workers_.emplace_back([this, place] {
            script_(**place);
            const std::scoped_lock ending(mutex_);
            open_.erase(place);  // closes, as a FIN or, after reset(), as a RST
        });
    }
}

}  // namespace certbinder::test
