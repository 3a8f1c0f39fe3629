#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace certbinder::http {

/// The parts of an absolute http or https URL, still percent-encoded.
struct Url {
    std::string scheme;  ///< `http` or `https`
    std::string host;    ///< lower case; an IPv6 address without its brackets
    std::uint16_t port = 0;
    bool portGiven = false;    ///< whether the text names the port
    std::string target = "/";  ///< path and query, byte for byte, as the request line and signatures hold it

    std::string_view path() const;
    std::string_view query() const;  ///< without the question mark

    bool isIpAddress() const;
    /// As a Host header has it: IPv6 in brackets, the port only where it is not the scheme's own.
    std::string authority() const;
    /// Scheme, host and path, to be shown: a query may hold a token and is left out.
    std::string shown() const;
};

/// Fails with kInvalidSpec: another scheme, a user name or password, a fragment, a bad host or port, a character that
/// has to be percent-encoded. The message never holds the URL itself, which may hold a password.
base::Expected<Url> parseUrl(std::string_view text);

/// Whether the host is `localhost` or an address of 127.0.0.0/8 or ::1. Other names are not looked up: what a name
/// resolves to may change after the check.
bool isLoopback(std::string_view host);

/// The rule for an `endpoint` override: https, or http to a loopback address; nothing behind the path.
std::optional<base::Error> checkEndpoint(std::string_view url);

}  // namespace certbinder::http
