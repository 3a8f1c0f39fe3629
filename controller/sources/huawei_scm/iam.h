#pragma once

#include <memory>
#include <string>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "base/guarded.h"
#include "base/random.h"
#include "http/transport.h"
#include "runtime/shared_lookup.h"
#include "sources/huawei_scm/credentials.h"
#include "sources/huawei_scm/settings.h"

namespace certbinder::sources::scm {

/// A token of IAM and the time that it is good for.
struct Token {
    base::SecretBytes text;
    base::SteadyTime renewAt;
    base::SteadyTime endsAt;
};

/// Where a login goes, and for what.
struct LoginPlace {
    std::string endpoint;   ///< of IAM, without a `/` at its end
    std::string region;     ///< also the name of the project that the token is for
    std::string projectID;  ///< names that project instead, where it is not ""
};

/// The token of one IAM user: fetched once for all who want it, kept in memory, renewed before it ends. Thread-safe.
/// Settings, Transport, Clock and Random must outlive it.
class TokenSource {
  public:
    TokenSource(const Settings& settings, LoginPlace place, PasswordLogin login, http::Transport& transport,
                const base::Clock& clock, base::Random& random);

    /// Reasons: kCredentialsInvalid, kAccessDenied, kThrottled, kUnreachable.
    base::Expected<std::shared_ptr<const Token>> token(const base::CallContext& context);

    /// The service refused this one: the next token() fetches another. Nothing happens where that was done already.
    void discard(const std::shared_ptr<const Token>& refused);

    const PasswordLogin& login() const { return login_; }

  private:
    using Shared = std::shared_ptr<const Token>;

    base::Expected<Shared> fetch(const base::CallContext& context);
    base::Expected<Shared> read(http::Response& response) const;
    base::SecretBytes body() const;

    const Settings& settings_;
    const LoginPlace place_;
    const PasswordLogin login_;
    http::Transport& transport_;
    const base::Clock& clock_;
    base::Random& random_;

    runtime::SharedLookup<Shared> lookup_;            // synchronises itself
    base::Guarded<base::SteadyTime> renewNotBefore_;  // after a renewal that failed
};

}  // namespace certbinder::sources::scm
