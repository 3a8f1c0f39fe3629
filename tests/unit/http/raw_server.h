#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "support/test_pki.h"

namespace certbinder::test {

struct OpensslFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

/// A server's context that shows this certificate.
std::unique_ptr<SSL_CTX, OpensslFree> serverContext(const Certificate& certificate);

/// The server's end of one connection, byte by byte.
class RawConnection {
  public:
    RawConnection(int fd, SSL_CTX* tls);

    /// Head and body of the next request; "" where the client has closed the connection.
    std::string readRequest();
    bool write(std::string_view bytes);
    void startTls(SSL_CTX* tls);  ///< from here on, as behind a proxy's CONNECT
    void endCleanly();            ///< close_notify, then FIN
    void cut();                   ///< FIN without close_notify
    void reset();                 ///< RST
    void waitUntilLeft();         ///< until the client closes, or the server is stopped
    void stop();                  ///< from another thread: ends whatever waits

  private:
    long read(char* bytes, std::size_t size);

    base::UniqueFd fd_;
    std::unique_ptr<SSL, OpensslFree> ssl_;
    bool usable_ = true;
};

/// A server that does what the script says on each connection, each in a thread of its own.
class RawServer {
  public:
    using Script = std::function<void(RawConnection&)>;

    /// Listens on a free port of 127.0.0.1, or of ::1. Without `tls` it speaks plain text.
    explicit RawServer(Script script, std::unique_ptr<SSL_CTX, OpensslFree> tls = nullptr, bool ipv6 = false);
    ~RawServer();

    std::string url(std::string_view target, std::string_view host = {}) const;
    int connections() const { return accepted_; }

  private:
    void accept();

    Script script_;
    std::unique_ptr<SSL_CTX, OpensslFree> tls_;
    bool ipv6_;
    base::UniqueFd listener_;
    int port_ = 0;
    std::atomic<int> accepted_{0};
    std::mutex mutex_;
    bool stopped_ = false;
    std::list<std::unique_ptr<RawConnection>> open_;
    std::vector<std::thread> workers_;
    std::thread acceptor_;
};

}  // namespace certbinder::test
