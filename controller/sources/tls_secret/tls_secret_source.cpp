#include "sources/tls_secret/tls_secret_source.h"

#include <mutex>
#include <utility>
#include <variant>

namespace certbinder::sources {
namespace {

using base::Expected;
using base::Reason;

constexpr const char* kCertificateEntry = "tls.crt";
constexpr const char* kKeyEntry = "tls.key";

Expected<std::shared_ptr<const certificate::Bundle>> parse(const api::SecretData& secret, const std::string& place,
                                                           base::WallTime now) {
    for (const char* entry : {kCertificateEntry, kKeyEntry}) {
        const base::SecretBytes* bytes = secret.find(entry);
        if (bytes == nullptr || bytes->empty()) {
            return base::unexpected(Reason::kInvalidCertificate,
                                    place + " has no entry " + entry +
                                        "; a certificate's Secret has its chain in tls.crt and its key in tls.key");
        }
    }
    auto bundle = certificate::makeBundle(secret.find(kCertificateEntry)->reveal(), *secret.find(kKeyEntry), now);
    if (!bundle) {
        return base::unexpected(std::move(bundle.error()).in(place));
    }
    return std::make_shared<const certificate::Bundle>(std::move(*bundle));
}

}  // namespace

struct TlsSecretSource::Parsed {
    explicit Parsed(std::weak_ptr<const api::SecretData> secret) : origin(std::move(secret)) {}

    const std::weak_ptr<const api::SecretData> origin;
    std::once_flag once;
    Expected<std::shared_ptr<const certificate::Bundle>> bundle;  // written once, under the flag
};

TlsSecretSource::TlsSecretSource(const base::Clock& clock) : clock_(clock) {}

TlsSecretSource::~TlsSecretSource() = default;

std::shared_ptr<TlsSecretSource::Parsed> TlsSecretSource::parsedOf(
    const Key& key, const std::shared_ptr<const api::SecretData>& secret) {
    auto all = parsed_.lock();
    const auto known = all->find(key);
    if (known != all->end() && !known->second->origin.expired()) {
        return known->second;
    }
    // A Secret has changed or come: the moment to forget those that have gone.
    for (auto entry = all->begin(); entry != all->end();) {
        entry = entry->second->origin.expired() ? all->erase(entry) : std::next(entry);
    }
    return (*all)[key] = std::make_shared<Parsed>(secret);
}

Expected<Sourced> TlsSecretSource::load(const SourceRequest& request, const base::CallContext&) {
    const std::string& name = std::get<api::SecretSource>(request.binding.spec.source).name;
    const std::string key = request.binding.metadata.key.ns + "/" + name;
    const auto found = request.secrets.find(name);
    if (found == request.secrets.end() || !found->second) {
        return base::unexpected(
            Reason::kSourceNotFound,
            "there is no Secret " + key + ", which spec.source.secret names; create it, or mend the name");
    }
    const std::shared_ptr<const api::SecretData>& secret = found->second;
    const std::shared_ptr<Parsed> parsed = parsedOf({key, secret->version}, secret);
    std::call_once(parsed->once, [&] { parsed->bundle = parse(*secret, "the Secret " + key, clock_.wallNow()); });
    if (!parsed->bundle) {
        return base::unexpected(parsed->bundle.error());
    }
    return Sourced{name, *parsed->bundle};
}

}  // namespace certbinder::sources
