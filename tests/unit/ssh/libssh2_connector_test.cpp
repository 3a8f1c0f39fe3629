#include "ssh/libssh2_connector.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "base/unique_fd.h"
#include "support/real_sshd.h"
#include "support/test.h"

using namespace certbinder;
using base::Reason;
using base::SecretBytes;
using test::RealSshd;
using test::runProgram;
using namespace std::chrono_literals;

namespace {

using Result = base::Expected<std::unique_ptr<ssh::RemoteHost>>;

base::CallContext soon(std::chrono::milliseconds limit = 20s) {
    return base::CallContext{}.within(limit);
}

std::string said(const Result& result) {
    return result ? "(no error)" : result.error().message();
}

ssh::Credentials with(const std::map<std::string, std::string>& values) {
    ssh::Credentials credentials;
    for (const auto& [name, value] : values) {
        credentials.emplace(name, SecretBytes(value));
    }
    return credentials;
}

Result logIn(const RealSshd& sshd, const std::map<std::string, std::string>& values) {
    const ssh::Credentials credentials = with(values);
    return ssh::makeLibssh2Connector()->connect(sshd.login(credentials), soon());
}

bool triedToAuthenticate(const RealSshd& sshd) {
    return sshd.log().find("userauth-request") != std::string::npos;
}

std::string place(const RealSshd& sshd) {
    return "[127.0.0.1]:" + std::to_string(sshd.port()) + " ";
}

}  // namespace

TEST_CASE("every kind of key in every format logs in", "[ssh][sshd]") {
    RealSshd sshd;
    struct Kind {
        std::string type;
        std::string bits;
    };
    for (const Kind& kind :
         {Kind{"ed25519", "256"}, {"ecdsa", "256"}, {"ecdsa", "384"}, {"ecdsa", "521"}, {"rsa", "2048"}}) {
        for (const std::string format : {"RFC4716", "PEM", "PKCS8"}) {
            if (kind.type == "ed25519" && format != "RFC4716") {
                continue;  // ssh-keygen writes ed25519 in OpenSSH's format alone
            }
            for (const std::string passphrase : {"", "open sesame"}) {
                INFO(kind.type << " " << kind.bits << " " << format << " " << passphrase);
                const std::string file =
                    sshd.directory().file(kind.type + kind.bits + format + (passphrase.empty() ? "" : "p"));
                REQUIRE(runProgram({"ssh-keygen", "-q", "-t", kind.type, "-b", kind.bits, "-m", format, "-N",
                                    passphrase, "-C", "", "-f", file}));
                sshd.authorize(test::readText(file + ".pub"));
                std::map<std::string, std::string> values = {{"ssh-privatekey", test::readText(file)},
                                                             {"known_hosts", sshd.knownHosts()},
                                                             {"passphrase", passphrase}};
                const auto in = logIn(sshd, values);
                CHECK(said(in) == "(no error)");
                if (!passphrase.empty()) {
                    values["passphrase"] = "wrong";
                    const auto wrong = logIn(sshd, values);
                    REQUIRE_FALSE(wrong);
                    CHECK(wrong.error().reason() == Reason::kCredentialsInvalid);
                    CHECK_THAT(said(wrong), CERTBINDER_CONTAINS("passphrase"));
                    values.erase("passphrase");
                    CHECK_THAT(said(logIn(sshd, values)),
                               CERTBINDER_CONTAINS("the key is encrypted; add its passphrase"));
                }
            }
        }
    }
}

TEST_CASE("a key with Windows line ends, blanks and a passphrase with a line end is understood", "[ssh][sshd]") {
    RealSshd sshd({{"ed25519"}, {}, true});
    std::string key = "\n\n";
    for (const char c : sshd.userKey()) {
        key += c == '\n' ? std::string("\r\n") : std::string(1, c);
    }
    key.resize(key.find_last_of('-') + 1);
    CHECK(said(logIn(sshd, {{"ssh-privatekey", key}, {"known_hosts", sshd.knownHosts()}})) == "(no error)");
    const std::string file = sshd.directory().file("locked");
    REQUIRE(runProgram({"ssh-keygen", "-q", "-t", "ed25519", "-N", "sesame", "-C", "", "-f", file}));
    sshd.authorize(test::readText(file + ".pub"));
    CHECK(said(logIn(sshd, {{"ssh-privatekey", test::readText(file)},
                            {"passphrase", "sesame\n"},
                            {"known_hosts", sshd.knownHosts()}})) == "(no error)");
}

