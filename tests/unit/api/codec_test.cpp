#include "api/codec.h"

#include "base/time_text.h"
#include "document/json.h"
#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;

namespace {

document::Value json(const char* text) {
    auto value = document::parseJson(text);
    REQUIRE(value.has_value());
    return *value;
}

api::Spec spec(const char* text) {
    return api::decodeSpec(json(text));
}

}  // namespace

TEST_CASE("an nginx spec is read", "[api][codec]") {
    const api::Spec read = spec(R"({
        "source": {"secret": {"name": "shop-tls"}},
        "target": {"nginx": {
            "hosts": [{"address": "10.0.0.4"}, {"address": "fd00::1", "port": 2222}],
            "ssh": {"user": "deploy", "credentialsRef": {"name": "web-ssh"},
                    "jumpHost": {"address": "jump", "credentialsRef": {"name": "jump-ssh"}}},
            "sudo": true,
            "certificatePath": "/c.pem", "privateKeyPath": "/k.key",
            "testCommand": ["openresty", "-t"], "reloadCommand": ["systemctl", "reload", "openresty"],
            "probe": {"port": 8443, "serverName": "shop.example.com", "timeout": "2s"},
            "rollout": {"canary": 2, "maxConcurrent": 3}}},
        "checkInterval": "1h30m", "trust": {"caBundleRef": {"name": "ca"}},
        "allowDowngrade": true, "deletionPolicy": "Delete", "suspend": true})");
    CHECK(std::get<api::SecretSource>(read.source).name == "shop-tls");
    const auto& nginx = std::get<api::NginxTarget>(read.target);
    REQUIRE(nginx.hosts.size() == 2);
    CHECK(nginx.hosts[0].port == 22);
    CHECK(nginx.hosts[1].address == "fd00::1");
    CHECK(nginx.hosts[1].port == 2222);
    CHECK(nginx.ssh.user == "deploy");
    CHECK(nginx.ssh.credentialsRef == "web-ssh");
    REQUIRE(nginx.ssh.jumpHost.has_value());
    CHECK(nginx.ssh.jumpHost->user == "deploy");
    CHECK(nginx.ssh.jumpHost->port == 22);
    CHECK(nginx.ssh.jumpHost->credentialsRef == "jump-ssh");
    CHECK(nginx.sudo);
    CHECK(nginx.certificatePath == "/c.pem");
    CHECK(nginx.privateKeyPath == "/k.key");
    CHECK(nginx.testCommand == std::vector<std::string>{"openresty", "-t"});
    CHECK(nginx.reloadCommand == std::vector<std::string>{"systemctl", "reload", "openresty"});
    CHECK(nginx.probe.port == 8443);
    CHECK(nginx.probe.timeout == 2s);
    CHECK(nginx.rollout.canary == 2);
    CHECK(nginx.rollout.maxConcurrent.value == 3);
    CHECK_FALSE(nginx.rollout.maxConcurrent.percent);
    CHECK(read.checkInterval == 90min);
    CHECK(read.trustBundleRef == "ca");
    CHECK(read.allowDowngrade);
    CHECK(read.deletionPolicy == api::DeletionPolicy::kDelete);
    CHECK(read.suspend);
}

TEST_CASE("what is left out has the contract's defaults", "[api][codec]") {
    const api::Spec read = spec(R"({"source": {"secret": {"name": "s"}}, "target": {"nginx": {"hosts": []}}})");
    const auto& nginx = std::get<api::NginxTarget>(read.target);
    CHECK(nginx.ssh.user == "root");
    CHECK_FALSE(nginx.ssh.jumpHost.has_value());
    CHECK_FALSE(nginx.sudo);
    CHECK(nginx.testCommand == std::vector<std::string>{"nginx", "-t"});
    CHECK(nginx.reloadCommand == std::vector<std::string>{"nginx", "-s", "reload"});
    CHECK(nginx.probe.enabled);
    CHECK(nginx.probe.port == 443);
    CHECK(nginx.probe.timeout == 10s);
    CHECK(nginx.rollout.canary == 1);
    CHECK(nginx.rollout.maxConcurrent.value == 25);
    CHECK(nginx.rollout.maxConcurrent.percent);
    CHECK(read.checkInterval == 10min);
    CHECK_FALSE(read.allowDowngrade);
    CHECK(read.deletionPolicy == api::DeletionPolicy::kRetain);
    CHECK_FALSE(read.suspend);
}

