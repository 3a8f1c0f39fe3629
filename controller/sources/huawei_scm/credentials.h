#pragma once

#include <string>
#include <variant>

#include "api/secret_data.h"
#include "base/expected.h"
#include "base/secret_bytes.h"

/// What one logs in to Huawei Cloud with, as a Secret holds it. Further kinds (agencies, ambient ones) are further
/// alternatives of Credentials.
namespace certbinder::sources::scm {

/// Signs each request; permanent, or temporary with its security token.
struct AccessKey {
    std::string id;
    base::SecretBytes secret;
    base::SecretBytes securityToken;  ///< empty for a permanent key
};

/// An IAM user who is given a token for it.
struct PasswordLogin {
    std::string userName;
    base::SecretBytes password;
    std::string domainName;  ///< of the account
};

using Credentials = std::variant<AccessKey, PasswordLogin>;

/// Reads the entries `accessKeyID`, `secretAccessKey` and `securityToken`, or `userName`, `password` and `domainName`;
/// white space around a value, such as the line end that files bring along, does not count. `place` names the Secret in
/// messages. Reason kCredentialsInvalid: an entry is missing, or cannot be what its name says.
base::Expected<Credentials> readCredentials(const api::SecretData& secret, const std::string& place);

/// Tells accounts apart without keeping a secret: changed credentials have another identity.
std::string identityOf(const Credentials& credentials);

}  // namespace certbinder::sources::scm
