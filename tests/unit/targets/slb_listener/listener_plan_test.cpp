#include "targets/slb_listener/listener_plan.h"

#include "fixture.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::targets::slb;
using base::Reason;

namespace {

using Values = std::map<std::string, std::string>;

ListenerAttributes listenerWith(Values values) {
    ListenerAttributes attributes;
    attributes.status = "running";
    attributes.serverCertificateID = "old";
    attributes.values = std::move(values);
    return attributes;
}

Values sent(const Parameters& parameters) {
    Values all;
    for (const auto& [name, value] : parameters.all()) {
        all[name] = std::string(value.reveal());
    }
    return all;
}

Values echoed(Values values, const std::string& spec = "slb.s1.small") {
    Values all = sent(setParameters("lb-1", 443, listenerWith(std::move(values)), spec, "new"));
    CHECK(all["LoadBalancerId"] == "lb-1");
    CHECK(all["ListenerPort"] == "443");
    CHECK(all["ServerCertificateId"] == "new");
    for (const char* name : {"LoadBalancerId", "ListenerPort", "ServerCertificateId"}) {
        all.erase(name);
    }
    return all;
}

api::SlbListenerTarget validTarget() {
    api::SlbListenerTarget target;
    target.region = "cn-test";
    target.loadBalancerID = "lb-1";
    target.credentialsRef = "aliyun";
    return target;
}

document::Value object(std::initializer_list<std::pair<const char*, document::Value>> fields) {
    document::Value value(document::Object{});
    for (const auto& [name, field] : fields) {
        value.set(name, field);
    }
    return value;
}

}  // namespace

TEST_CASE("a change of the certificate sends back every setting that applies", "[slb][plan]") {
    struct Case {
        const char* what;
        Values described;
        Values echoed;
    };
    const Case cases[] = {
        {"plain settings are sent back, empty ones and unknown ones are not",
         {{"Bandwidth", "-1"}, {"Scheduler", "wrr"}, {"Description", ""}, {"SecurityStatus", "off"}, {"Gzip", "on"}},
         {{"Bandwidth", "-1"}, {"Scheduler", "wrr"}, {"Gzip", "on"}}},
        {"the backend port cannot be set", {{"BackendServerPort", "80"}}, {}},
        {"details of a health check that is off are left out",
         {{"HealthCheck", "off"}, {"HealthCheckURI", "/"}, {"HealthCheckDomain", "a.example"}},
         {{"HealthCheck", "off"}}},
        {"details of a health check that is on are sent back, the domain above all",
         {{"HealthCheck", "on"},
          {"HealthCheckURI", "/up"},
          {"HealthCheckDomain", "a.example"},
          {"HealthCheckConnectPort", "8080"},
          {"UnhealthyThreshold", "4"}},
         {{"HealthCheck", "on"},
          {"HealthCheckURI", "/up"},
          {"HealthCheckDomain", "a.example"},
          {"HealthCheckConnectPort", "8080"},
          {"UnhealthyThreshold", "4"}}},
        {"a check port that only means the backend's port is left out",
         {{"HealthCheck", "on"}, {"HealthCheckConnectPort", "-520"}},
         {{"HealthCheck", "on"}}},
        {"an inserted cookie has a timeout",
         {{"StickySession", "on"}, {"StickySessionType", "insert"}, {"CookieTimeout", "60"}, {"Cookie", "x"}},
         {{"StickySession", "on"}, {"StickySessionType", "insert"}, {"CookieTimeout", "60"}}},
        {"a server's cookie has a name",
         {{"StickySession", "on"}, {"StickySessionType", "server"}, {"CookieTimeout", "60"}, {"Cookie", "x"}},
         {{"StickySession", "on"}, {"StickySessionType", "server"}, {"Cookie", "x"}}},
        {"details of a sticky session that is off are left out",
         {{"StickySession", "off"}, {"StickySessionType", "insert"}, {"CookieTimeout", "60"}},
         {{"StickySession", "off"}}},
        {"a server group is switched on together with its id",
         {{"VServerGroupId", "rsp-1"}},
         {{"VServerGroup", "on"}, {"VServerGroupId", "rsp-1"}}},
        {"an access list is sent where it is on",
         {{"AclStatus", "on"}, {"AclType", "white"}, {"AclId", "acl-1"}},
         {{"AclStatus", "on"}, {"AclType", "white"}, {"AclId", "acl-1"}}},
        {"and not where it is off",
         {{"AclStatus", "off"}, {"AclType", "white"}, {"AclId", "acl-1"}},
         {{"AclStatus", "off"}}},
        {"headers and policies are sent back",
         {{"XForwardedFor", "on"}, {"XForwardedFor_proto", "on"}, {"TLSCipherPolicy", "tls_cipher_policy_1_2"}},
         {{"XForwardedFor", "on"}, {"XForwardedFor_proto", "on"}, {"TLSCipherPolicy", "tls_cipher_policy_1_2"}}},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        CHECK(echoed(c.described) == c.echoed);
    }
}

