#include "ssh/known_hosts.h"

#include "base/digest.h"
#include "support/test.h"

using namespace certbinder;
using ssh::KnownHosts;
using Verdict = ssh::KnownHosts::Verdict;

namespace {

const std::string kEd25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm51d1xd42/Tf1r2SpZeTLDX6Uqmob05T+wlJ9PvhSo";
const std::string kOther = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNh0fPxtd3rL8JqPPtdRoEdvOG6acQwyC+qvpNV6wHY";
const std::string kEcdsa =
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDILbQ+LeBHmEVfKTkh6FP8ICp2QHhsbcd0U7fxh"
    "vM1Lx7HmKo44NcSSagUXW8F9IF5jrOYPWzJKqUTi12aRTmM=";

std::string blob(const std::string& key) {
    return std::string(base::fromBase64(key.substr(key.find(' ') + 1))->reveal());
}

Verdict judge(const std::string& text, const std::string& host, std::uint16_t port, const std::string& key) {
    return KnownHosts::parse(text).judge(host, port, blob(key)).verdict;
}

}  // namespace

TEST_CASE("a fingerprint is written as ssh-keygen writes it", "[ssh][known_hosts]") {
    CHECK(ssh::fingerprint(blob(kEd25519)) == "SHA256:idRjQiLNV2bilXv4zgAjwNPNDY47Jr7CVtTJK0PBl3E");
    CHECK(ssh::fingerprint(blob(kEcdsa)) == "SHA256:gcHW+Wvy3QobFM5qSRoNBI7giSjXpFsyvzVES4uQ8aI");
    CHECK(ssh::keyTypeOf(blob(kEcdsa)) == "ecdsa-sha2-nistp256");
    CHECK(ssh::keyTypeOf("") == "");
    CHECK(ssh::keyTypeOf(std::string("\xff\xff\xff\xff", 4)) == "");
}

TEST_CASE("the names of a known_hosts line match as in OpenSSH", "[ssh][known_hosts]") {
    struct Row {
        std::string names;
        std::string host;
        std::uint16_t port;
        bool matches;
    };
    const std::vector<Row> rows = {
        {"web1", "web1", 22, true},
        {"web1", "WEB1", 22, true},
        {"WEB1", "web1", 22, true},
        {"web1", "web10", 22, false},
        {"web1", "web1", 2222, true},  // the bare name serves another port
        {"[web1]:22", "web1", 22, false},
        {"[web1]:2222", "web1", 2222, true},
        {"[web1]:2222", "web1", 2223, false},
        {"[web1]:2222", "web1", 22, false},
        {"a,web1,10.0.0.4", "10.0.0.4", 22, true},
        {"10.0.0.?", "10.0.0.4", 22, true},
        {"10.0.0.?", "10.0.0.44", 22, false},
        {"*.example.com", "a.b.example.com", 22, true},
        {"*.example.com", "example.com", 22, false},
        {"*", "anything", 22, true},
        {"[10.0.0.*]:*", "10.0.0.4", 2222, true},
        {"*.example.com,!db.example.com", "web.example.com", 22, true},
        {"*.example.com,!db.example.com", "db.example.com", 22, false},
        {"!db.example.com,*.example.com", "db.example.com", 22, false},
        {"!db.example.com", "web.example.com", 22, false},
        {"2001:db8::1", "2001:db8::1", 22, true},
        {"[2001:db8::1]:2222", "2001:db8::1", 2222, true},
        // made by `ssh-keygen -H` of "Web1.Example.com" and "[10.0.0.4]:2222"
        {"|1|cX6b/BTiHpaNGYavMAKvL4fLyqY=|jYJK8Xc/6OC1KocNf3TBWm7RTVA=", "web1.example.com", 22, true},
        {"|1|cX6b/BTiHpaNGYavMAKvL4fLyqY=|jYJK8Xc/6OC1KocNf3TBWm7RTVA=", "web2.example.com", 22, false},
        {"|1|J97qUuqK4/QzH9a79RbxPkXV+is=|Iz6DgrinI6nJf4Rg0ewAeOVQANo=", "10.0.0.4", 2222, true},
        {"|1|J97qUuqK4/QzH9a79RbxPkXV+is=|Iz6DgrinI6nJf4Rg0ewAeOVQANo=", "10.0.0.4", 22, false},
        {"|1|broken", "10.0.0.4", 22, false},
        {"|", "10.0.0.4", 22, false},
    };
    for (const Row& row : rows) {
        INFO(row.names << " " << row.host << ":" << row.port);
        CHECK(judge(row.names + " " + kEd25519, row.host, row.port, kEd25519) ==
              (row.matches ? Verdict::kMatch : Verdict::kUnknown));
    }
}

