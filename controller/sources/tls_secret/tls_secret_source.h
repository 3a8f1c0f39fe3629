#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "sources/certificate_source.h"

namespace certbinder::sources {

/// The source `secret`: the entries `tls.crt` and `tls.key` of a Secret, whatever its type says. The clock must outlive
/// it.
///
/// A Secret is parsed once, however many bindings name it: what came of it is kept for as long as somebody else keeps
/// the Secret's snapshot, so that no key outlives the Secret here.
class TlsSecretSource final : public CertificateSource {
  public:
    explicit TlsSecretSource(const base::Clock& clock);
    ~TlsSecretSource() override;
    TlsSecretSource(const TlsSecretSource&) = delete;
    TlsSecretSource& operator=(const TlsSecretSource&) = delete;

    /// Reasons besides makeBundle's: kSourceNotFound (no such Secret), kInvalidCertificate (an entry is missing).
    base::Expected<Sourced> load(const SourceRequest& request, const base::CallContext& context) override;

  private:
    struct Parsed;
    using Key = std::pair<std::string, std::string>;  // `namespace/name`, version

    std::shared_ptr<Parsed> parsedOf(const Key& key, const std::shared_ptr<const api::SecretData>& secret);

    const base::Clock& clock_;
    base::Guarded<std::map<Key, std::shared_ptr<Parsed>>> parsed_;
};

}  // namespace certbinder::sources
