#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/secret_bytes.h"

namespace certbinder::targets::slb {

/// Who calls. Shared as `shared_ptr<const Credentials>`.
struct Credentials {
    std::string accessKeyID;
    base::SecretBytes accessKeySecret;
    base::SecretBytes securityToken;  ///< empty but for temporary credentials
};

/// The parameters of a call by name, unencoded. One of them may be a private key, so all values are secrets by type.
class Parameters {
  public:
    Parameters& set(std::string name, std::string_view value);
    void remove(const std::string& name) { values_.erase(name); }
    /// "" where there is none.
    std::string_view get(const std::string& name) const;
    bool has(const std::string& name) const { return values_.contains(name); }
    const std::map<std::string, base::SecretBytes>& all() const { return values_; }
    Parameters clone() const;

  private:
    std::map<std::string, base::SecretBytes> values_;  // std::map sorts by bytes, which is the order that is signed
};

/// What makes a request unique; a repeated request takes a new one (SignatureNonceUsed).
struct Stamp {
    std::string nonce;
    base::WallTime time;
};

/// `name=value` pairs, percent-encoded (RFC 3986) and sorted by name: what is signed, and a valid form body too.
base::SecretBytes canonicalQuery(const Parameters& parameters);

/// The HMAC-SHA1 signature of Alibaba Cloud's RPC style (SignatureVersion 1.0), in base64. `method` as really sent.
std::string sign(std::string_view method, const Parameters& parameters, const base::SecretBytes& accessKeySecret);

/// The body of a POST that makes the call: its parameters, the common ones and the signature. Nothing is left for the
/// URL, where proxies and access logs would keep it.
base::SecretBytes signedForm(const Parameters& call, const Credentials& credentials, const Stamp& stamp);

}  // namespace certbinder::targets::slb
