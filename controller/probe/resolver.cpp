#include "probe/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <system_error>

namespace certbinder::probe {

/// What getaddrinfo said. Not in the nameless namespace, since a member of Resolver::Lookup has this type.
struct LookupAnswer {
    int error = 0;  ///< of getaddrinfo
    int systemError = 0;
    std::vector<Endpoint> endpoints;
};

namespace {

using base::Reason;
using base::unexpected;

/// Lookups that may hang at once; more of them mean that name resolution is down, and would only pile up threads.
constexpr std::size_t kMostLookups = 64;

LookupAnswer ask(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    LookupAnswer answer;
    answer.error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    answer.systemError = errno;
    if (answer.error != 0) {
        return answer;
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        Endpoint endpoint;
        endpoint.family = at->ai_family;
        endpoint.size = at->ai_addrlen;
        std::memcpy(&endpoint.address, at->ai_addr, std::min<std::size_t>(at->ai_addrlen, sizeof(endpoint.address)));
        answer.endpoints.push_back(endpoint);
    }
    return answer;
}

base::Error lookupFailed(const std::string& why) {
    return base::Error(Reason::kUnreachable,
                       "resolving the name failed: " + why + "; look at the address and at the name server");
}

base::Expected<std::vector<Endpoint>> outcome(const LookupAnswer& answer) {
    if (answer.error == EAI_SYSTEM) {
        return unexpected(lookupFailed(std::system_category().message(answer.systemError)));
    }
    if (answer.error != 0) {
        return unexpected(lookupFailed(::gai_strerror(answer.error)));
    }
    if (answer.endpoints.empty()) {
        return unexpected(lookupFailed("the name has no address"));
    }
    return answer.endpoints;
}

}  // namespace

struct Resolver::Lookup {
    std::string host;
    std::uint16_t port = 0;
    base::UniqueFd done{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::atomic<bool> finished{false};  ///< the answer is written before, and read only after
    LookupAnswer answer;

    void run() {
        answer = ask(host, port, AI_ADDRCONFIG);
        finished.store(true, std::memory_order_release);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(done.get(), &one, sizeof(one));
    }
};

std::string Endpoint::literal() const {
    std::array<char, NI_MAXHOST> text{};
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const int error = ::getnameinfo(generic, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    return error == 0 ? std::string(text.data()) : std::string("an unprintable address");
}

Resolver::~Resolver() {
    for (Worker& worker : *workers_.lock()) {
        worker.thread.join();
    }
}

bool Resolver::start(const std::shared_ptr<Lookup>& lookup) {
    auto workers = workers_.lock();
    const auto ended = std::partition(workers->begin(), workers->end(), [](const Worker& worker) {
        return !worker.lookup->finished.load(std::memory_order_acquire);
    });
    std::for_each(ended, workers->end(), [](Worker& worker) { worker.thread.join(); });
    workers->erase(ended, workers->end());
    if (workers->size() >= kMostLookups) {
        return false;
    }
    workers->push_back({lookup, std::thread([lookup] { lookup->run(); })});
    return true;
}

base::Expected<std::vector<Endpoint>> Resolver::resolve(const std::string& host, std::uint16_t port,
                                                        const StopSignal& signal, base::SteadyTime deadline) {
    LookupAnswer literal = ask(host, port, AI_NUMERICHOST);
    if (literal.error == 0) {
        return outcome(literal);
    }
    const auto lookup = std::make_shared<Lookup>();
    lookup->host = host;
    lookup->port = port;
    if (!lookup->done || !start(lookup)) {
        return unexpected(lookupFailed("too many lookups hang already"));
    }
    switch (signal.waitFor(lookup->done.get(), POLLIN, deadline)) {
        case Wait::kStopped:
            return unexpected(Reason::kUnreachable, "resolving the name was stopped");
        case Wait::kDeadline:
            return unexpected(lookupFailed("no answer in time"));
        case Wait::kReady:
            break;
    }
    if (!lookup->finished.load(std::memory_order_acquire)) {
        return unexpected(lookupFailed("the lookup ended without an answer"));
    }
    return outcome(lookup->answer);
}

}  // namespace certbinder::probe
