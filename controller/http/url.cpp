#include "http/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace certbinder::http {
namespace {

bool isIpv4(const std::string& host) {
    in_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool isIpv6(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool isAlphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool isHexDigit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool isHostName(std::string_view host) {
    return !host.empty() && host.size() <= 253 && host.front() != '.' && host.front() != '-' &&
           std::all_of(host.begin(), host.end(),
                       [](char c) { return isAlphanumeric(c) || c == '.' || c == '-' || c == '_'; });
}

/// RFC 3986: pchar, slash and, once, the question mark that begins the query (in which it is allowed again).
bool isTarget(std::string_view target) {
    for (std::size_t i = 0; i < target.size(); ++i) {
        const char c = target[i];
        if (c == '%') {
            if (i + 2 >= target.size() || !isHexDigit(target[i + 1]) || !isHexDigit(target[i + 2])) {
                return false;
            }
        } else if (!isAlphanumeric(c) && std::string_view("-._~!$&'()*+,;=:@/?").find(c) == std::string_view::npos) {
            return false;
        }
    }
    return true;
}

tl::unexpected<base::Error> bad(const char* what) {
    return base::unexpected(base::Reason::kInvalidSpec, std::string("not a usable URL: ") + what);
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` into host and the text of the port.
std::optional<std::pair<std::string, std::optional<std::string>>> splitAuthority(std::string_view authority) {
    std::string_view host = authority;
    std::string_view rest;
    if (!authority.empty() && authority.front() == '[') {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos || !isIpv6(std::string(authority.substr(1, end - 1)))) {
            return std::nullopt;
        }
        host = authority.substr(1, end - 1);
        rest = authority.substr(end + 1);
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        host = authority.substr(0, colon);
        rest = authority.substr(colon);
        if (!isHostName(host)) {
            return std::nullopt;
        }
    }
    if (rest.empty()) {
        return std::pair(base::toLower(host), std::optional<std::string>());
    }
    if (rest.front() != ':') {
        return std::nullopt;
    }
    return std::pair(base::toLower(host), std::optional(std::string(rest.substr(1))));
}

}  // namespace

std::string_view Url::path() const {
    return std::string_view(target).substr(0, target.find('?'));
}

std::string_view Url::query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

bool Url::isIpAddress() const {
    return isIpv4(host) || isIpv6(host);
}

std::string Url::authority() const {
    std::string text = isIpv6(host) ? "[" + host + "]" : host;
    if (port != (scheme == "https" ? 443 : 80)) {
        text += ":" + std::to_string(port);
    }
    return text;
}

std::string Url::shown() const {
    return scheme + "://" + authority() + std::string(path());
}

base::Expected<Url> parseUrl(std::string_view text) {
    Url url;
    const std::size_t schemeEnd = text.find("://");
    if (schemeEnd == std::string_view::npos) {
        return bad("it has no scheme; begin it with https://");
    }
    url.scheme = base::toLower(text.substr(0, schemeEnd));
    if (url.scheme != "https" && url.scheme != "http") {
        return bad("the scheme is neither https nor http");
    }
    const std::string_view rest = text.substr(schemeEnd + 3);
    const std::size_t authorityEnd = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view authority = rest.substr(0, authorityEnd);
    if (authority.find('@') != std::string_view::npos) {
        return bad("it holds a user name or password; leave that out");
    }
    const auto hostAndPort = splitAuthority(authority);
    if (!hostAndPort) {
        return bad("the host is neither a name nor an IP address (IPv6 goes in brackets)");
    }
    url.host = hostAndPort->first;
    url.port = url.scheme == "https" ? 443 : 80;
    if (hostAndPort->second) {
        const std::optional<std::int64_t> port = base::parseInteger(*hostAndPort->second);
        if (!port || *port < 1 || *port > 65535) {
            return bad("the port is not a number from 1 to 65535");
        }
        url.port = static_cast<std::uint16_t>(*port);
        url.portGiven = true;
    }
    const std::string_view target = rest.substr(authorityEnd);
    if (target.find('#') != std::string_view::npos) {
        return bad("it has a fragment (#)");
    }
    if (!isTarget(target)) {
        return bad("the path or query holds a character that must be percent-encoded, or a broken % sequence");
    }
    url.target = !target.empty() && target.front() == '/' ? std::string(target) : "/" + std::string(target);
    return url;
}

bool isLoopback(std::string_view host) {
    const std::string text = base::toLower(host);
    if (text == "localhost") {
        return true;
    }
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24U) == 127U;
    }
    in6_addr v6{};
    return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<base::Error> checkEndpoint(std::string_view url) {
    const base::Expected<Url> parsed = parseUrl(url);
    if (!parsed) {
        return parsed.error();
    }
    if (parsed->scheme == "http" && !isLoopback(parsed->host)) {
        return base::Error(base::Reason::kInvalidSpec,
                           "endpoint " + parsed->shown() + " is not encrypted: use https (http is for loopback only)");
    }
    if (parsed->target.find('?') != std::string::npos) {
        return base::Error(base::Reason::kInvalidSpec,
                           "endpoint " + parsed->shown() + " has a query: give scheme, host, port and path alone");
    }
    return std::nullopt;
}

}  // namespace certbinder::http