TEST_CASE("a host's own probe takes what it leaves out from the probe of all", "[api][codec]") {
    const api::Spec read = spec(R"({"target": {"nginx": {
        "hosts": [{"address": "a", "probe": {"port": 9443}}, {"address": "b", "probe": {"enabled": false}}, {"address": "c"}],
        "probe": {"port": 8443, "serverName": "shop.example.com", "timeout": "2s"}}}})");
    const auto& hosts = std::get<api::NginxTarget>(read.target).hosts;
    REQUIRE(hosts[0].probe.has_value());
    CHECK(hosts[0].probe->port == 9443);
    CHECK(hosts[0].probe->serverName == "shop.example.com");
    CHECK(hosts[0].probe->timeout == 2s);
    CHECK(hosts[0].probe->enabled);
    CHECK_FALSE(hosts[1].probe->enabled);
    CHECK_FALSE(hosts[2].probe.has_value());
}

TEST_CASE("an SLB and SCM spec is read", "[api][codec]") {
    const api::Spec read = spec(R"({
        "source": {"huaweiSCM": {"region": "ap-southeast-1", "domain": "shop.example.com", "certificateID": "scs1",
                   "enterpriseProjectID": "0", "credentialsRef": {"name": "huawei"}, "endpoint": "https://scm"}},
        "target": {"slbListener": {"region": "cn-x", "loadBalancerID": "lb-1", "port": 8443, "serverName": "shop.example.com",
                   "listener": {"bandwidth": 6}, "loadBalancer": {"name": "SLB1"}, "probe": {"address": "1.2.3.4"},
                   "credentialsRef": {"name": "aliyun"}, "roleARN": "acs:ram::1", "endpoint": "https://slb"}}})");
    const auto& scm = std::get<api::HuaweiScmSource>(read.source);
    CHECK(scm.region == "ap-southeast-1");
    CHECK(scm.domain == "shop.example.com");
    CHECK(scm.certificateID == "scs1");
    CHECK(scm.enterpriseProjectID == "0");
    CHECK(scm.credentialsRef == "huawei");
    CHECK(scm.endpoint == "https://scm");
    const auto& slb = std::get<api::SlbListenerTarget>(read.target);
    CHECK(slb.region == "cn-x");
    CHECK(slb.loadBalancerID == "lb-1");
    CHECK(slb.port == 8443);
    CHECK(slb.serverName == "shop.example.com");
    CHECK((*slb.listener)["bandwidth"].asInteger() == 6);
    CHECK((*slb.loadBalancer)["name"].asString() == "SLB1");
    CHECK(slb.probe->address == "1.2.3.4");
    CHECK(slb.probe->port == 8443);  // where clients go
    CHECK(slb.credentialsRef == "aliyun");
    CHECK(slb.roleARN == "acs:ram::1");
    CHECK(slb.endpoint == "https://slb");
    CHECK_FALSE(std::get<api::SlbListenerTarget>(spec(R"({"target": {"slbListener": {}}})").target).probe.has_value());
}

