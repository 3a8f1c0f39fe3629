#include "sources/huawei_scm/credentials.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "base/text.h"

namespace certbinder::sources::scm {
namespace {

using base::Expected;
using base::Reason;

constexpr const char* kAccessKeyID = "accessKeyID";
constexpr const char* kSecretAccessKey = "secretAccessKey";
constexpr const char* kSecurityToken = "securityToken";
constexpr const char* kUserName = "userName";
constexpr const char* kPassword = "password";
constexpr const char* kDomainName = "domainName";

std::string_view valueOf(const api::SecretData& secret, const char* entry) {
    const base::SecretBytes* bytes = secret.find(entry);
    return bytes == nullptr ? std::string_view() : base::trim(bytes->reveal());
}

bool hasAny(const api::SecretData& secret, std::initializer_list<const char*> entries) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const char* entry) { return secret.find(entry) != nullptr; });
}

Expected<std::string_view> required(const api::SecretData& secret, const std::string& place, const char* entry) {
    const std::string_view value = valueOf(secret, entry);
    if (value.empty()) {
        return base::unexpected(Reason::kCredentialsInvalid,
                                place + " has no " + entry +
                                    "; credentials of Huawei Cloud are accessKeyID and secretAccessKey (with "
                                    "securityToken where they are temporary), or userName, password and domainName");
    }
    return value;
}

/// What goes into a header must not end it, nor the signature's list in it.
Expected<std::string_view> headerSafe(Expected<std::string_view> value, const std::string& place, const char* entry) {
    if (value && std::any_of(value->begin(), value->end(), [](char c) { return c <= ' ' || c > '~' || c == ','; })) {
        return base::unexpected(Reason::kCredentialsInvalid,
                                "the " + std::string(entry) + " of " + place +
                                    " holds characters that none can have; take it from the console once more");
    }
    return value;
}

Expected<Credentials> readAccessKey(const api::SecretData& secret, const std::string& place) {
    auto id = headerSafe(required(secret, place, kAccessKeyID), place, kAccessKeyID);
    if (!id) {
        return base::unexpected(std::move(id.error()));
    }
    auto key = required(secret, place, kSecretAccessKey);
    if (!key) {
        return base::unexpected(std::move(key.error()));
    }
    auto token = headerSafe(valueOf(secret, kSecurityToken), place, kSecurityToken);
    if (!token) {
        return base::unexpected(std::move(token.error()));
    }
    return Credentials(AccessKey{std::string(*id), base::SecretBytes(*key), base::SecretBytes(*token)});
}

Expected<Credentials> readPassword(const api::SecretData& secret, const std::string& place) {
    auto user = required(secret, place, kUserName);
    if (!user) {
        return base::unexpected(std::move(user.error()));
    }
    auto password = required(secret, place, kPassword);
    if (!password) {
        return base::unexpected(std::move(password.error()));
    }
    auto domain = required(secret, place, kDomainName);
    if (!domain) {
        return base::unexpected(std::move(domain.error()));
    }
    return Credentials(PasswordLogin{std::string(*user), base::SecretBytes(*password), std::string(*domain)});
}

std::string digestOf(std::initializer_list<std::string_view> parts) {
    base::SecretBytes all;
    for (const std::string_view part : parts) {
        all.append(std::to_string(part.size()) + ":");
        all.append(part);
    }
    return base::toHex(base::sha256(all.reveal()));
}

}  // namespace

Expected<Credentials> readCredentials(const api::SecretData& secret, const std::string& place) {
    if (!hasAny(secret, {kAccessKeyID, kSecretAccessKey}) && hasAny(secret, {kUserName, kPassword, kDomainName})) {
        return readPassword(secret, place);
    }
    return readAccessKey(secret, place);
}

std::string identityOf(const Credentials& credentials) {
    if (const auto* key = std::get_if<AccessKey>(&credentials)) {
        return digestOf({"key", key->id, key->secret.reveal(), key->securityToken.reveal()});
    }
    const auto& login = std::get<PasswordLogin>(credentials);
    return digestOf({"user", login.domainName, login.userName, login.password.reveal()});
}

}  // namespace certbinder::sources::scm
