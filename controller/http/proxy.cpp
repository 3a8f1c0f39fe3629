#include "http/proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace certbinder::http {
namespace {

using base::Reason;

constexpr std::uint16_t kDefaultPort = 80;

std::optional<std::string> percentDecode(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i];
            continue;
        }
        unsigned byte = 0;
        for (const std::size_t at : {i + 1, i + 2}) {
            const char c = at < text.size() ? text[at] : 'x';
            const std::size_t digit = std::string_view("0123456789abcdef").find(base::toLower({&c, 1}));
            if (digit == std::string_view::npos) {
                return std::nullopt;
            }
            byte = byte * 16 + static_cast<unsigned>(digit);
        }
        plain += static_cast<char>(byte);
        i += 2;
    }
    return plain;
}

using Address = std::array<unsigned char, 16>;

/// IPv4 in the form of IPv6 (RFC 4291 2.5.5.2), so that ranges are compared alike.
std::optional<Address> parseAddress(const std::string& text) {
    Address address{};
    if (::inet_pton(AF_INET6, text.c_str(), address.data()) == 1) {
        return address;
    }
    address[10] = address[11] = 0xff;
    if (::inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) {
        return address;
    }
    return std::nullopt;
}

bool inRange(const Address& address, std::string_view range) {
    const std::size_t slash = range.find('/');
    const std::string first(range.substr(0, slash));
    const std::optional<Address> start = parseAddress(first);
    std::optional<std::int64_t> bits = base::parseInteger(range.substr(slash + 1));
    const bool v4 = first.find(':') == std::string::npos;
    if (!start || !bits || *bits < 0 || *bits > (v4 ? 32 : 128)) {
        return false;
    }
    *bits += v4 ? 96 : 0;
    for (std::size_t bit = 0; bit < static_cast<std::size_t>(*bits); ++bit) {
        if ((((*start)[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1U) != 0) {
            return false;
        }
    }
    return true;
}

bool endsWith(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

struct HostAndPort {
    std::string host;
    std::string port;  ///< "" where none is named
};

HostAndPort splitPort(std::string_view text) {
    if (!text.empty() && text.front() == '[') {
        const std::size_t end = std::min(text.find(']'), text.size());
        const std::string_view rest = text.substr(std::min(end + 1, text.size()));
        return {std::string(text.substr(1, end - 1)), std::string(rest.empty() ? rest : rest.substr(1))};
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
        return {std::string(text), {}};
    }
    return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

bool excepts(std::string_view entry, const Url& url) {
    if (entry == "*") {
        return true;
    }
    if (entry.find('/') != std::string_view::npos) {
        const std::optional<Address> address = parseAddress(url.host);
        return address && inRange(*address, entry);
    }
    HostAndPort named = splitPort(entry);
    if (named.host.empty() || (!named.port.empty() && named.port != std::to_string(url.port))) {
        return false;
    }
    if (const std::optional<Address> address = parseAddress(named.host)) {
        return parseAddress(url.host) == address;
    }
    if (named.host.rfind("*.", 0) == 0) {
        named.host.erase(0, 1);
    }
    if (named.host.front() == '.') {
        return endsWith(url.host, named.host);
    }
    return url.host == named.host || endsWith(url.host, "." + named.host);
}

std::string_view variable(const char* upper, const char* lower) {
    for (const char* name : {upper, lower}) {
        const char* value = std::getenv(name);
        if (value != nullptr && *value != '\0') {
            return value;
        }
    }
    return {};
}

}  // namespace

std::string Proxy::shown() const {
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return "http://" + name + ":" + std::to_string(port);
}

base::Expected<std::shared_ptr<const Proxy>> parseProxy(std::string_view text) {
    const auto bad = [](std::string why) { return base::unexpected(Reason::kInvalidSpec, std::move(why)); };
    text = base::trim(text);
    if (const std::size_t end = text.find("://"); end != std::string_view::npos) {
        const std::string scheme = base::toLower(text.substr(0, end));
        if (scheme != "http") {
            return bad("the proxy is of the kind " + base::printable(scheme, 20) +
                       ", which is not spoken; name an http:// proxy that allows CONNECT");
        }
        text.remove_prefix(end + 3);
    }
    text = text.substr(0, std::min(text.find('/'), text.size()));
    const auto proxy = std::make_shared<Proxy>();
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = text.substr(0, at);
        const std::size_t colon = std::min(login.find(':'), login.size());
        std::optional<std::string> user = percentDecode(login.substr(0, colon));
        std::optional<std::string> password = percentDecode(login.substr(std::min(colon + 1, login.size())));
        if (!user || !password) {
            return bad("the proxy's user name or password is not percent-encoded correctly");
        }
        proxy->user = std::move(*user);
        proxy->password = base::SecretBytes::take(*password);
        text.remove_prefix(at + 1);
    }
    const HostAndPort named = splitPort(text);
    const base::Expected<Url> checked = parseUrl("http://" + std::string(text) + "/");
    if (named.host.empty() || !checked) {
        return bad("the proxy has no valid host and port; it is written as http://HOST:PORT");
    }
    proxy->host = checked->host;
    proxy->port = checked->portGiven ? checked->port : kDefaultPort;
    return std::shared_ptr<const Proxy>(proxy);
}

const Proxy* ProxyChoice::proxyOf(const Url& url) const {
    const Proxy* proxy = url.scheme == "https" ? forHttps.get() : forHttp.get();
    if (proxy == nullptr || always) {
        return proxy;
    }
    const bool spared =
        isLoopback(url.host) ||
        std::any_of(except.begin(), except.end(), [&](const std::string& entry) { return excepts(entry, url); });
    return spared ? nullptr : proxy;
}

base::Expected<ProxyChoice> makeProxyChoice(std::string_view https, std::string_view http, std::string_view none) {
    ProxyChoice choice;
    for (const auto& [text, proxy, name] :
         {std::tuple(https, &choice.forHttps, "HTTPS_PROXY"), std::tuple(http, &choice.forHttp, "HTTP_PROXY")}) {
        if (base::trim(text).empty()) {
            continue;
        }
        base::Expected<std::shared_ptr<const Proxy>> parsed = parseProxy(text);
        if (!parsed) {
            return base::unexpected(std::move(parsed.error()).in(name));
        }
        *proxy = std::move(*parsed);
    }
    for (const std::string& entry : base::split(none, ',')) {
        const std::string trimmed = base::toLower(base::trim(entry));
        if (!trimmed.empty()) {
            choice.except.push_back(trimmed);
        }
    }
    return choice;
}

base::Expected<ProxyChoice> proxyFromEnvironment() {
    return makeProxyChoice(variable("HTTPS_PROXY", "https_proxy"), variable("HTTP_PROXY", "http_proxy"),
                           variable("NO_PROXY", "no_proxy"));
}

}  // namespace certbinder::http
