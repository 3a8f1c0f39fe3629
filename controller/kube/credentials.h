#pragma once

#include <memory>
#include <string>

#include "base/call_context.h"
#include "base/expected.h"
#include "base/secret_bytes.h"
#include "http/tls_identity.h"

namespace certbinder::kube {

/// What one logs in with at one moment. Immutable; compared by its address.
struct Identity {
    base::SecretBytes authorization;                             ///< the header's value, `Bearer …`; "" for none
    std::shared_ptr<const http::ClientCertificate> certificate;  ///< null for none; the same object while unchanged
};

/// Where credentials come from: fixed, read from files again and again, or made by a plugin. Thread-safe.
class Credentials {
  public:
    virtual ~Credentials() = default;

    /// What to log in with now; may read a file or run a plugin. Never null.
    virtual base::Expected<std::shared_ptr<const Identity>> current(const base::CallContext& context) = 0;

    /// The server answered 401 to this one: the next current() looks afresh. Asked of an identity that has been
    /// replaced meanwhile, it does nothing, so that many callers at once lead to one look.
    virtual void refused(const std::shared_ptr<const Identity>& identity) = 0;
};

}  // namespace certbinder::kube