TEST_CASE("the host key is checked before anything is sent to authenticate", "[ssh][sshd]") {
    RealSshd sshd({{"ed25519"}, {}, true});
    RealSshd other({{"ed25519"}, {}, true});
    const std::string key = sshd.userKey();
    const auto refusedWith = [&](const std::string& knownHosts) {
        const auto refused = logIn(sshd, {{"ssh-privatekey", key}, {"known_hosts", knownHosts}});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason() == Reason::kHostKeyMismatch);
        return said(refused);
    };
    CHECK_THAT(refusedWith(place(sshd) + other.hostKey("ed25519")),
               CERTBINDER_CONTAINS("is not the one in known_hosts"));
    CHECK_THAT(refusedWith(other.knownHosts()), CERTBINDER_CONTAINS("is not in known_hosts"));
    CHECK_THAT(refusedWith(sshd.knownHosts() + "@revoked * " + sshd.hostKey("ed25519")),
               CERTBINDER_CONTAINS("is revoked"));
    CHECK_THAT(refusedWith("@cert-authority * " + sshd.hostKey("ed25519")), CERTBINDER_CONTAINS("not supported"));
    CHECK(test::eventually([&] { return sshd.log().find("SSH2_MSG_NEWKEYS received") != std::string::npos; }));
    CHECK_FALSE(triedToAuthenticate(sshd));

    const auto none = logIn(sshd, {{"ssh-privatekey", key}});
    CHECK(none.error().reason() == Reason::kCredentialsInvalid);
    CHECK_THAT(said(none), CERTBINDER_CONTAINS("ssh-keyscan -p " + std::to_string(sshd.port())));
    CHECK(logIn(sshd, {{"ssh-privatekey", key}, {"known_hosts", "rubbish"}}).error().reason() ==
          Reason::kCredentialsInvalid);
    CHECK_FALSE(triedToAuthenticate(sshd));
    CHECK(said(logIn(sshd, {{"ssh-privatekey", key}, {"known_hosts", sshd.knownHosts()}})) == "(no error)");
    CHECK(triedToAuthenticate(sshd));
}

TEST_CASE("a host known by any one of its keys is recognised", "[ssh][sshd]") {
    RealSshd sshd;
    for (const std::string type : {"ed25519", "ecdsa", "rsa"}) {
        INFO(type);
        const auto in =
            logIn(sshd, {{"ssh-privatekey", sshd.userKey()}, {"known_hosts", place(sshd) + sshd.hostKey(type)}});
        CHECK(said(in) == "(no error)");
    }
    const std::string hashed = sshd.directory().file("hashed");
    test::writeText(hashed, sshd.knownHosts());
    REQUIRE(runProgram({"ssh-keygen", "-q", "-H", "-f", hashed}));  // keeps the plain one as hashed.old
    CHECK(test::readText(hashed).find("127.0.0.1") == std::string::npos);
    CHECK(said(logIn(sshd, {{"ssh-privatekey", sshd.userKey()}, {"known_hosts", test::readText(hashed)}})) ==
          "(no error)");
    CHECK_THAT(sshd.log(), CERTBINDER_CONTAINS("will use strict KEX ordering"));

    RealSshd rsaOnly({{"rsa"}, {}, true});
    CHECK(said(logIn(rsaOnly, {{"ssh-privatekey", rsaOnly.userKey()}, {"known_hosts", rsaOnly.knownHosts()}})) ==
          "(no error)");
}

