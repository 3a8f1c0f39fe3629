#include "ssh/known_hosts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/digest.h"
#include "base/text.h"

namespace certbinder::ssh {

namespace {

constexpr std::size_t kMostComplaints = 10;
constexpr std::uint16_t kDefaultPort = 22;

/// Algorithm and the key type it works with, best first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kAlgorithms = {{
    {"ssh-ed25519", "ssh-ed25519"},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
    {"rsa-sha2-512", "ssh-rsa"},
    {"rsa-sha2-256", "ssh-rsa"},
}};

bool isSupported(std::string_view keyType) {
    return std::any_of(kAlgorithms.begin(), kAlgorithms.end(),
                       [&](const auto& algorithm) { return algorithm.second == keyType; });
}

/// `*` is any run of characters, `?` is one; ssh_config(5), "PATTERNS". Linear in the text for each star, as only the
/// last one needs to be tried again.
bool matchesPattern(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t starText = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            starText = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++starText;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

/// `|1|salt|hash`, where hash is the HMAC-SHA1 of the name under the salt.
bool matchesHash(std::string_view hashed, std::string_view name) {
    const auto parts = base::split(hashed, '|');
    if (parts.size() != 4 || parts[1] != "1") {
        return false;
    }
    const auto salt = base::fromBase64(parts[2]);
    const auto hash = base::fromBase64(parts[3]);
    return salt && hash && base::hmacSha1(*salt, name) == hash->reveal();
}

bool matchesNames(const std::vector<std::string>& names, std::string_view name) {
    bool matched = false;
    for (const std::string& entry : names) {
        const bool negated = entry.front() == '!';
        const std::string_view pattern = std::string_view(entry).substr(negated ? 1 : 0);
        const bool hit =
            pattern.front() == '|' ? matchesHash(pattern, name) : matchesPattern(base::toLower(pattern), name);
        if (hit && negated) {
            return false;
        }
        matched = matched || hit;
    }
    return matched;
}

std::string_view nextWord(std::string_view& rest) {
    rest = base::trim(rest);
    const auto end = std::min(rest.find_first_of(" \t"), rest.size());
    const auto word = rest.substr(0, end);
    rest.remove_prefix(end);
    return word;
}

std::string bracketed(std::string_view host, std::uint16_t port) {
    return "[" + std::string(host) + "]:" + std::to_string(port);
}

std::string described(std::string_view keyBlob) {
    return base::printable(keyTypeOf(keyBlob)) + " " + fingerprint(keyBlob);
}

}  // namespace

std::string fingerprint(std::string_view keyBlob) {
    std::string text = base::toBase64(base::sha256(keyBlob));
    text.erase(text.find_last_not_of('=') + 1);
    return "SHA256:" + text;
}

std::string keyTypeOf(std::string_view keyBlob) {
    if (keyBlob.size() < 4) {
        return {};
    }
    std::size_t length = 0;
    for (const char c : keyBlob.substr(0, 4)) {
        length = length << 8 | static_cast<unsigned char>(c);
    }
    return length <= keyBlob.size() - 4 ? std::string(keyBlob.substr(4, length)) : std::string();
}

KnownHosts KnownHosts::parse(std::string_view text) {
    KnownHosts known;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        known.parseLine(base::trim(text.substr(0, end)), number);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return known;
}

void KnownHosts::complain(std::size_t number, const std::string& what) {
    if (complaints_.size() < kMostComplaints) {
        complaints_.push_back("line " + std::to_string(number) + ": " + what);
    }
}

void KnownHosts::parseLine(std::string_view rest, std::size_t number) {
    if (rest.empty() || rest.front() == '#') {
        return;
    }
    Line line;
    line.number = number;
    std::string_view word = nextWord(rest);
    if (word.front() == '@') {
        if (word != "@revoked" && word != "@cert-authority") {
            return complain(number, "the marker " + base::printable(word, 40) + " is not known");
        }
        line.marker = word == "@revoked" ? Marker::kRevoked : Marker::kCertAuthority;
        word = nextWord(rest);
    }
    for (std::string& name : base::split(word, ',')) {
        if (!name.empty() && name != "!") {
            line.names.push_back(std::move(name));
        }
    }
    line.keyType = std::string(nextWord(rest));
    const auto blob = base::fromBase64(nextWord(rest));
    if (line.names.empty() || line.keyType.empty()) {
        return complain(number, "it is not `names key-type key`");
    }
    if (line.marker != Marker::kRevoked && !isSupported(line.keyType)) {
        return complain(number, "keys of type " + base::printable(line.keyType, 40) + " are not used");
    }
    if (!blob || blob->empty()) {
        return complain(number, "the key is not valid base64");
    }
    if (keyTypeOf(blob->reveal()) != line.keyType) {
        return complain(number,
                        "the key is not of the type " + base::printable(line.keyType, 40) + " it is said to be");
    }
    line.keyBlob = std::string(blob->reveal());
    lines_.push_back(std::move(line));
}

