#include "ssh/libssh2_session.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace certbinder::ssh {

using base::Expected;
using base::Reason;
using base::unexpected;

namespace {

// No CBC, SHA-1, MD5, arcfour, 3DES, and no group below 2048 bits.
constexpr const char* kKeyExchanges =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,"
    "diffie-hellman-group-exchange-sha256";
constexpr const char* kCiphers =
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
constexpr const char* kMacs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
constexpr const char* kRsaSignatures = "rsa-sha2-512,rsa-sha2-256";

// libssh2 frees packets that held file contents without wiping them, so its blocks are wiped when they are released.
// They come from malloc as they are, since some of its code (keys in OpenSSH's format) frees them with plain free().
void* allocate(std::size_t size, void** /*abstract*/) {
    return std::malloc(size);
}

void release(void* pointer, void** /*abstract*/) {
    if (pointer != nullptr) {
        OPENSSL_cleanse(pointer, ::malloc_usable_size(pointer));
        std::free(pointer);
    }
}

void* reallocate(void* pointer, std::size_t size, void** abstract) {
    void* grown = allocate(size, abstract);
    if (grown != nullptr && pointer != nullptr) {
        std::memcpy(grown, pointer, std::min(size, ::malloc_usable_size(pointer)));
        release(pointer, abstract);
    }
    return grown;
}

/// libssh2 is not told to wait, so after a broken connection these calls end at once; the bound only guards against a
/// defect in it.
template <typename Call>
void untilDone(Call call) {
    for (int i = 0; i < 1000 && call() == LIBSSH2_ERROR_EAGAIN; ++i) {
    }
}

}  // namespace

Expected<std::unique_ptr<Libssh2Session>> Libssh2Session::create(base::UniqueFd socket,
                                                                 std::unique_ptr<Waiter> waiter) {
    // Before any thread can use libssh2; the result never changes.
    static const int initialised = libssh2_init(0);
    std::unique_ptr<Libssh2Session> made(new Libssh2Session(std::move(socket), std::move(waiter)));
    if (initialised == 0) {
        made->session_ = libssh2_session_init_ex(allocate, release, reallocate, made.get());
    }
    if (made->session_ == nullptr) {
        return unexpected(Reason::kInternalError, "libssh2 could not be started");
    }
    libssh2_session_set_blocking(made->session_, 0);
    return made;
}

Libssh2Session::~Libssh2Session() {
    if (session_ == nullptr) {
        return;
    }
    if (!broken()) {
        // A courtesy that may not take time: sent if the socket takes it.
        libssh2_session_disconnect(session_, "done");
        breakOff("closed");
    }
    untilDone([&] { return libssh2_session_free(session_); });
}

Expected<void> Libssh2Session::ready() const {
    if (broken()) {
        return unexpected(Reason::kUnreachable, "the connection ended earlier: " + brokenBecause_);
    }
    return waiter_->checkTime();
}

void Libssh2Session::breakOff(const std::string& why) {
    if (!broken()) {
        brokenBecause_ = why;
        ::shutdown(socket_.get(), SHUT_RDWR);
    }
}

Expected<void> Libssh2Session::waitForPeer() {
    const int directions = libssh2_session_block_directions(session_);
    short events = 0;
    events = static_cast<short>(events | ((directions & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 ? POLLIN : 0));
    events = static_cast<short>(events | ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 ? POLLOUT : 0));
    auto waited = waiter_->wait(socket_.get(), events == 0 ? short{POLLIN} : events);
    if (!waited) {
        breakOff(waited.error().bareMessage());
    }
    return waited;
}

bool Libssh2Session::isLoss(int error) const {
    switch (error) {
        case LIBSSH2_ERROR_SOCKET_NONE:
        case LIBSSH2_ERROR_BANNER_RECV:
        case LIBSSH2_ERROR_BANNER_SEND:
        case LIBSSH2_ERROR_INVALID_MAC:
        case LIBSSH2_ERROR_SOCKET_SEND:
        case LIBSSH2_ERROR_SOCKET_RECV:
        case LIBSSH2_ERROR_SOCKET_DISCONNECT:
        case LIBSSH2_ERROR_SOCKET_TIMEOUT:
        case LIBSSH2_ERROR_TIMEOUT:
        case LIBSSH2_ERROR_BAD_SOCKET:
        case LIBSSH2_ERROR_ENCRYPT:
            return true;
        default:
            return false;
    }
}

base::Error Libssh2Session::lost() {
    breakOff(lastError());
    return base::Error(Reason::kUnreachable, "the connection was lost: " + lastError());
}

std::string Libssh2Session::lastError() {
    char* text = nullptr;
    int length = 0;
    const int number = libssh2_session_last_error(session_, &text, &length, 0);
    const std::string words = text == nullptr ? "" : base::printable({text, static_cast<std::size_t>(length)});
    return (words.empty() ? "libssh2 error" : words) + " (" + std::to_string(number) + ")";
}

Expected<void> Libssh2Session::preferAlgorithms(const std::vector<std::string>& hostKeyAlgorithms) {
    const std::string hostKeys = base::join(hostKeyAlgorithms, ",");
    const std::array<std::pair<int, const char*>, 9> preferences = {{
        {LIBSSH2_METHOD_KEX, kKeyExchanges},
        {LIBSSH2_METHOD_HOSTKEY, hostKeys.c_str()},
        {LIBSSH2_METHOD_CRYPT_CS, kCiphers},
        {LIBSSH2_METHOD_CRYPT_SC, kCiphers},
        {LIBSSH2_METHOD_MAC_CS, kMacs},
        {LIBSSH2_METHOD_MAC_SC, kMacs},
        {LIBSSH2_METHOD_COMP_CS, "none"},
        {LIBSSH2_METHOD_COMP_SC, "none"},
        {LIBSSH2_METHOD_SIGN_ALGO, kRsaSignatures},
    }};
    for (const auto& [method, algorithms] : preferences) {
        if (libssh2_session_method_pref(session_, method, algorithms) != 0) {
            return unexpected(Reason::kInternalError, "libssh2 supports none of " + std::string(algorithms));
        }
    }
    return {};
}

Expected<void> Libssh2Session::handshake(const std::vector<std::string>& hostKeyAlgorithms) {
    if (auto preferred = preferAlgorithms(hostKeyAlgorithms); !preferred) {
        return preferred;
    }
    const auto done = drive([&] { return libssh2_session_handshake(session_, socket_.get()); });
    if (!done) {
        return unexpected(base::Error(done.error()).in("starting SSH"));
    }
    if (*done == LIBSSH2_ERROR_KEX_FAILURE || *done == LIBSSH2_ERROR_METHOD_NONE) {
        return unexpected(Reason::kUnreachable,
                          "no agreement on algorithms with the SSH server: " + lastError() +
                              "; it may offer only outdated ones (SHA-1, CBC), which are refused");
    }
    if (*done != 0) {
        return unexpected(Reason::kUnreachable, "starting SSH: " + lastError());
    }
    return {};
}

char* Libssh2Session::allocateCopy(std::string_view bytes) const {
    auto* copy = static_cast<char*>(allocate(bytes.size() + 1, nullptr));
    if (copy != nullptr) {
        std::memcpy(copy, bytes.data(), bytes.size());
        copy[bytes.size()] = '\0';
    }
    return copy;
}

std::string Libssh2Session::hostKey() {
    std::size_t size = 0;
    int type = 0;
    const char* key = libssh2_session_hostkey(session_, &size, &type);
    return key == nullptr ? std::string() : std::string(key, size);
}

}  // namespace certbinder::ssh