TEST_CASE("a refused key is told with the user, the key and what the server offers", "[ssh][sshd]") {
    RealSshd sshd({{"ed25519"}, {"PasswordAuthentication no", "KbdInteractiveAuthentication no"}, true});
    RealSshd other({{"ed25519"}, {}, true});
    const auto refused = logIn(sshd, {{"ssh-privatekey", other.userKey()}, {"known_hosts", sshd.knownHosts()}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == Reason::kAuthenticationFailed);
    CHECK_THAT(said(refused), CERTBINDER_CONTAINS("user " + sshd.user()));
    CHECK_THAT(said(refused), CERTBINDER_CONTAINS("127.0.0.1:" + std::to_string(sshd.port())));
    CHECK_THAT(said(refused), CERTBINDER_CONTAINS("ssh-ed25519"));
    CHECK_THAT(said(refused), CERTBINDER_CONTAINS("the server offers publickey"));
    const auto password = logIn(sshd, {{"password", "hunter2"}, {"known_hosts", sshd.knownHosts()}});
    CHECK(password.error().reason() == Reason::kAuthenticationFailed);
    CHECK_THAT(said(password), CERTBINDER_CONTAINS("nothing in the credentials fits"));
    CHECK(said(password).find("hunter2") == std::string::npos);
}

TEST_CASE("credentials that cannot work are found without a host", "[ssh]") {
    const auto reasonOf = [](const std::map<std::string, std::string>& values) {
        const ssh::Credentials credentials = with(values);
        const auto refused = ssh::makeLibssh2Connector()->connect({"127.0.0.1", 1, "root", &credentials}, soon());
        REQUIRE_FALSE(refused);
        INFO(said(refused));
        CHECK(said(refused).find("TOPSECRET") == std::string::npos);
        return refused.error().reason();
    };
    const std::string known =
        "127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm51d1xd42/Tf1r2SpZeTLDX6Uqmob05T+wlJ9PvhSo";
    CHECK(reasonOf({{"known_hosts", known}}) == Reason::kCredentialsInvalid);
    for (const std::string key : {"TOPSECRET", "-----BEGIN OPENSSH PRIVATE KEY-----\nTOPSECRET",
                                  "-----BEGIN OPENSSH PRIVATE KEY-----\nTOPSECRET\n-----END OPENSSH PRIVATE KEY-----",
                                  "-----BEGIN RSA PRIVATE KEY-----\nTOPSECRET\n-----END RSA PRIVATE KEY-----",
                                  "-----BEGIN PUBLIC KEY-----\nTOPSECRET\n-----END PUBLIC KEY-----", "-----BEGIN ",
                                  "-----BEGIN PRIVATE KEY-----"}) {
        CHECK(reasonOf({{"known_hosts", known}, {"ssh-privatekey", key}}) == Reason::kCredentialsInvalid);
    }
    CHECK(reasonOf({{"known_hosts", known}, {"password", std::string("TOPSECRET\0x", 11)}}) ==
          Reason::kCredentialsInvalid);
    CHECK(reasonOf({{"known_hosts", known}, {"password", "TOPSECRET"}}) == Reason::kUnreachable);
}

TEST_CASE("a host that does not answer costs no more than the deadline, nor than a stop allows", "[ssh]") {
    const base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 5) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const std::string known = "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm51d1xd42/Tf1r2SpZeTLDX6Uqmob05T+wlJ9PvhSo";
    const ssh::Credentials credentials = with({{"known_hosts", known}, {"password", "x"}});
    const ssh::Login login{"127.0.0.1", ntohs(address.sin_port), "root", &credentials};
    const auto connector = ssh::makeLibssh2Connector();

    const auto started = std::chrono::steady_clock::now();
    const auto late = connector->connect(login, soon(200ms));
    CHECK(late.error().reason() == Reason::kUnreachable);
    CHECK_THAT(said(late), CERTBINDER_CONTAINS("no answer in time"));
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    const auto stopped = connector->connect(login, base::CallContext{base::SteadyTime::max(), stop.get_token()});
    CHECK_THAT(said(stopped), CERTBINDER_CONTAINS("stopped"));
    CHECK(std::chrono::steady_clock::now() - started < 5s);

    const ssh::Login named{"no-such-host.invalid", 22, "root", &credentials};
    CHECK(connector->connect(named, soon(3s)).error().reason() == Reason::kUnreachable);
}
