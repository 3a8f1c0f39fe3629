#include "targets/slb_listener/signer.h"

#include "base/digest.h"
#include "base/text.h"
#include "base/time_text.h"

namespace certbinder::targets::slb {
namespace {

bool isUnreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '~';
}

// Not base::percentEncode, whose result is a plain string: what is encoded here may be a private key.
void appendEncoded(base::SecretBytes& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && isUnreserved(text[plain])) {
            ++plain;
        }
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (!text.empty()) {
            const auto byte = static_cast<unsigned char>(text.front());
            const char escaped[] = {'%', kHex[byte >> 4U], kHex[byte & 0x0FU]};
            out.append({escaped, sizeof escaped});
            text.remove_prefix(1);
        }
    }
}

}  // namespace

Parameters& Parameters::set(std::string name, std::string_view value) {
    values_.insert_or_assign(std::move(name), base::SecretBytes(value));
    return *this;
}

std::string_view Parameters::get(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string_view() : found->second.reveal();
}

Parameters Parameters::clone() const {
    Parameters copy;
    for (const auto& [name, value] : values_) {
        copy.values_.emplace(name, value.clone());
    }
    return copy;
}

base::SecretBytes canonicalQuery(const Parameters& parameters) {
    base::SecretBytes query;
    for (const auto& [name, value] : parameters.all()) {
        if (!query.empty()) {
            query.append("&");
        }
        appendEncoded(query, name);
        query.append("=");
        appendEncoded(query, value.reveal());
    }
    return query;
}

std::string sign(std::string_view method, const Parameters& parameters, const base::SecretBytes& accessKeySecret) {
    base::SecretBytes stringToSign(method);
    stringToSign.append("&%2F&");
    const base::SecretBytes query = canonicalQuery(parameters);
    appendEncoded(stringToSign, query.reveal());

    base::SecretBytes key = accessKeySecret.clone();
    key.append("&");
    return base::toBase64(base::hmacSha1(key, stringToSign.reveal()));
}

base::SecretBytes signedForm(const Parameters& call, const Credentials& credentials, const Stamp& stamp) {
    Parameters all = call.clone();
    all.set("Version", "2014-05-15")
        .set("Format", "JSON")
        .set("AccessKeyId", credentials.accessKeyID)
        .set("SignatureMethod", "HMAC-SHA1")
        .set("SignatureVersion", "1.0")
        .set("SignatureNonce", stamp.nonce)
        .set("Timestamp", base::formatTime(stamp.time));
    if (!credentials.securityToken.empty()) {
        all.set("SecurityToken", credentials.securityToken.reveal());
    }
    const std::string signature = sign("POST", all, credentials.accessKeySecret);
    base::SecretBytes form = canonicalQuery(all);
    form.append("&Signature=" + base::percentEncode(signature));
    return form;
}

}  // namespace certbinder::targets::slb
