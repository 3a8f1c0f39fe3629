#include "api/certificate_binding.h"

#include <string>
#include <vector>

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using Names = std::vector<std::string>;

TEST_CASE("a binding is Ready when that was found for the spec as it is now", "[api]") {
    api::CertificateBinding binding = test::nginxBinding({"a"});
    CHECK_FALSE(binding.isReady());
    binding.status.conditions = {{"Ready", api::ConditionStatus::kTrue, base::Reason::kInSync, "", {}, 1}};
    binding.status.observedGeneration = 1;
    CHECK(binding.isReady());
    binding.metadata.generation = 2;
    CHECK_FALSE(binding.isReady());
    binding.status.observedGeneration = 2;
    binding.status.conditions[0].status = api::ConditionStatus::kUnknown;
    CHECK_FALSE(binding.isReady());
}

TEST_CASE("the Secrets of a spec are known, each once", "[api]") {
    api::Spec spec = test::nginxBinding({"a"}).spec;
    CHECK(api::sourceSecret(spec) == "shop-tls");
    CHECK(api::referencedSecrets(spec) == Names{"shop-tls", "web-ssh"});
    auto& nginx = std::get<api::NginxTarget>(spec.target);
    nginx.ssh.jumpHost = api::JumpHost{"jump", 22, "root", "web-ssh"};
    CHECK(api::targetSecrets(spec) == Names{"web-ssh"});
    nginx.ssh.jumpHost->credentialsRef = "jump-ssh";
    CHECK(api::targetSecrets(spec) == Names{"web-ssh", "jump-ssh"});
    api::HuaweiScmSource scm;
    spec.source = scm;
    CHECK(api::sourceSecret(spec).empty());
    scm.credentialsRef = "cloud";
    spec.source = scm;
    api::SlbListenerTarget slb;
    slb.credentialsRef = "cloud";
    spec.target = slb;
    CHECK(api::referencedSecrets(spec) == Names{"cloud"});
    CHECK(api::targetSecrets(spec) == Names{"cloud"});
    spec.target = api::SlbListenerTarget{};
    CHECK(api::targetSecrets(spec).empty());
}

TEST_CASE("a target is described in a few words", "[api]") {
    CHECK(api::describeTarget(test::nginxBinding({"10.0.0.4"}).spec) == "nginx 10.0.0.4");
    CHECK(api::describeTarget(test::nginxBinding({"a", "b", "c"}).spec) == "nginx 3 hosts");
    api::Spec spec;
    api::SlbListenerTarget slb;
    slb.loadBalancerID = "lb-1";
    spec.target = slb;
    CHECK(api::describeTarget(spec) == "lb-1:443");
    slb.serverName = "shop.example.com";
    spec.target = slb;
    CHECK(api::describeTarget(spec) == "lb-1:443/shop.example.com");
}

TEST_CASE("the words of statuses and states are those of the contract", "[api]") {
    CHECK(toString(api::ConditionStatus::kTrue) == "True");
    CHECK(toString(api::ConditionStatus::kFalse) == "False");
    CHECK(toString(api::ConditionStatus::kUnknown) == "Unknown");
    Names states;
    for (const auto state :
         {api::EndpointState::kPending, api::EndpointState::kDeploying, api::EndpointState::kInSync,
          api::EndpointState::kDrifted, api::EndpointState::kFailed, api::EndpointState::kRolledBack}) {
        states.emplace_back(toString(state));
    }
    CHECK(states == Names{"Pending", "Deploying", "InSync", "Drifted", "Failed", "RolledBack"});
}
