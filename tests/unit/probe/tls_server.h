#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "support/test_pki.h"

struct ssl_st;
struct ssl_ctx_st;

namespace certbinder::test {

/// A port on loopback whose connections are handed, one after the other, to `serve` in a thread of the server.
class LocalServer {
  public:
    /// Null `serve` leaves connections unanswered. Null result where the address is not there (no IPv6).
    static std::unique_ptr<LocalServer> start(std::function<void(int fd)> serve,
                                              const std::string& address = "127.0.0.1");
    ~LocalServer();
    LocalServer(const LocalServer&) = delete;
    LocalServer& operator=(const LocalServer&) = delete;

    std::uint16_t port() const { return port_; }
    /// Waits, ten seconds at most, until that many connections were accepted.
    bool waitForConnections(int count) const;

  private:
    LocalServer() = default;
    void run();

    std::function<void(int)> serve_;
    base::UniqueFd listener_;
    base::UniqueFd stop_;
    std::uint16_t port_ = 0;
    std::atomic<int> accepted_{0};
    std::vector<base::UniqueFd> held_;  // of the thread, until it has ended
    std::thread thread_;
};

/// What a TLS server on loopback serves, by the name that it is asked for.
class TlsServer {
  public:
    struct Settings {
        std::vector<Certificate> standard;                       ///< leaf, then chain
        std::map<std::string, std::vector<Certificate>> byName;  ///< by SNI
        int newestVersion = 0;                                   ///< 0: any
        std::string address = "127.0.0.1";
    };

    explicit TlsServer(const Settings& settings);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    bool running() const { return server_ != nullptr; }
    std::uint16_t port() const { return server_->port(); }
    /// The name of the last handshake; nothing where none was sent.
    std::optional<std::string> lastName() const;
    /// Handshakes that resumed an earlier session.
    int resumed() const { return resumed_; }

  private:
    using Context = std::shared_ptr<ssl_ctx_st>;
    static Context contextFor(const std::vector<Certificate>& chain, int newestVersion);
    static int chooseByName(ssl_st* ssl, int* alert, void* self);
    void serve(int fd);

    Context standard_;
    std::map<std::string, Context> byName_;
    mutable std::mutex mutex_;
    std::optional<std::string> lastName_;
    std::atomic<int> resumed_{0};
    std::unique_ptr<LocalServer> server_;  // last: its thread uses the rest
};

}  // namespace certbinder::test
