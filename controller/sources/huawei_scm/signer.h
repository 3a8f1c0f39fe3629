#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret_bytes.h"
#include "http/transport.h"
#include "sources/huawei_scm/credentials.h"

/// Requests signed with an access key: SDK-HMAC-SHA256. Pure functions.
namespace certbinder::sources::scm {

/// Names and values as they are, not encoded.
using Query = std::vector<std::pair<std::string, std::string>>;

/// A request as the signature sees it. All headers are signed but those with `_` in their name, which gateways drop;
/// Host and X-Sdk-Date (UTC, `YYYYMMDDTHHMMSSZ`) must be among them.
struct Signable {
    std::string method;
    std::string path;  ///< as on the wire; need not end with `/`
    Query query;
    http::Headers headers;
    std::string_view body;
};

/// The query in the one form in which it is both signed and sent: sorted, encoded, `=` also behind a name alone.
std::string canonicalQuery(Query query);

/// What is hashed for the signature. A secret, since a security token is one of the signed headers.
base::SecretBytes canonicalRequest(const Signable& request);

/// The value of the header Authorization.
std::string authorization(const Signable& request, const AccessKey& key);

}  // namespace certbinder::sources::scm
