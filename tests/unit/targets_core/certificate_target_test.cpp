#include "targets/certificate_target.h"

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using targets::Held;

TEST_CASE("a certificate is recognised by the strongest fingerprint that is known", "[targets]") {
    const auto wanted = test::certificateNamed('b');
    Held held = Held::of(wanted);
    CHECK(held.is(wanted));
    CHECK(held.notAfter == wanted.notAfter);
    CHECK_FALSE(held.is(test::certificateNamed('c')));
    SECTION("SHA-1 does not speak against SHA-256") {
        held.fingerprintSHA1 = "0";
        CHECK(held.is(wanted));
        held.fingerprintSHA256 = "0";
        held.fingerprintSHA1 = wanted.fingerprintSHA1;
        CHECK_FALSE(held.is(wanted));
    }
    SECTION("SHA-1 counts where nothing else is known") {
        held.fingerprintSHA256.clear();
        CHECK(held.is(wanted));
        CHECK_FALSE(held.is(test::certificateNamed('c')));
    }
    SECTION("nothing known is no match, also of a certificate that nothing is known of") {
        CHECK_FALSE(Held{}.is(wanted));
        CHECK_FALSE(Held{}.is(certificate::CertificateInfo{}));
    }
}
