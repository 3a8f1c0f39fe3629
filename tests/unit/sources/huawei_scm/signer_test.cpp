#include "sources/huawei_scm/signer.h"

#include <string>

#include "base/digest.h"
#include "support/test.h"

// The vectors were computed with the official Python signer (3.1.219), V2 to V4 again with the official Node signer
// (3.1.211), with the same results.
namespace certbinder::sources::scm {
namespace {

constexpr const char* kHost = "scm.ap-southeast-1.myhuaweicloud.com";
constexpr const char* kDate = "20231121T080000Z";

struct Expectation {
    std::string signedHeaders;
    std::string canonicalHash;
    std::string signature;
};

Signable signable(const std::string& method, const std::string& path, http::Headers more = {}) {
    Signable request;
    request.method = method;
    request.path = path;
    request.headers = {{"Host", kHost}, {"X-Sdk-Date", kDate}};
    request.headers.insert(request.headers.end(), more.begin(), more.end());
    return request;
}

void check(const Signable& request, const Expectation& expected) {
    const AccessKey key{"TESTAKEXAMPLE0000001", base::SecretBytes("TestSkExample00000000000000000000000000001"), {}};
    CHECK(base::toHex(base::sha256(canonicalRequest(request).reveal())) == expected.canonicalHash);
    CHECK(authorization(request, key) == "SDK-HMAC-SHA256 Access=TESTAKEXAMPLE0000001, SignedHeaders=" +
                                             expected.signedHeaders + ", Signature=" + expected.signature);
}

TEST_CASE("V1: a list request signs as the official SDK signs it", "[sources][scm][signer]") {
    Signable request = signable("GET", "/v3/scm/certificates");
    request.query = {
        {"limit", "50"}, {"offset", "0"}, {"status", "ISSUED"}, {"sort_key", "certUpdateTime"}, {"sort_dir", "DESC"}};
    CHECK(canonicalRequest(request).reveal() ==
          "GET\n"
          "/v3/scm/certificates/\n"
          "limit=50&offset=0&sort_dir=DESC&sort_key=certUpdateTime&status=ISSUED\n"
          "host:scm.ap-southeast-1.myhuaweicloud.com\n"
          "x-sdk-date:20231121T080000Z\n"
          "\n"
          "host;x-sdk-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(request, {"host;x-sdk-date", "8e456f8bda3aa98f8764d87f0521441981d80d31f599612bff1774c0ed9aae3c",
                    "05049eee9bf22da7416b77a274d7a020395331ce353d545543c0a95ba13e7754"});
}

TEST_CASE("V2: an export with a temporary key signs the security token", "[sources][scm][signer]") {
    const Signable request = signable("POST", "/v3/scm/certificates/scs1590053258704/export",
                                      {{"Content-Type", "application/json"},
                                       {"X-Domain-Id", "d78cbac186b744899480f25bd022f468"},
                                       {"X-Security-Token", "SECURITYTOKENEXAMPLE=="}});
    CHECK(canonicalRequest(request).reveal() ==
          "POST\n"
          "/v3/scm/certificates/scs1590053258704/export/\n"
          "\n"
          "content-type:application/json\n"
          "host:scm.ap-southeast-1.myhuaweicloud.com\n"
          "x-domain-id:d78cbac186b744899480f25bd022f468\n"
          "x-sdk-date:20231121T080000Z\n"
          "x-security-token:SECURITYTOKENEXAMPLE==\n"
          "\n"
          "content-type;host;x-domain-id;x-sdk-date;x-security-token\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(request, {"content-type;host;x-domain-id;x-sdk-date;x-security-token",
                    "9dd47a98b0ce96dc5f192d538ee94ca728fe16b624eca3cbc037bbfd74eca9c1",
                    "31ca7c216bb6f18941a34a345fb20087f9924f7926c8d65e468d8a10a1e12863"});
}

TEST_CASE("V3: names and values of the query are encoded after sorting", "[sources][scm][signer]") {
    Signable request =
        signable("GET", "/v3/scm/certificates",
                 {{"Content-Type", "application/json"}, {"X-Project-Id", "aa2d97d7e62c4b7da3ffdfc11551f878"}});
    request.query = {{"deploy_support", "true"},
                     {"content", "*.example.com a/b~c+d&\xC3\xA9"},
                     {"enterprise_project_id", ""},
                     {"limit", "10"}};
    CHECK(canonicalQuery(request.query) ==
          "content=%2A.example.com%20a%2Fb~c%2Bd%26%C3%A9&deploy_support=true&enterprise_project_id=&limit=10");
    check(request, {"content-type;host;x-project-id;x-sdk-date",
                    "288d376e1d5364c8ff4e520756c0f348ff3907a2195616055efec1e5482b9f79",
                    "c7adab911e75b90cf7dd8e3e5501fc72a203f461d88136876a8e680e54f79f00"});
}

TEST_CASE("V4: the body's bytes are hashed", "[sources][scm][signer]") {
    Signable request = signable("POST", "/v3/scm/certificates/import", {{"Content-Type", "application/json"}});
    request.body = R"({"name":"t)"
                   "\xC3\xA9"
                   R"(st-01","certificate":"A\nB","private_key":"K"})";
    CHECK(base::toHex(base::sha256(request.body)) ==
          "3559fec59129fdb466894c9df53853a5a9de95f6ae35e5973eb4b49799f76159");
    check(request, {"content-type;host;x-sdk-date", "ad659d37d2abfb33473dbbb1ebc1675f7ac22f900f7120a21a429b6f9a435b71",
                    "a9adc7adaad3c7012304e52a23ca8af52db7099b1f57aa6a02990a4908734718"});
}

TEST_CASE("V5: odd paths, repeated names, padded headers and headers with an underscore", "[sources][scm][signer]") {
    Signable request =
        signable("GET", "/v3/scm/x y/a:b@c,d/%E8%AF%81/", {{"X-Padded", "  two  spaces  "}, {"x_ignored", "left out"}});
    request.query = {{"b", "2"}, {"a", "2"}, {"a", "10"}};
    CHECK(canonicalRequest(request).reveal() ==
          "GET\n"
          "/v3/scm/x%20y/a%3Ab%40c%2Cd/%E8%AF%81/\n"
          "a=10&a=2&b=2\n"
          "host:scm.ap-southeast-1.myhuaweicloud.com\n"
          "x-padded:two  spaces\n"
          "x-sdk-date:20231121T080000Z\n"
          "\n"
          "host;x-padded;x-sdk-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(request, {"host;x-padded;x-sdk-date", "85ce09b84653372737cb23b3c72fead27bf031a005f40d9885326e88c362c8e3",
                    "422d9d0416df412b2418b05bbe90d985d62d4a36894270fd9c68cb927e0743c1"});
}

TEST_CASE("V6: a given content hash stands for the body", "[sources][scm][signer]") {
    Signable request = signable("POST", "/v3/scm/certificates/import",
                                {{"Content-Type", "text/plain"}, {"X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD"}});
    request.body = "hello";
    check(request, {"content-type;host;x-sdk-content-sha256;x-sdk-date",
                    "7e6fb8bc7ca7667b7fc3c4edb98edb8b3cfab0a4d1b085adb1bde73122d194ce",
                    "4f03e42ba20bd1c949c2f90c06bd7022f16bc5a6f23b3d7ee6e2d9ffcfc3179f"});
}

}  // namespace
}  // namespace certbinder::sources::scm
