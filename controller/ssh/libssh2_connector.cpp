#include "ssh/libssh2_connector.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.h"
#include "ssh/known_hosts.h"
#include "ssh/libssh2_host.h"
#include "ssh/libssh2_session.h"
#include "ssh/private_key.h"
#include "ssh/tcp_connect.h"

namespace certbinder::ssh {

using base::Expected;
using base::Reason;
using base::SecretBytes;
using base::unexpected;

namespace {

/// What a login needs, understood before the host is spoken to.
struct Prepared {
    KnownHosts knownHosts;
    std::optional<PrivateKey> key;
    std::optional<SecretBytes> password;  // ends in a NUL byte
};

const SecretBytes* valueOf(const Credentials& credentials, std::string_view name) {
    const auto found = credentials.find(name);
    return found == credentials.end() || found->second.empty() ? nullptr : &found->second;
}

Expected<Prepared> prepare(const Login& login) {
    Prepared prepared;
    const SecretBytes* knownHosts = valueOf(*login.credentials, "known_hosts");
    if (knownHosts == nullptr) {
        return unexpected(
            Reason::kCredentialsInvalid,
            "the SSH credentials have no known_hosts, and a host that cannot be recognised is not logged in "
            "to; run `ssh-keyscan -p " +
                std::to_string(login.port) + " " + base::printable(login.address, 255) +
                "`, verify the fingerprint at the host, and add the lines to the Secret");
    }
    prepared.knownHosts = KnownHosts::parse(knownHosts->reveal());
    if (prepared.knownHosts.empty()) {
        return unexpected(Reason::kCredentialsInvalid,
                          "known_hosts has no usable line: " + base::join(prepared.knownHosts.complaints(), ", "));
    }
    if (const SecretBytes* key = valueOf(*login.credentials, "ssh-privatekey")) {
        auto read = readPrivateKey(*key, valueOf(*login.credentials, "passphrase"));
        if (!read) {
            return unexpected(read.error());
        }
        prepared.key = std::move(*read);
    }
    if (const SecretBytes* password = valueOf(*login.credentials, "password")) {
        auto text = asCString(*password, "password");
        if (!text) {
            return unexpected(text.error());
        }
        prepared.password = std::move(*text);
    }
    if (!prepared.key && !prepared.password) {
        return unexpected(Reason::kCredentialsInvalid, "the SSH credentials have neither ssh-privatekey nor password");
    }
    return prepared;
}

/// libssh2 frees each answer with the session's allocator, so that is where it has to come from.
void answerQuestions(const char* /*name*/, int /*nameLength*/, const char* /*instruction*/, int /*instructionLength*/,
                     int count, const LIBSSH2_USERAUTH_KBDINT_PROMPT* prompts,
                     LIBSSH2_USERAUTH_KBDINT_RESPONSE* responses, void** abstract) {
    const auto* session = static_cast<Libssh2Session*>(*abstract);
    for (int i = 0; i < count; ++i) {
        // A question whose answer would be shown does not ask for the password.
        if (session->password() == nullptr || prompts[i].echo != 0) {
            continue;
        }
        const std::string_view password = session->password()->reveal();
        responses[i].text = session->allocateCopy(password.substr(0, password.size() - 1));
        responses[i].length = responses[i].text == nullptr ? 0 : static_cast<unsigned int>(password.size() - 1);
    }
}

class Authentication {
  public:
    Authentication(Libssh2Session& session, const Login& login, const Prepared& prepared)
        : session_(session), user_(login.user), prepared_(prepared) {}

    Expected<void> perform() {
        auto offered = askForMethods();
        if (!offered || offered->empty()) {
            return offered ? Expected<void>() : unexpected(offered.error());
        }
        offered_ = std::move(*offered);
        for (const auto attempt : {&Authentication::byKey, &Authentication::byPassword, &Authentication::byQuestions}) {
            auto accepted = (this->*attempt)();
            if (!accepted) {
                return unexpected(accepted.error());
            }
            if (*accepted) {
                return {};
            }
        }
        return unexpected(refusal());
    }

  private:
    unsigned int userLength() const { return static_cast<unsigned int>(user_.size()); }

    bool isOffered(const char* method) const {
        return std::find(offered_.begin(), offered_.end(), method) != offered_.end();
    }

    /// The methods the server offers; none where it let the user in without any.
    Expected<std::vector<std::string>> askForMethods() {
        auto list =
            session_.drivePointer([&] { return libssh2_userauth_list(session_.raw(), user_.c_str(), userLength()); });
        if (!list) {
            return unexpected(base::Error(list.error()).in("authenticating"));
        }
        if (*list != nullptr) {
            return base::split(*list, ',');
        }
        if (libssh2_userauth_authenticated(session_.raw()) != 0) {
            return std::vector<std::string>();
        }
        return unexpected(Reason::kAuthenticationFailed,
                          "the server named no way to authenticate: " + session_.lastError());
    }

