#include "sources/huawei_scm/signer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/digest.h"
#include "base/text.h"

namespace certbinder::sources::scm {
namespace {

constexpr std::string_view kAlgorithm = "SDK-HMAC-SHA256";
constexpr std::string_view kDateHeader = "x-sdk-date";
constexpr std::string_view kContentHashHeader = "x-sdk-content-sha256";

std::optional<unsigned char> hexDigit(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned char>(c - '0');
    }
    const auto letter = static_cast<char>(c | 0x20);
    if (letter >= 'a' && letter <= 'f') {
        return static_cast<unsigned char>(letter - 'a' + 10);
    }
    return std::nullopt;
}

std::string percentDecoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto high = hexDigit(text[i + 1]);
            const auto low = hexDigit(text[i + 2]);
            if (high && low) {
                plain += static_cast<char>(*high * 16 + *low);
                i += 2;
                continue;
            }
        }
        plain += text[i];
    }
    return plain;
}

std::string canonicalPath(std::string_view path) {
    std::vector<std::string> segments = base::split(percentDecoded(path), '/');
    for (std::string& segment : segments) {
        segment = base::percentEncode(segment);
    }
    std::string canonical = base::join(segments, "/");
    // The signature is over a path with a slash at its end; the request on the wire does not get it.
    if (canonical.empty() || canonical.back() != '/') {
        canonical += '/';
    }
    return canonical;
}

/// Views into the request's own headers: a copy of a security token would have to be wiped.
std::map<std::string, std::string_view> signedHeaders(const http::Headers& headers) {
    std::map<std::string, std::string_view> chosen;
    for (const auto& [name, value] : headers) {
        if (name.find('_') == std::string::npos) {
            chosen[base::toLower(name)] = base::trim(value);
        }
    }
    return chosen;
}

std::string nameList(const std::map<std::string, std::string_view>& headers) {
    std::vector<std::string> names;
    names.reserve(headers.size());
    for (const auto& [name, value] : headers) {
        names.push_back(name);
    }
    return base::join(names, ";");
}

std::string bodyHash(const Signable& request, const std::map<std::string, std::string_view>& headers) {
    const auto given = headers.find(std::string(kContentHashHeader));
    if (!request.body.empty() && given != headers.end()) {
        return std::string(given->second);
    }
    return base::toHex(base::sha256(request.body));
}

}  // namespace

std::string canonicalQuery(Query query) {
    std::sort(query.begin(), query.end());
    std::vector<std::string> pairs;
    for (const auto& [name, value] : query) {
        pairs.push_back(base::percentEncode(name) + "=" + base::percentEncode(value));
    }
    return base::join(pairs, "&");
}

base::SecretBytes canonicalRequest(const Signable& request) {
    const auto headers = signedHeaders(request.headers);
    base::SecretBytes text;
    text.append(request.method + "\n" + canonicalPath(request.path) + "\n" + canonicalQuery(request.query) + "\n");
    for (const auto& [name, value] : headers) {
        text.append(name);
        text.append(":");
        text.append(value);
        text.append("\n");
    }
    text.append("\n" + nameList(headers) + "\n" + bodyHash(request, headers));
    return text;
}

std::string authorization(const Signable& request, const AccessKey& key) {
    const auto headers = signedHeaders(request.headers);
    const auto date = headers.find(std::string(kDateHeader));
    const std::string stringToSign = std::string(kAlgorithm) + "\n" +
                                     std::string(date == headers.end() ? std::string_view() : date->second) + "\n" +
                                     base::toHex(base::sha256(canonicalRequest(request).reveal()));
    return std::string(kAlgorithm) + " Access=" + key.id + ", SignedHeaders=" + nameList(headers) +
           ", Signature=" + base::toHex(base::hmacSha256(key.secret, stringToSign));
}

}  // namespace certbinder::sources::scm
