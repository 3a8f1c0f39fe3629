#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/guarded.h"
#include "http/cpprest_transport.h"
#include "kube/api_error.h"
#include "kube/cluster_config.h"

namespace certbinder::kube {

/// One request below the server's address.
struct Call {
    std::string method = "GET";
    std::string target;  ///< path and query, percent-encoded, beginning with a slash
    std::string accept = "application/json";
    std::string contentType;  ///< of a body
    std::string body;
    std::size_t mostAnswerBytes = 16 << 20;
    bool repeatable = false;  ///< whether sending it twice does what sending it once does; GET always is
    std::string shown;        ///< for errors: `PATCH secrets web/shop-tls`
};

/// Who may be talked to and as whom: keeps transports for the CA and client certificate in force, makes new ones when
/// either changes, adds credentials as late as possible, and answers a 401 by looking for newer credentials and trying
/// once more. Calls under way end on the transport they began with. Thread-safe.
class Connection {
  public:
    using MakeTransport =
        std::function<base::Expected<std::unique_ptr<http::Transport>>(const http::TransportSettings&)>;

    /// The transport is made from `settings` with the config's trust, client certificate, name and proxy put in.
    explicit Connection(ClusterConfig config, http::TransportSettings settings = {},
                        MakeTransport make = http::makeCpprestTransport);

    const ClusterConfig& config() const { return config_; }

    /// Any answer of the server, whatever its status; errors have kNoAnswer or kNoCredentials.
    Result<http::Response> send(const Call& call, const base::CallContext& context);

    /// `onHead` sees the final answer's head, never that of a 401 which is followed by another try.
    Result<void> stream(const Call& call, const std::function<bool(const http::Response&)>& onHead,
                        const std::function<bool(std::string_view)>& onPiece, std::size_t mostPieceBytes,
                        std::chrono::milliseconds silence, const base::CallContext& context);

  private:
    struct Transports {
        std::shared_ptr<const std::string> trust;
        std::shared_ptr<const http::ClientCertificate> certificate;
        std::shared_ptr<http::Transport> requests;
        std::shared_ptr<http::Transport> watches;
    };

    base::Expected<Transports> transportsFor(const Identity& identity);
    base::Expected<Transports> make(std::shared_ptr<const std::string> trust, const Identity& identity) const;

    const ClusterConfig config_;
    const http::TransportSettings settings_;
    const MakeTransport make_;
    base::Guarded<Transports> transports_;
};

}  // namespace certbinder::kube