KnownHosts::Found KnownHosts::find(std::string_view host, std::uint16_t port) const {
    const std::string bare = base::toLower(host);
    const auto lookUp = [&](const std::string& name) {
        Found found;
        for (const Line& line : lines_) {
            if (matchesNames(line.names, name)) {
                auto& list = line.marker == Marker::kRevoked         ? found.revoked
                             : line.marker == Marker::kCertAuthority ? found.authorities
                                                                     : found.keys;
                list.push_back(&line);
            }
        }
        return found;
    };
    if (port == kDefaultPort) {
        return lookUp(bare);
    }
    Found found = lookUp(bracketed(bare, port));
    Found byBareName = lookUp(bare);
    found.revoked.insert(found.revoked.end(), byBareName.revoked.begin(), byBareName.revoked.end());
    if (found.keys.empty()) {
        found.keys = std::move(byBareName.keys);
        found.byBareName = !found.keys.empty();
    }
    return found;
}

std::string KnownHosts::unknownMessage(const std::string& place, const std::string& presented,
                                       const Found& found) const {
    std::string text = "the host key of " + place + " is not in known_hosts; the host shows " + presented;
    if (!found.authorities.empty()) {
        text += ". Line " + std::to_string(found.authorities.front()->number) +
                " names a @cert-authority for it, but certificates of hosts are not supported: add the host key itself";
    } else {
        text += "; add the line that `ssh-keyscan` prints for it once the fingerprint is verified at the host";
    }
    if (!complaints_.empty()) {
        text += " (not used of known_hosts: " + base::join(complaints_, ", ") + ")";
    }
    return text;
}

KnownHosts::Answer KnownHosts::judge(std::string_view host, std::uint16_t port, std::string_view keyBlob) const {
    const Found found = find(host, port);
    const auto holds = [&](const Line* line) { return line->keyBlob == keyBlob; };
    const std::string name = base::printable(host, 255);
    const std::string place = port == kDefaultPort ? name : bracketed(name, port);
    const std::string presented = described(keyBlob);

    const auto revoked = std::find_if(found.revoked.begin(), found.revoked.end(), holds);
    if (revoked != found.revoked.end()) {
        return {Verdict::kRevoked, "the host key of " + place + ", " + presented + ", is revoked by line " +
                                       std::to_string((*revoked)->number) +
                                       " of known_hosts; the host needs a new key"};
    }
    if (std::any_of(found.keys.begin(), found.keys.end(), holds)) {
        return {Verdict::kMatch, ""};
    }
    // A key of the bare name says what this port may show, not what it must.
    if (found.keys.empty() || found.byBareName) {
        return {Verdict::kUnknown, unknownMessage(place, presented, found)};
    }
    std::vector<std::string> expected;
    for (const Line* line : found.keys) {
        expected.push_back(described(line->keyBlob) + " (line " + std::to_string(line->number) + ")");
    }
    return {Verdict::kMismatch, "the host key of " + place + " is not the one in known_hosts: the host shows " +
                                    presented + ", expected is " + base::join(expected, " or ") +
                                    ". Someone may be in between, or the host was set up anew: verify the "
                                    "fingerprint at the host before known_hosts is changed"};
}

std::vector<std::string> KnownHosts::hostKeyAlgorithms(std::string_view host, std::uint16_t port) const {
    const Found found = find(host, port);
    std::vector<std::string> known;
    std::vector<std::string> others;
    for (const auto& [algorithm, keyType] : kAlgorithms) {
        const bool isKnown = std::any_of(found.keys.begin(), found.keys.end(),
                                         [type = keyType](const Line* line) { return line->keyType == type; });
        (isKnown ? known : others).emplace_back(algorithm);
    }
    known.insert(known.end(), others.begin(), others.end());
    return known;
}

}  // namespace certbinder::ssh