TEST_CASE("the old shared type of load balancer takes no TLS policy", "[slb][plan]") {
    CHECK(echoed({{"TLSCipherPolicy", "tls_cipher_policy_1_0"}, {"Gzip", "on"}}, "") == Values{{"Gzip", "on"}});
}

TEST_CASE("differences name each setting that changed, and not the certificate", "[slb][plan]") {
    const ListenerAttributes before =
        listenerWith({{"HealthCheck", "on"}, {"HealthCheckDomain", "a.example"}, {"Gzip", "on"}});
    ListenerAttributes after = before;
    after.serverCertificateID = "new";
    CHECK(differences(before, after).empty());
    after.values["HealthCheckDomain"] = "";
    after.values["IdleTimeout"] = "15";
    CHECK(differences(before, after) == std::vector<std::string>{"HealthCheckDomain was \"a.example\" and is \"\"",
                                                                 "IdleTimeout was not set and is \"15\""});
}

TEST_CASE("a listener is created as it is declared", "[slb][plan]") {
    api::SlbListenerTarget target = validTarget();
    target.listener =
        object({{"backendServerPort", 80},
                {"bandwidth", 6},
                {"tlsCipherPolicy", "tls_cipher_policy_1_2"},
                {"http2", true},
                {"gzip", false},
                {"healthCheck",
                 object({{"enabled", true}, {"uri", "/up"}, {"httpCodes", document::List{"http_2xx", "http_3xx"}}})},
                {"stickySession", object({{"enabled", true}, {"type", "insert"}, {"cookieTimeout", 60}})},
                {"xForwardedFor", object({{"proto", true}})}});
    const auto parameters = createParameters(target, "slb.s1.small", "cert");
    REQUIRE(parameters);
    CHECK(sent(*parameters) == Values{{"LoadBalancerId", "lb-1"},
                                      {"ListenerPort", "443"},
                                      {"ServerCertificateId", "cert"},
                                      {"Bandwidth", "6"},
                                      {"BackendServerPort", "80"},
                                      {"TLSCipherPolicy", "tls_cipher_policy_1_2"},
                                      {"EnableHttp2", "on"},
                                      {"Gzip", "off"},
                                      {"HealthCheck", "on"},
                                      {"HealthCheckURI", "/up"},
                                      {"HealthCheckHttpCode", "http_2xx,http_3xx"},
                                      {"StickySession", "on"},
                                      {"StickySessionType", "insert"},
                                      {"CookieTimeout", "60"},
                                      {"XForwardedFor_proto", "on"}});
}

TEST_CASE("what a listener's declaration does not say is off or without limit", "[slb][plan]") {
    api::SlbListenerTarget target = validTarget();
    target.listener = object({{"vServerGroupID", "rsp-1"}, {"tlsCipherPolicy", "tls_cipher_policy_1_2"}});
    const auto parameters = createParameters(target, "", "cert");
    REQUIRE(parameters);
    CHECK(sent(*parameters) == Values{{"LoadBalancerId", "lb-1"},
                                      {"ListenerPort", "443"},
                                      {"ServerCertificateId", "cert"},
                                      {"Bandwidth", "-1"},
                                      {"VServerGroupId", "rsp-1"},
                                      {"HealthCheck", "off"},
                                      {"StickySession", "off"}});
}

TEST_CASE("an upload is found by either fingerprint, the one in use first, then an own one, never a purchase",
          "[slb][plan]") {
    const certificate::CertificateInfo wanted = test::makePair("shop.example.com").leaf;
    const auto entry = [&](const char* id, const std::string& fingerprint, bool own, bool bought) {
        ServerCertificate certificate;
        certificate.id = id;
        certificate.fingerprint = fingerprint;
        certificate.bought = bought;
        if (own) {
            certificate.tags[kManagedTag] = "true";
        }
        return certificate;
    };
    const std::vector<ServerCertificate> store{
        entry("other", std::string(40, 'a'), true, false), entry("bought", wanted.fingerprintSHA1, false, true),
        entry("by-hand", wanted.fingerprintSHA256, false, false), entry("own", wanted.fingerprintSHA1, true, false)};
    const auto found = [&](const std::string& inUse) {
        const ServerCertificate* upload = findUpload(store, wanted, inUse);
        return upload == nullptr ? std::string() : upload->id;
    };
    CHECK(found("") == "own");
    CHECK(found("other") == "own");
    CHECK(found("by-hand") == "by-hand");
    CHECK(found("bought") == "bought");
    CHECK(findUpload({store[0], store[1]}, wanted, "") == nullptr);
}