    Expected<bool> byKey() {
        if (!prepared_.key || !isOffered("publickey")) {
            return false;
        }
        const PrivateKey& key = *prepared_.key;
        tried_.push_back("a key of type " + key.type);
        const auto result = session_.drive([&] {
            return libssh2_userauth_publickey_frommemory(session_.raw(), user_.c_str(), user_.size(), nullptr, 0,
                                                         key.text.reveal().data(), key.text.size(),
                                                         key.passphrase.reveal().data());
        });
        if (!result) {
            return unexpected(base::Error(result.error()).in("authenticating by key"));
        }
        switch (*result) {
            case 0:
                return true;
            case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
            case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
                return false;
            case LIBSSH2_ERROR_FILE:
            case LIBSSH2_ERROR_PROTO:
            case LIBSSH2_ERROR_DECRYPT:
                return unexpected(Reason::kCredentialsInvalid,
                                  key.encrypted ? "ssh-privatekey: the passphrase does not open the key"
                                                : "ssh-privatekey: the key cannot be used: " + session_.lastError());
            default:
                note_ = session_.lastError();
                return false;
        }
    }

    Expected<bool> byPassword() {
        if (!prepared_.password || !isOffered("password")) {
            return false;
        }
        tried_.emplace_back("the password");
        const SecretBytes& password = *prepared_.password;
        const auto result = session_.drive([&] {
            return libssh2_userauth_password_ex(session_.raw(), user_.c_str(), userLength(), password.reveal().data(),
                                                static_cast<unsigned int>(password.size() - 1), nullptr);
        });
        if (!result) {
            return unexpected(base::Error(result.error()).in("authenticating by password"));
        }
        if (*result == LIBSSH2_ERROR_PASSWORD_EXPIRED) {
            return unexpected(Reason::kAuthenticationFailed,
                              "the password has expired and has to be changed at the host");
        }
        return *result == 0;
    }

    Expected<bool> byQuestions() {
        if (!prepared_.password || !isOffered("keyboard-interactive")) {
            return false;
        }
        tried_.emplace_back("the password as the answer to the server's question");
        session_.setPassword(&*prepared_.password);
        const auto result = session_.drive([&] {
            return libssh2_userauth_keyboard_interactive_ex(session_.raw(), user_.c_str(), userLength(),
                                                            &answerQuestions);
        });
        session_.setPassword(nullptr);
        if (!result) {
            return unexpected(base::Error(result.error()).in("authenticating by keyboard-interactive"));
        }
        return *result == 0;
    }

    base::Error refusal() const {
        const std::string what =
            tried_.empty() ? "nothing in the credentials fits" : base::join(tried_, ", ") + " was refused";
        return base::Error(Reason::kAuthenticationFailed,
                           "user " + base::printable(user_, 100) + ": " + what + "; the server offers " +
                               base::printable(base::join(offered_, ", "), 200) + (note_.empty() ? "" : "; " + note_) +
                               (prepared_.key ? "; is the public key in the user's authorized_keys?" : ""));
    }

    Libssh2Session& session_;
    const std::string& user_;
    const Prepared& prepared_;
    std::vector<std::string> offered_;
    std::vector<std::string> tried_;
    std::string note_;
};

class Libssh2Connector final : public Connector {
  public:
    Expected<std::unique_ptr<RemoteHost>> connect(const Login& login, const base::CallContext& context) override {
        auto host = logIn(login, context);
        if (!host) {
            return unexpected(
                base::Error(host.error())
                    .in("host " + base::printable(login.address, 255) + ":" + std::to_string(login.port)));
        }
        return host;
    }

  private:
    static Expected<std::unique_ptr<RemoteHost>> logIn(const Login& login, const base::CallContext& context) {
        auto prepared = prepare(login);
        if (!prepared) {
            return unexpected(prepared.error());
        }
        auto waiter = std::make_unique<Waiter>();
        waiter->setContext(context);
        auto socket = tcpConnect(login.address, login.port, *waiter);
        if (!socket) {
            return unexpected(socket.error());
        }
        auto session = Libssh2Session::create(std::move(*socket), std::move(waiter));
        if (!session) {
            return unexpected(session.error());
        }
        if (auto recognised = recognise(**session, login, prepared->knownHosts); !recognised) {
            return unexpected(recognised.error());
        }
        if (auto accepted = Authentication(**session, login, *prepared).perform(); !accepted) {
            return unexpected(accepted.error());
        }
        return makeLibssh2Host(std::move(*session));
    }

    static Expected<void> recognise(Libssh2Session& session, const Login& login, const KnownHosts& knownHosts) {
        const auto algorithms = knownHosts.hostKeyAlgorithms(login.address, login.port);
        if (auto done = session.handshake(algorithms); !done) {
            return done;
        }
        const auto answer = knownHosts.judge(login.address, login.port, session.hostKey());
        if (answer.verdict != KnownHosts::Verdict::kMatch) {
            session.breakOff("the host key was not accepted");
            return unexpected(Reason::kHostKeyMismatch, answer.message);
        }
        return {};
    }
};

}  // namespace

std::unique_ptr<Connector> makeLibssh2Connector() {
    return std::make_unique<Libssh2Connector>();
}

}  // namespace certbinder::ssh
