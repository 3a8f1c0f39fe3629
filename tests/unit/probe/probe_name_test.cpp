#include <string>
#include <vector>

#include "certificate/checks.h"
#include "probe/prober.h"
#include "support/test.h"

using certbinder::certificate::CertificateInfo;
using certbinder::probe::probeName;

namespace {

CertificateInfo named(std::vector<std::string> names) {
    CertificateInfo info;
    info.dnsNames = std::move(names);
    return info;
}

}  // namespace

TEST_CASE("a certificate is asked for by its first concrete name", "[probe]") {
    CHECK(probeName(named({"a.example", "b.example"})) == "a.example");
    CHECK(probeName(named({"*.example.com", "example.com"})) == "example.com");
    CHECK(probeName(named({})).empty());
}

TEST_CASE("a lone wildcard is asked for by a name that it covers", "[probe]") {
    const auto info = named({"*.example.com", "*.example.org"});
    const std::string name = probeName(info);
    CHECK(name.find('*') == std::string::npos);
    CHECK(certbinder::certificate::covers(info, name));
}