TEST_CASE("another key than the known one is a mismatch, told with both fingerprints", "[ssh][known_hosts]") {
    const auto answer = KnownHosts::parse("# c\nweb1 " + kEd25519).judge("web1", 22, blob(kOther));
    CHECK(answer.verdict == Verdict::kMismatch);
    CHECK_THAT(answer.message, CERTBINDER_CONTAINS(ssh::fingerprint(blob(kOther))));
    CHECK_THAT(answer.message, CERTBINDER_CONTAINS(ssh::fingerprint(blob(kEd25519)) + " (line 2)"));
    CHECK(judge("web1 " + kEd25519, "web1", 22, kEcdsa) == Verdict::kMismatch);
    CHECK(judge("web1 " + kEd25519 + "\nweb1 " + kEcdsa, "web1", 22, kEcdsa) == Verdict::kMatch);
    CHECK(judge("web1 " + kEd25519, "web1", 2222, kOther) == Verdict::kUnknown);
    CHECK(judge("", "web1", 22, kOther) == Verdict::kUnknown);
}

TEST_CASE("a revoked key is refused whatever else is said of it", "[ssh][known_hosts]") {
    CHECK(judge("web1 " + kEd25519 + "\n@revoked * " + kEd25519, "web1", 22, kEd25519) == Verdict::kRevoked);
    CHECK(judge("@revoked web1 " + kEd25519 + "\nweb1 " + kEd25519, "web1", 22, kEd25519) == Verdict::kRevoked);
    CHECK(judge("@revoked web1 " + kEd25519 + "\n[web1]:2222 " + kEd25519, "web1", 2222, kEd25519) ==
          Verdict::kRevoked);
    CHECK(judge("@revoked web2 " + kEd25519 + "\nweb1 " + kEd25519, "web1", 22, kEd25519) == Verdict::kMatch);
    CHECK(judge("@revoked * " + kOther + "\nweb1 " + kEd25519, "web1", 22, kEd25519) == Verdict::kMatch);
}

TEST_CASE("a certificate authority is no host key, and the message says so", "[ssh][known_hosts]") {
    const auto answer = KnownHosts::parse("@cert-authority * " + kEd25519).judge("web1", 22, blob(kEd25519));
    CHECK(answer.verdict == Verdict::kUnknown);
    CHECK_THAT(answer.message, CERTBINDER_CONTAINS("certificates of hosts are not supported"));
}

TEST_CASE("broken lines are reported by number and the others hold", "[ssh][known_hosts]") {
    const std::string text =
        "\r\n# comment\r\nweb1\r\nweb1 ssh-ed25519 !!!\r\nweb1 ssh-dss AAAAB3NzaC1kc3M=\r\n"
        "@unknown web1 " +
        kEd25519 + "\r\nweb1 ecdsa-sha2-nistp256 " + kEd25519.substr(kEd25519.find(' ') + 1) + "\r\n  web1\t" +
        kEd25519 + " comment here\r\n";
    const KnownHosts known = KnownHosts::parse(text);
    CHECK(known.judge("web1", 22, blob(kEd25519)).verdict == Verdict::kMatch);
    REQUIRE(known.complaints().size() == 5);
    CHECK_THAT(known.complaints()[0], CERTBINDER_CONTAINS("line 3: "));
    CHECK_THAT(known.complaints()[1], CERTBINDER_CONTAINS("line 4: the key is not valid base64"));
    CHECK_THAT(known.complaints()[2], CERTBINDER_CONTAINS("line 5: keys of type ssh-dss"));
    CHECK_THAT(known.complaints()[3], CERTBINDER_CONTAINS("line 6: the marker @unknown"));
    CHECK_THAT(known.complaints()[4], CERTBINDER_CONTAINS("line 7: "));
    CHECK_FALSE(known.empty());
    CHECK(KnownHosts::parse("# nothing\n").empty());
}

TEST_CASE("host key types that are known of a host are asked for first", "[ssh][known_hosts]") {
    const KnownHosts known = KnownHosts::parse("web1 " + kEcdsa + "\nweb2 " + kEd25519);
    CHECK(known.hostKeyAlgorithms("web1", 22).front() == "ecdsa-sha2-nistp256");
    CHECK(known.hostKeyAlgorithms("web2", 22).front() == "ssh-ed25519");
    for (const std::string& algorithm : known.hostKeyAlgorithms("web3", 22)) {
        CHECK(algorithm != "ssh-rsa");
        CHECK(algorithm != "ssh-dss");
    }
    CHECK(known.hostKeyAlgorithms("web3", 22).size() == 6);
}
