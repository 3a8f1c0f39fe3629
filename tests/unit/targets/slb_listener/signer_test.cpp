#include "targets/slb_listener/signer.h"

#include "fake_slb.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets::slb;

namespace {

constexpr const char* kNonce = "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf";
constexpr base::WallTime kTime{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z

Parameters common(const char* action) {
    Parameters parameters;
    parameters.set("Action", action)
        .set("Version", "2014-05-15")
        .set("RegionId", "cn-hangzhou")
        .set("Format", "JSON")
        .set("AccessKeyId", "testid")
        .set("SignatureMethod", "HMAC-SHA1")
        .set("SignatureVersion", "1.0")
        .set("SignatureNonce", kNonce)
        .set("Timestamp", "2026-01-02T03:04:05Z");
    return parameters;
}

Parameters upload() {
    Parameters call;
    call.set("Action", "UploadServerCertificate")
        .set("RegionId", "cn-hangzhou")
        .set("ServerCertificateName", "a b*c~d_证书")
        .set("ServerCertificate", "-----BEGIN CERTIFICATE-----\nMIIB+/=~*\n-----END CERTIFICATE-----\n")
        .set("PrivateKey", "k+/=")
        .set("Tag.1.Key", "managed-by")
        .set("Tag.1.Value", "");
    return call;
}

}  // namespace

TEST_CASE("a GET is signed as the service's own clients sign it", "[slb][signer]") {
    const base::SecretBytes secret("testsecret");
    Parameters parameters = common("DescribeServerCertificates");
    CHECK(sign("GET", parameters, secret) == "sUGfc/ivQw6luNLuqCzVd8pAv3o=");
    parameters.set("SignatureType", "");
    CHECK(sign("GET", parameters, secret) == "QTd3nuMLRsEX5FfP6MyUiWMjfjg=");
}

TEST_CASE("a POST signs keys, tokens, empty values and text beyond ASCII", "[slb][signer]") {
    Credentials credentials{"testid", base::SecretBytes("testsecret"), base::SecretBytes("CAIS+tok/en==")};
    const base::SecretBytes form = signedForm(upload(), credentials, {kNonce, kTime});
    CHECK(
        std::string(form.reveal()) ==
        "AccessKeyId=testid&Action=UploadServerCertificate&Format=JSON&PrivateKey=k%2B%2F%3D&RegionId=cn-hangzhou"
        "&SecurityToken=CAIS%2Btok%2Fen%3D%3D&ServerCertificate=-----BEGIN%20CERTIFICATE-----%0AMIIB%2B%2F%3D~%2A%0A"
        "-----END%20CERTIFICATE-----%0A&ServerCertificateName=a%20b%2Ac~d_%E8%AF%81%E4%B9%A6&SignatureMethod=HMAC-SHA1"
        "&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0&Tag.1.Key=managed-by&Tag.1.Value="
        "&Timestamp=2026-01-02T03%3A04%3A05Z&Version=2014-05-15&Signature=qgppHuqHeidGBmH3rAnXaIH48H0%3D");
}

TEST_CASE("the example of the manual is reproduced", "[slb][signer]") {
    Parameters parameters;
    parameters.set("Action", "DescribeRegions")
        .set("Version", "2014-05-26")
        .set("Format", "XML")
        .set("AccessKeyId", "testid")
        .set("SignatureMethod", "HMAC-SHA1")
        .set("SignatureVersion", "1.0")
        .set("SignatureNonce", kNonce)
        .set("Timestamp", "2016-02-23T12:46:24Z");
    CHECK(sign("GET", parameters, base::SecretBytes("testsecret")) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
}

TEST_CASE("a form without a token has no SecurityToken", "[slb][signer]") {
    Credentials credentials{"testid", base::SecretBytes("testsecret"), {}};
    const test::Form form = test::decodeForm(signedForm(upload(), credentials, {kNonce, kTime}).reveal());
    CHECK(form.count("SecurityToken") == 0);
    CHECK(form.at("PrivateKey") == "k+/=");
    CHECK(form.at("ServerCertificateName") == "a b*c~d_证书");
}
