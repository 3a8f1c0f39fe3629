#include "ssh/tcp_connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/text.h"

namespace certbinder::ssh {

using base::Expected;
using base::Reason;
using base::unexpected;
using base::UniqueFd;

namespace {

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

struct Lookup {
    std::mutex mutex;
    std::condition_variable_any ended;
    bool done = false;
    int status = 0;
    Addresses addresses{nullptr, ::freeaddrinfo};
};

int resolve(const std::string& address, const std::string& port, int flags, Addresses& addresses) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int status = ::getaddrinfo(address.c_str(), port.c_str(), &hints, &found);
    addresses.reset(found);
    return status;
}

/// getaddrinfo cannot be interrupted, so it runs in a thread that owns what it works on and may be left behind; the
/// resolver's own time limit ends it.
Expected<Addresses> resolveName(const std::string& address, const std::string& port, const Waiter& waiter) {
    const auto lookup = std::make_shared<Lookup>();
    std::thread([lookup, address, port] {
        Addresses addresses{nullptr, ::freeaddrinfo};
        const int status = resolve(address, port, 0, addresses);
        const std::lock_guard lock(lookup->mutex);
        lookup->addresses = std::move(addresses);
        lookup->status = status;
        lookup->done = true;
        lookup->ended.notify_all();
    }).detach();

    std::unique_lock lock(lookup->mutex);
    const auto until = std::chrono::steady_clock::now() + waiter.context().left();
    if (!lookup->ended.wait_until(lock, waiter.context().stop, until, [&] { return lookup->done; })) {
        auto time = waiter.checkTime();
        return time ? unexpected(Reason::kUnreachable, "the name was not resolved in time")
                    : unexpected(std::move(time.error()).in("resolving the name"));
    }
    if (lookup->status != 0) {
        return unexpected(Reason::kUnreachable,
                          std::string("the name cannot be resolved: ") + ::gai_strerror(lookup->status));
    }
    return std::move(lookup->addresses);
}

tl::unexpected<base::Error> failed(int error) {
    return unexpected(Reason::kUnreachable, "no connection: " + std::generic_category().message(error));
}

Expected<UniqueFd> connectTo(const addrinfo& to, Waiter& waiter) {
    UniqueFd socket(::socket(to.ai_family, to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to.ai_protocol));
    if (!socket) {
        return failed(errno);
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket.get(), to.ai_addr, to.ai_addrlen) != 0) {
        if (errno != EINPROGRESS) {
            return failed(errno);
        }
        if (auto waited = waiter.wait(socket.get(), POLLOUT); !waited) {
            return unexpected(std::move(waited.error()).in("connecting"));
        }
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            return failed(error);
        }
    }
    return socket;
}

}  // namespace

Expected<UniqueFd> tcpConnect(const std::string& address, std::uint16_t port, Waiter& waiter) {
    const std::string service = std::to_string(port);
    Addresses addresses{nullptr, ::freeaddrinfo};
    if (resolve(address, service, AI_NUMERICHOST, addresses) != 0) {
        auto named = resolveName(address, service, waiter);
        if (!named) {
            return unexpected(named.error());
        }
        addresses = std::move(*named);
    }
    Expected<UniqueFd> result = unexpected(Reason::kUnreachable, "the name has no address");
    for (const addrinfo* to = addresses.get(); to != nullptr; to = to->ai_next) {
        result = connectTo(*to, waiter);
        if (result || waiter.context().over()) {
            break;
        }
    }
    return result;
}

}  // namespace certbinder::ssh