TEST_CASE("what is deployed is told by tags where they are ours, and by the upload's time otherwise", "[slb][plan]") {
    const certificate::CertificateInfo wanted = test::makePair("shop.example.com").leaf;
    const certificate::CertificateInfo other = test::makePair("shop.example.com", 1).leaf;
    ServerCertificate entry;
    entry.fingerprint = other.fingerprintSHA1;
    entry.created = base::WallTime(std::chrono::seconds(1'000'000));
    entry.notAfter = other.notAfter;

    targets::Held held = heldOf(entry, wanted);
    CHECK(held.fingerprintSHA256.empty());
    CHECK(held.fingerprintSHA1 == other.fingerprintSHA1);
    CHECK(held.notBefore == entry.created);
    CHECK_FALSE(held.is(wanted));

    entry.tags = uploadTags(other);
    held = heldOf(entry, wanted);
    CHECK(held.fingerprintSHA256 == other.fingerprintSHA256);
    CHECK(held.notBefore == std::optional(other.notBefore));

    SECTION("a tag that contradicts the service's fingerprint is not believed") {
        entry.tags = uploadTags(wanted);
        CHECK(heldOf(entry, wanted).fingerprintSHA256.empty());
        CHECK_FALSE(heldOf(entry, wanted).is(wanted));
    }
    SECTION("the wanted certificate lends its own details") {
        entry.fingerprint = wanted.fingerprintSHA1;
        entry.tags.clear();
        CHECK(heldOf(entry, wanted).fingerprintSHA256 == wanted.fingerprintSHA256);
    }
}

TEST_CASE("the probe goes where clients go", "[slb][plan]") {
    const certificate::CertificateInfo wanted = test::makePair("shop.example.com").leaf;
    api::SlbListenerTarget target = validTarget();
    target.port = 8443;

    CHECK_FALSE(probePlace(target, "", wanted));
    auto place = probePlace(target, "203.0.113.7", wanted);
    REQUIRE(place);
    CHECK(place->address == "203.0.113.7");
    CHECK(place->port == 8443);
    CHECK(place->serverName == "shop.example.com");

    target.serverName = "*.shop.example";
    place = probePlace(target, "203.0.113.7", wanted);
    REQUIRE(place);
    CHECK(place->serverName.find('*') == std::string::npos);
    CHECK_THAT(place->serverName, CERTBINDER_CONTAINS(".shop.example"));

    target.probe = api::ProbeSpec();
    target.probe->address = "10.0.0.9";
    target.probe->serverName = "asked.example";
    place = probePlace(target, "203.0.113.7", wanted);
    REQUIRE(place);
    CHECK(place->address == "10.0.0.9");
    CHECK(place->port == 443);
    CHECK(place->serverName == "asked.example");

    target.probe->enabled = false;
    CHECK_FALSE(probePlace(target, "203.0.113.7", wanted));
}

TEST_CASE("the spec's mistakes are named by their field", "[slb][plan]") {
    CHECK_FALSE(checkTarget(validTarget()));
    const auto wrong = [](auto change) {
        api::SlbListenerTarget target = validTarget();
        change(target);
        const auto error = checkTarget(target);
        REQUIRE(error);
        return *error;
    };
    using T = api::SlbListenerTarget;
    CHECK_THAT(wrong([](T& t) {
                   t.loadBalancer = object({{"name", "x"}});
               }).message(),
               CERTBINDER_CONTAINS(".loadBalancer:"));
    CHECK_THAT(wrong([](T& t) { t.roleARN = "acs:ram::1:role/x"; }).message(), CERTBINDER_CONTAINS(".roleARN:"));
    CHECK_THAT(wrong([](T& t) { t.region = "evil.example/"; }).message(), CERTBINDER_CONTAINS(".region:"));
    CHECK_THAT(wrong([](T& t) { t.loadBalancerID = ""; }).message(), CERTBINDER_CONTAINS(".loadBalancerID:"));
    CHECK_THAT(wrong([](T& t) { t.endpoint = "http://slb.example"; }).message(), CERTBINDER_CONTAINS(".endpoint"));
    CHECK_THAT(wrong([](T& t) {
                   t.listener = object({{"bandwidth", 6}});
               }).message(),
               CERTBINDER_CONTAINS("backendServerPort"));
    for (const char* name : {"a b", "-a.example", "*", "a.*.example", "a..example", "x/y", "ä.example"}) {
        INFO(name);
        CHECK_THAT(wrong([&](T& t) { t.serverName = name; }).message(), CERTBINDER_CONTAINS(".serverName:"));
    }
    CHECK(wrong([](T& t) { t.credentialsRef = ""; }).reason() == Reason::kCredentialsNotFound);
}

TEST_CASE("the endpoint is the override, the region's host, or the central one where a region has none",
          "[slb][plan]") {
    api::SlbListenerTarget target = validTarget();
    target.region = "cn-beijing";
    CHECK(endpointURL(target) == "https://slb.cn-beijing.aliyuncs.com/");
    target.region = "cn-shanghai-finance-1";
    CHECK(endpointURL(target) == "https://slb.aliyuncs.com/");
    target.endpoint = "http://127.0.0.1:8080";
    CHECK(endpointURL(target) == "http://127.0.0.1:8080/");
}