TEST_CASE("values of wrong types read as absent and crash nothing", "[api][codec]") {
    const api::CertificateBinding read = api::decodeBinding(json(R"({
        "metadata": {"name": 1, "generation": "x", "labels": [], "creationTimestamp": "yesterday"},
        "spec": {"source": [], "target": {"nginx": {"hosts": {"address": 1}, "probe": {"port": 70000, "timeout": "soon"},
                 "rollout": {"maxConcurrent": "many"}, "testCommand": "nginx -t"}}, "checkInterval": 5},
        "status": {"conditions": [{"status": "Maybe", "reason": "Whim"}, 3], "endpoints": "none"}})"));
    CHECK(read.metadata.key.name.empty());
    CHECK(read.metadata.generation == 1);
    CHECK_FALSE(read.metadata.creationTimestamp.has_value());
    const auto& nginx = std::get<api::NginxTarget>(read.spec.target);
    CHECK(nginx.hosts.empty());
    CHECK(nginx.probe.port == 443);
    CHECK(nginx.probe.timeout == 10s);
    CHECK(nginx.rollout.maxConcurrent.percent);
    CHECK(nginx.testCommand.size() == 2);
    CHECK(read.spec.checkInterval == 10min);
    REQUIRE(read.status.conditions.size() == 2);
    CHECK(read.status.conditions[0].status == api::ConditionStatus::kUnknown);
    CHECK_NOTHROW(api::decodeBinding(json("[]")));
    CHECK_NOTHROW(api::decodeBinding(json("null")));
}

TEST_CASE("metadata is read", "[api][codec]") {
    const api::Metadata read =
        api::decodeMetadata(json(R"({"namespace": "shop", "name": "web", "uid": "u", "generation": 3,
        "resourceVersion": "7", "creationTimestamp": "2026-11-22T08:00:00Z", "deletionTimestamp": "2026-11-22T09:00:00Z",
        "labels": {"a": "b"}, "annotations": {"certbinder.io/reconcile-at": "now"}, "finalizers": ["f"]})"));
    CHECK(read.key.toString() == "shop/web");
    CHECK(read.uid == "u");
    CHECK(read.generation == 3);
    CHECK(read.resourceVersion == "7");
    CHECK(read.creationTimestamp == base::parseTime("2026-11-22T08:00:00Z"));
    CHECK(read.deletionTimestamp == base::parseTime("2026-11-22T09:00:00Z"));
    CHECK(read.labels.at("a") == "b");
    CHECK(read.annotations.at(api::kReconcileAnnotation) == "now");
    CHECK(read.finalizers == std::vector<std::string>{"f"});
}

TEST_CASE("a status is written and read back the same", "[api][codec]") {
    const base::WallTime now = *base::parseTime("2026-11-22T08:00:00Z");
    api::Status status;
    status.observedGeneration = 3;
    status.conditions = {{"Ready", api::ConditionStatus::kFalse, base::Reason::kRolloutHalted, "halted: ü", now, 3},
                         {"Served", api::ConditionStatus::kUnknown, base::Reason::kProbeDisabled, "off", now, 3}};
    status.target = "nginx 2 hosts";
    status.inSync = "1/2";
    status.certificate =
        api::CertificateStatus{"scs1", test::fingerprintOf('a'), "0A", "CN=CA", {"x.example.com"}, now, now};
    status.loadBalancerID = "lb-1";
    status.serverCertificateID = "cert-1";
    status.endpoints = {
        {"a:22", api::EndpointState::kRolledBack, base::Reason::kConfigTestFailed, "f1", "f2", now, now, now, "m"},
        {"b:22", api::EndpointState::kPending, {}, "", "", {}, {}, now, ""}};
    status.lastHandledReconcileAt = "now";
    const document::Value written = api::encodeStatus(status);
    CHECK(api::decodeStatus(written) == status);
    // Through text too, as a state file or the API server keep it.
    CHECK(api::decodeStatus(*document::parseJson(document::toJson(written))) == status);
    CHECK(written["endpoints"].asList()[1].find("message") == nullptr);
    CHECK(written["endpoints"].asList()[1].find("lastDeployTime") == nullptr);
}

TEST_CASE("an empty status is an object without empty fields", "[api][codec]") {
    CHECK(document::toJson(api::encodeStatus({})) == R"({"observedGeneration":0,"conditions":[]})");
}
