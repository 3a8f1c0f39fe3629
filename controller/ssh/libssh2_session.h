#pragma once

#include <libssh2.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "base/secret_bytes.h"
#include "base/unique_fd.h"
#include "ssh/waiter.h"

namespace certbinder::ssh {

/// A libssh2 session over its socket, driven so that no call lasts longer than the context that was set last. Once a
/// call could not be ended (time, stop, a lost connection) the session is broken off, since its protocol state is
/// unknown, and every later call says so. Belongs to one thread at a time.
class Libssh2Session {
  public:
    /// Over a connected non-blocking socket. `waiter` already holds the context of the login.
    static base::Expected<std::unique_ptr<Libssh2Session>> create(base::UniqueFd socket,
                                                                  std::unique_ptr<Waiter> waiter);
    ~Libssh2Session();
    Libssh2Session(const Libssh2Session&) = delete;
    Libssh2Session& operator=(const Libssh2Session&) = delete;

    LIBSSH2_SESSION* raw() { return session_; }
    void setContext(const base::CallContext& context) { waiter_->setContext(context); }

    /// Whether a call may start: neither broken off nor out of time.
    base::Expected<void> ready() const;

    /// Exchanges keys, offering these host key algorithms.
    base::Expected<void> handshake(const std::vector<std::string>& hostKeyAlgorithms);

    /// The host's key as it is on the wire; after the handshake.
    std::string hostKey();

    /// Repeats a libssh2 call until it is done. An error is one of the wait or of the connection; whatever else the
    /// call returns is its value.
    template <typename Call>
    base::Expected<decltype(std::declval<Call>()())> drive(Call call) {
        while (true) {
            const auto result = call();
            if (result != LIBSSH2_ERROR_EAGAIN) {
                return checked(result);
            }
            if (auto more = waitForPeer(); !more) {
                return base::unexpected(more.error());
            }
        }
    }

    /// The same for calls that return a pointer: null is then an error of libssh2, as lastError() tells.
    template <typename Call>
    base::Expected<decltype(std::declval<Call>()())> drivePointer(Call call) {
        while (true) {
            const auto result = call();
            if (result != nullptr) {
                return result;
            }
            const int error = libssh2_session_last_errno(session_);
            if (error != LIBSSH2_ERROR_EAGAIN) {
                auto fine = checked(error);
                return fine ? base::Expected<decltype(std::declval<Call>()())>(result) : base::unexpected(fine.error());
            }
            if (auto more = waitForPeer(); !more) {
                return base::unexpected(more.error());
            }
        }
    }

    /// libssh2's words for what went wrong last, printable.
    std::string lastError();

    /// Ends the connection at once, without the peer's consent.
    void breakOff(const std::string& why);
    bool broken() const { return !brokenBecause_.empty(); }

    /// The password keyboard-interactive questions are answered with; null for none.
    void setPassword(const base::SecretBytes* password) { password_ = password; }
    const base::SecretBytes* password() const { return password_; }

    /// A copy from the session's allocator, which libssh2 wipes and frees; null where there is no memory.
    char* allocateCopy(std::string_view bytes) const;

  private:
    Libssh2Session(base::UniqueFd socket, std::unique_ptr<Waiter> waiter)
        : socket_(std::move(socket)), waiter_(std::move(waiter)) {}

    base::Expected<void> waitForPeer();
    bool isLoss(int error) const;
    base::Error lost();
    base::Expected<void> preferAlgorithms(const std::vector<std::string>& hostKeyAlgorithms);

    template <typename Result>
    base::Expected<Result> checked(Result result) {
        return isLoss(static_cast<int>(result)) ? base::Expected<Result>(base::unexpected(lost()))
                                                : base::Expected<Result>(result);
    }

    base::UniqueFd socket_;
    std::unique_ptr<Waiter> waiter_;
    LIBSSH2_SESSION* session_ = nullptr;
    const base::SecretBytes* password_ = nullptr;
    std::string brokenBecause_;
};

}  // namespace certbinder::ssh
