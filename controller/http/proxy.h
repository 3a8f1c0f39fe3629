#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "base/secret_bytes.h"
#include "http/url.h"

namespace certbinder::http {

/// An HTTP proxy that tunnels by CONNECT.
struct Proxy {
    std::string host;  ///< an IPv6 address without its brackets
    std::uint16_t port = 0;
    std::string user;  ///< "" for none
    base::SecretBytes password;

    std::string shown() const;  ///< `http://host:port`, without user and password
};

/// Reads `http://[user:password@]host[:port]` (also without the scheme). Fails with kInvalidSpec for https and socks5,
/// which are not spoken. The message never holds the text, which may hold a password.
base::Expected<std::shared_ptr<const Proxy>> parseProxy(std::string_view text);

/// Which proxy serves a URL. A plain value; copies share the proxies.
struct ProxyChoice {
    std::shared_ptr<const Proxy> forHttps;
    std::shared_ptr<const Proxy> forHttp;
    std::vector<std::string> except;  ///< entries of NO_PROXY
    bool always = false;              ///< also for loopback addresses and whatever `except` says

    /// Null for none. As Go's programs decide: never for localhost and loopback addresses; entries of NO_PROXY are `*`,
    /// an address, a CIDR range, a domain (it and what is below) or `.domain` (below only), each but the first two with
    /// an optional port.
    const Proxy* proxyOf(const Url& url) const;
};

/// From HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or their lower-case forms where those are not set.
base::Expected<ProxyChoice> proxyFromEnvironment();
/// The same from values.
base::Expected<ProxyChoice> makeProxyChoice(std::string_view https, std::string_view http, std::string_view none);

}  // namespace certbinder::http
