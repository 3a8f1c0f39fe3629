#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace certbinder::ssh {

/// `SHA256:…` of a public key, as ssh-keygen -l prints it.
std::string fingerprint(std::string_view keyBlob);

/// The key type a public key's wire form names (`ssh-ed25519`), empty where it is none.
std::string keyTypeOf(std::string_view keyBlob);

/// The keys of hosts in OpenSSH's known_hosts format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): plain and hashed names,
/// `[host]:port`, `*`, `?`, `!negation`, `@revoked` and `@cert-authority`. libssh2's own reader passes over patterns
/// and, worse, over revocations. A line that cannot be read is reported and the others hold. Immutable once made.
class KnownHosts {
  public:
    static KnownHosts parse(std::string_view text);

    enum class Verdict {
        kMatch,     ///< the host is known by exactly this key
        kUnknown,   ///< nothing usable is known of this host
        kMismatch,  ///< the host is known by other keys
        kRevoked    ///< the key is marked as revoked, which outweighs every other line
    };

    struct Answer {
        Verdict verdict = Verdict::kUnknown;
        std::string message;  ///< unless it is a match: what is wrong, with fingerprints, and what would mend it
    };

    /// Whether `keyBlob` (the wire form of a public key) is a key of this host. As with OpenSSH, a host at another port
    /// than 22 is looked up as `[host]:port`, and where there is no such line a match of the bare name serves.
    Answer judge(std::string_view host, std::uint16_t port, std::string_view keyBlob) const;

    /// The host key algorithms to offer, best first: those for which a key of the host is known before all others, so
    /// that a host known by its RSA key alone is not asked for another. Never ssh-rsa (SHA-1) or ssh-dss.
    std::vector<std::string> hostKeyAlgorithms(std::string_view host, std::uint16_t port) const;

    /// What could not be used: `line 3: the key is not valid base64`. At most ten.
    const std::vector<std::string>& complaints() const { return complaints_; }

    /// Whether there is not one usable line.
    bool empty() const { return lines_.empty(); }

  private:
    enum class Marker { kNone, kRevoked, kCertAuthority };

    struct Line {
        std::size_t number = 0;
        Marker marker = Marker::kNone;
        std::vector<std::string> names;
        std::string keyType;
        std::string keyBlob;
    };

    struct Found {
        std::vector<const Line*> keys;
        std::vector<const Line*> revoked;
        std::vector<const Line*> authorities;
        bool byBareName = false;
    };

    void parseLine(std::string_view rest, std::size_t number);
    void complain(std::size_t number, const std::string& what);
    Found find(std::string_view host, std::uint16_t port) const;
    std::string unknownMessage(const std::string& place, const std::string& presented, const Found& found) const;

    std::vector<Line> lines_;
    std::vector<std::string> complaints_;
};

}  // namespace certbinder::ssh
