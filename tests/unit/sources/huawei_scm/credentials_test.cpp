#include "sources/huawei_scm/credentials.h"

#include <map>
#include <string>
#include <vector>

#include "sources/huawei_scm/regions.h"
#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

using Entries = std::map<std::string, std::string>;

base::Expected<Credentials> read(const Entries& entries) {
    api::SecretData secret;
    for (const auto& [name, value] : entries) {
        secret.entries[name] = base::SecretBytes(value);
    }
    return readCredentials(secret, "the Secret web/huawei");
}

TEST_CASE("an access key is read, with its security token where there is one", "[sources][scm][credentials]") {
    const auto credentials =
        read({{"accessKeyID", "AK1\n"}, {"secretAccessKey", " sk "}, {"securityToken", "token=="}});
    REQUIRE(credentials);
    const auto& key = std::get<AccessKey>(*credentials);
    CHECK(key.id == "AK1");
    CHECK(key.secret.reveal() == "sk");
    CHECK(key.securityToken.reveal() == "token==");
    CHECK(std::get<AccessKey>(*read({{"accessKeyID", "AK1"}, {"secretAccessKey", "sk"}})).securityToken.empty());
}

TEST_CASE("a user with password is read", "[sources][scm][credentials]") {
    const auto credentials = read({{"userName", "reader"}, {"password", "p w"}, {"domainName", "example"}});
    REQUIRE(credentials);
    const auto& login = std::get<PasswordLogin>(*credentials);
    CHECK(login.userName == "reader");
    CHECK(login.password.reveal() == "p w");
    CHECK(login.domainName == "example");
}

TEST_CASE("the missing entry is named", "[sources][scm][credentials]") {
    const std::vector<std::pair<Entries, std::string>> cases{
        {{}, "accessKeyID"},
        {{{"secretAccessKey", "sk"}}, "accessKeyID"},
        {{{"accessKeyID", "AK1"}}, "secretAccessKey"},
        {{{"accessKeyID", "AK1"}, {"secretAccessKey", " \n"}}, "secretAccessKey"},
        {{{"userName", "reader"}, {"password", "pw"}}, "domainName"},
        {{{"userName", "reader"}, {"domainName", "example"}}, "password"},
        {{{"password", "pw"}, {"domainName", "example"}}, "userName"},
    };
    for (const auto& [entries, missing] : cases) {
        const auto credentials = read(entries);
        REQUIRE_FALSE(credentials);
        CHECK(credentials.error().reason() == base::Reason::kCredentialsInvalid);
        CHECK_THAT(credentials.error().message(), CERTBINDER_CONTAINS("web/huawei has no " + missing));
    }
}

TEST_CASE("what would break a header is refused and not shown", "[sources][scm][credentials]") {
    for (const std::string bad : {"AK\r\nX-Evil: 1", "AK, Signature=", "A\xC3\xA9K"}) {
        const auto credentials = read({{"accessKeyID", bad}, {"secretAccessKey", "sk"}});
        REQUIRE_FALSE(credentials);
        CHECK(credentials.error().reason() == base::Reason::kCredentialsInvalid);
        CHECK(credentials.error().message().find(bad) == std::string::npos);
    }
}

TEST_CASE("changed credentials are another identity", "[sources][scm][credentials]") {
    const Entries key{{"accessKeyID", "AK1"}, {"secretAccessKey", "sk"}};
    CHECK(identityOf(*read(key)) == identityOf(*read(key)));
    for (const auto& [name, value] :
         Entries{{"accessKeyID", "AK2"}, {"secretAccessKey", "s"}, {"securityToken", "t"}}) {
        Entries other = key;
        other[name] = value;
        CHECK(identityOf(*read(other)) != identityOf(*read(key)));
    }
    CHECK(identityOf(*read(key)).find("sk") == std::string::npos);
}

TEST_CASE("the endpoint follows from the region; others are told which there are", "[sources][scm][regions]") {
    CHECK(*scmEndpoint("ap-southeast-1") == "https://scm.ap-southeast-1.myhuaweicloud.com");
    CHECK(*scmEndpoint("cn-north-4") == "https://scm.cn-north-4.myhuaweicloud.com");
    CHECK(*scmEndpoint("my-kualalumpur-1") == "https://scm.my-kualalumpur-1.myhuaweicloud.com");
    const auto other = scmEndpoint("eu-west-101");
    REQUIRE_FALSE(other);
    CHECK(other.error().reason() == base::Reason::kInvalidSpec);
    CHECK_THAT(other.error().message(), CERTBINDER_CONTAINS("ap-southeast-1"));
    CHECK(iamEndpoint("ap-southeast-1") == "https://iam.ap-southeast-1.myhuaweicloud.com");
    CHECK(iamEndpoint("somewhere") == "https://iam.myhuaweicloud.com");
}

}  // namespace
}  // namespace certbinder::sources::scm
