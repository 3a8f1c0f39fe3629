#include "cli/output.h"

#include <functional>
#include <string>
#include <vector>

#include "base/time_text.h"
#include "document/json.h"
#include "document/yaml.h"
#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
using cli::Output;
using cli::Shown;

namespace {

const base::WallTime kNow = *base::parseTime("2026-11-22T08:00:00Z");

Shown shown(const std::function<void(api::CertificateBinding&)>& change = {}) {
    api::CertificateBinding binding = test::nginxBinding({"10.0.0.4"});
    binding.metadata.generation = 3;
    binding.metadata.creationTimestamp = kNow - 24h * 47;
    binding.status.observedGeneration = 3;
    binding.status.inSync = "1/1";
    binding.status.conditions = {{"Ready", api::ConditionStatus::kTrue, base::Reason::kInSync, "fine", kNow, 3}};
    binding.status.certificate = api::CertificateStatus{};
    binding.status.certificate->notAfter = *base::parseTime("2027-01-20T00:00:00Z");
    api::EndpointStatus endpoint;
    endpoint.name = "10.0.0.4:22";
    endpoint.state = api::EndpointState::kInSync;
    endpoint.deployedFingerprintSHA256 = endpoint.servedFingerprintSHA256 = test::fingerprintOf('b');
    binding.status.endpoints = {endpoint};
    if (change) {
        change(binding);
    }
    document::Value metadata;
    metadata.set("name", "shop");
    document::Value spec;
    spec.set("suspend", false);
    document::Value manifest;
    manifest.set("metadata", metadata);
    manifest.set("spec", spec);
    return {std::make_shared<const api::CertificateBinding>(binding),
            std::make_shared<const document::Value>(manifest)};
}

}  // namespace

TEST_CASE("a table's columns are as wide as their widest cell, in characters", "[cli][output]") {
    cli::Table table({"NAME", "VALUE"});
    CHECK(table.empty());
    table.add({"ü", "1"});
    table.add({"longer", ""});
    CHECK_FALSE(table.empty());
    CHECK(table.toString() ==
          "NAME     VALUE\n"
          "ü        1\n"
          "longer\n");
}

TEST_CASE("the table shows what kubectl get cb shows, and the endpoints", "[cli][output]") {
    CHECK(cli::showBindings({shown()}, Output::kTable, kNow) ==
          "NAMESPACE   NAME   READY   REASON   TARGET           IN SYNC   EXPIRES                AGE\n"
          "default     shop   True    InSync   nginx 10.0.0.4   1/1       2027-01-20T00:00:00Z   47d\n"
          "\n"
          "BINDING        ENDPOINT      STATE    DEPLOYED           SERVED             MESSAGE\n"
          "default/shop   10.0.0.4:22   InSync   bbbbbbbbbbbbbbbb   bbbbbbbbbbbbbbbb\n");
}

TEST_CASE("a binding that nothing is known of has a row of dashes", "[cli][output]") {
    CHECK(cli::showBindings({shown([](auto& binding) { binding.status = {}; })}, Output::kTable, kNow) ==
          "NAMESPACE   NAME   READY     REASON   TARGET           IN SYNC   EXPIRES   AGE\n"
          "default     shop   Unknown   -        nginx 10.0.0.4   -         -         47d\n");
}

TEST_CASE("a binding that fails before its endpoints are seen says why, in one line", "[cli][output]") {
    const std::string text = cli::showBindings({shown([](auto& binding) {
                                                   binding.status.endpoints.clear();
                                                   binding.status.conditions[0].status = api::ConditionStatus::kFalse;
                                                   binding.status.conditions[0].message = "no\nSecret \x1b[31m";
                                               })},
                                               Output::kTable, kNow);
    CHECK_THAT(text, CERTBINDER_CONTAINS("default/shop   -") && CERTBINDER_CONTAINS("no\\nSecret"));
    CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("structured output is a v1 List of whole bindings", "[cli][output]") {
    const std::string json = cli::showBindings({shown()}, Output::kJson, kNow);
    CHECK(json.back() == '\n');
    const auto list = document::parseJson(json);
    REQUIRE(list.has_value());
    CHECK((*list)["apiVersion"].asString() == "v1");
    CHECK((*list)["kind"].asString() == "List");
    REQUIRE((*list)["items"].asList().size() == 1);
    const document::Value& item = (*list)["items"].asList()[0];
    CHECK(item["apiVersion"].asString() == "certbinder.io/v1alpha1");
    CHECK(item["kind"].asString() == "CertificateBinding");
    CHECK(item["metadata"]["namespace"].asString() == "default");
    CHECK(item["metadata"]["name"].asString() == "shop");
    CHECK(item["metadata"]["generation"].asInteger() == 3);
    CHECK(item["metadata"]["creationTimestamp"].asString() == base::formatTime(kNow - 24h * 47));
    CHECK(item["spec"].find("suspend") != nullptr);
    CHECK(item["status"]["inSync"].asString() == "1/1");
    CHECK(item["status"]["conditions"].asList()[0]["type"].asString() == "Ready");
    const auto yaml = document::parseYaml(cli::showBindings({shown()}, Output::kYaml, kNow));
    REQUIRE(yaml.documents.size() == 1);
    CHECK(yaml.documents[0] == *list);
}

TEST_CASE("no bindings make an empty List and a lone heading", "[cli][output]") {
    const auto list = document::parseJson(cli::showBindings({}, Output::kJson, kNow));
    REQUIRE(list.has_value());
    CHECK((*list)["items"].isList());
    CHECK(cli::showBindings({}, Output::kTable, kNow).find('\n') ==
          cli::showBindings({}, Output::kTable, kNow).size() - 1);
    CHECK(cli::showBindings({}, Output::kName, kNow).empty());
}

TEST_CASE("names are those that kubectl prints", "[cli][output]") {
    CHECK(cli::showBindings({shown(), shown()}, Output::kName, kNow) ==
          "certificatebinding.certbinder.io/shop\ncertificatebinding.certbinder.io/shop\n");
}
