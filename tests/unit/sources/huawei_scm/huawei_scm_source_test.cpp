#include "sources/huawei_scm/huawei_scm_source.h"

#include <memory>
#include <string>

#include "fake_scm.h"
#include "support/test.h"

namespace certbinder::sources {
namespace {

using base::Reason;

struct Fixture {
    Fixture() {
        settings.rate = {1000, 1000, settings.rate.pause};
        transport.handle([this](const http::Request& request) { return cloud(request); });
        binding.metadata.key = {"web", "shop"};
        api::HuaweiScmSource spec;
        spec.region = "ap-southeast-1";
        spec.domain = "shop.example.com";
        spec.credentialsRef = "huawei";
        binding.spec.source = spec;
        setCredentials({{"accessKeyID", "AK1"}, {"secretAccessKey", "SK1"}});
        cloud.issue("scs1", {"shop.example.com"}, -10, 80);
    }

    api::HuaweiScmSource& spec() { return std::get<api::HuaweiScmSource>(binding.spec.source); }

    void setCredentials(const std::map<std::string, std::string>& entries) {
        auto secret = std::make_shared<api::SecretData>();
        for (const auto& [name, value] : entries) {
            secret->entries[name] = base::SecretBytes(value);
            secret->version += value;
        }
        secrets["huawei"] = secret;
    }

    base::Expected<Sourced> load() {
        if (!source) {
            source = std::make_unique<HuaweiScmSource>(settings, transport, clock, random);
        }
        return source->load({binding, secrets, clock.steadyNow()}, {});
    }

    test::FakeScm cloud;
    test::FakeTransport transport;
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances, test::pkiNow()};
    test::FakeRandom random;
    scm::Settings settings;
    api::CertificateBinding binding;
    api::Secrets secrets;
    std::unique_ptr<HuaweiScmSource> source;
};

TEST_CASE("a binding's certificate comes from the region's endpoint", "[sources][scm]") {
    Fixture f;
    const auto sourced = f.load();
    REQUIRE(sourced);
    CHECK(sourced->id == "scs1");
    CHECK(sourced->bundle->chainLength == 2);
    CHECK(f.transport.requests()[0].url.rfind("https://scm.ap-southeast-1.myhuaweicloud.com/v3/scm/", 0) == 0);
}

TEST_CASE("an endpoint override is used as it stands, and checked", "[sources][scm]") {
    Fixture f;
    f.spec().region = "anywhere-1";
    f.spec().endpoint = "http://127.0.0.1:8080/";
    REQUIRE(f.load());
    CHECK(f.transport.requests()[0].url.rfind("http://127.0.0.1:8080/v3/scm/", 0) == 0);
    f.spec().endpoint = "http://scm.example.com";
    CHECK(f.load().error().reason() == Reason::kInvalidSpec);
}

TEST_CASE("a region without an endpoint is InvalidSpec before anything is sent", "[sources][scm]") {
    Fixture f;
    f.spec().region = "cn-south-1";
    CHECK(f.load().error().reason() == Reason::kInvalidSpec);
    CHECK(f.transport.requestCount() == 0);
}

TEST_CASE("credentials that are not named or not there are CredentialsNotFound", "[sources][scm]") {
    Fixture f;
    f.spec().credentialsRef = "";
    CHECK(f.load().error().reason() == Reason::kCredentialsNotFound);
    CHECK_THAT(f.load().error().message(), CERTBINDER_CONTAINS("credentialsRef"));
    f.spec().credentialsRef = "missing";
    CHECK(f.load().error().reason() == Reason::kCredentialsNotFound);
    CHECK_THAT(f.load().error().message(), CERTBINDER_CONTAINS("web/missing"));
    f.spec().credentialsRef = "huawei";
    f.setCredentials({{"accessKeyID", "AK1"}});
    CHECK(f.load().error().reason() == Reason::kCredentialsInvalid);
    CHECK(f.transport.requestCount() == 0);
}

TEST_CASE("changed credentials take effect with the next load", "[sources][scm]") {
    Fixture f;
    REQUIRE(f.load());
    f.setCredentials({{"accessKeyID", "AK2"}, {"secretAccessKey", "SK2"}});
    REQUIRE(f.load());
    CHECK_THAT(test::headerOf(f.transport.requests().back(), "Authorization"), CERTBINDER_CONTAINS("Access=AK2,"));
}

TEST_CASE("changed credentials leave no key of the old account behind", "[sources][scm]") {
    Fixture f;
    const std::weak_ptr<const certificate::Bundle> before = f.load()->bundle;
    CHECK_FALSE(before.expired());
    f.setCredentials({{"accessKeyID", "AK2"}, {"secretAccessKey", "SK2"}});
    REQUIRE(f.load());
    CHECK(before.expired());
}

TEST_CASE("bindings of two namespaces with the same credentials share listing and export", "[sources][scm]") {
    Fixture f;
    REQUIRE(f.load());
    f.binding.metadata.key.ns = "other";
    REQUIRE(f.load());
    CHECK(f.cloud.count("ListCertificates") == 1);
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("user and password log in at the region's IAM, or where the settings say", "[sources][scm]") {
    Fixture f;
    f.setCredentials({{"userName", "reader"}, {"password", "pw"}, {"domainName", "example"}});
    REQUIRE(f.load());
    CHECK(f.transport.requests()[0].url ==
          "https://iam.ap-southeast-1.myhuaweicloud.com/v3/auth/tokens?nocatalog=true");

    Fixture moved;
    moved.settings.iamEndpoint = "http://127.0.0.1:9/";
    moved.setCredentials({{"userName", "reader"}, {"password", "pw"}, {"domainName", "example"}});
    REQUIRE(moved.load());
    CHECK(moved.transport.requests()[0].url == "http://127.0.0.1:9/v3/auth/tokens?nocatalog=true");
}

TEST_CASE("a pinned id and a project id are sent", "[sources][scm]") {
    Fixture f;
    f.spec().domain = "";
    f.spec().certificateID = "scs1";
    f.spec().projectID = "aa2d97d7";
    REQUIRE(f.load());
    CHECK(f.cloud.count("ListCertificates") == 0);
    CHECK(test::headerOf(f.transport.requests()[0], "X-Project-Id") == "aa2d97d7");
}

TEST_CASE("an id cannot lead to another path", "[sources][scm]") {
    Fixture f;
    f.spec().domain = "";
    f.spec().certificateID = "../../v3/x?y";
    CHECK(f.load().error().reason() == Reason::kNoMatchingCertificate);
    CHECK_THAT(f.transport.requests()[0].url, CERTBINDER_CONTAINS("/certificates/..%2F..%2Fv3%2Fx%3Fy"));
}

}  // namespace
}  // namespace certbinder::sources
