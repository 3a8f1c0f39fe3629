#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/guarded.h"
#include "probe/stop_signal.h"

namespace certbinder::probe {

/// Where to connect to.
struct Endpoint {
    int family = 0;
    sockaddr_storage address{};
    socklen_t size = 0;

    std::string literal() const;  ///< the IP address as text
};

/// Turns a host name into addresses. The system's resolver cannot be interrupted, and takes half a minute for a name
/// server that is silent, so names are looked up in threads of its own, whose answer may come too late for the one who
/// asked. Thread-safe. The destructor waits for the lookups that are still under way.
class Resolver {
  public:
    Resolver() = default;
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// In the system's order of preference (RFC 6724), at least one. Reason kUnreachable.
    base::Expected<std::vector<Endpoint>> resolve(const std::string& host, std::uint16_t port, const StopSignal& signal,
                                                  base::SteadyTime deadline);

  private:
    struct Lookup;
    struct Worker {
        std::shared_ptr<Lookup> lookup;
        std::thread thread;
    };

    bool start(const std::shared_ptr<Lookup>& lookup);

    base::Guarded<std::vector<Worker>> workers_;
};

}  // namespace certbinder::probe
