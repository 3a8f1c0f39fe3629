#include "targets/certificate_target.h"

namespace certbinder::targets {

Held Held::of(const certificate::CertificateInfo& certificate) {
    return {certificate.fingerprintSHA256, certificate.fingerprintSHA1, certificate.notBefore, certificate.notAfter};
}

bool Held::is(const certificate::CertificateInfo& certificate) const {
    if (!fingerprintSHA256.empty()) {
        return fingerprintSHA256 == certificate.fingerprintSHA256;
    }
    return !fingerprintSHA1.empty() && fingerprintSHA1 == certificate.fingerprintSHA1;
}

}  // namespace certbinder::targets
