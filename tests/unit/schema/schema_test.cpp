#include "schema/schema.h"

#include <fstream>
#include <sstream>

#include "document/json.h"
#include "support/test.h"

using namespace certbinder;
using document::Fault;
using document::Value;
using schema::Schema;

namespace {

std::string fileText(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// A CRD whose objects have the given schema as their spec.
std::string crdWith(const std::string& spec) {
    return "spec:\n  group: example.com\n  names: {kind: Thing}\n  versions:\n  - name: v1\n    schema:\n      "
           "openAPIV3Schema:\n"
           "        type: object\n        properties:\n          spec: " +
           spec + "\n";
}

/// Faults of a Thing with that spec (in JSON), `path: message`, and the spec after defaulting.
struct Checked {
    std::vector<std::string> faults;
    std::string spec;
};

Checked check(const std::string& schemaOfSpec, const std::string& spec) {
    const auto made = Schema::ofCrd(crdWith(schemaOfSpec));
    INFO(schemaOfSpec << (made ? "" : made.error().message()));
    REQUIRE(made.has_value());
    Value object = *document::parseJson(
        R"({"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"x"},"spec":)" + spec + "}");
    Checked checked;
    for (const Fault& fault : (*made)->defaultAndValidate(object)) {
        checked.faults.push_back(fault.path + ": " + fault.message);
    }
    checked.spec = document::toJson(object["spec"]);
    return checked;
}

std::string refusal(const std::string& schemaOfSpec) {
    const auto made = Schema::ofCrd(crdWith(schemaOfSpec));
    return made ? "" : made.error().message();
}

Value smallest() {
    return document::parseYaml(
               "apiVersion: certbinder.io/v1alpha1\nkind: CertificateBinding\nmetadata: {name: a}\nspec:\n  source: "
               "{secret: {name: b}}\n"
               "  target:\n    nginx:\n      hosts: [{address: h}]\n      ssh: {credentialsRef: {name: c}}\n"
               "      certificatePath: /a/b\n      privateKeyPath: /a/c\n")
        .documents.at(0);
}

}  // namespace

TEST_CASE("the built-in CRD is the file, and every keyword, pattern and rule of it is understood", "[schema]") {
    const std::string file =
        fileText(std::string(CERTBINDER_SOURCE_DIR) + "/crds/certificatebindings.certbinder.io.yaml");
    CHECK(schema::certificateBindingCrd() == file);
    const auto made = Schema::ofCrd(file);
    INFO((made ? "" : made.error().message()));
    REQUIRE(made.has_value());
    Value object = smallest();
    CHECK(Schema::certificateBinding().defaultAndValidate(object).empty());
}

TEST_CASE("the defaults of a binding are the documented ones", "[schema]") {
    Value object = smallest();
    REQUIRE(Schema::certificateBinding().defaultAndValidate(object).empty());
    const Value& spec = object["spec"];
    CHECK(spec["checkInterval"] == "10m");
    CHECK(spec["allowDowngrade"] == false);
    CHECK(spec["deletionPolicy"] == "Retain");
    CHECK(spec["suspend"] == false);
    CHECK(spec["trust"].isNull());
    const Value& nginx = spec["target"]["nginx"];
    CHECK(document::toJson(nginx["hosts"]) == R"([{"address":"h","port":22}])");
    CHECK(nginx["ssh"]["user"] == "root");
    CHECK(nginx["sudo"] == false);
    CHECK(document::toJson(nginx["testCommand"]) == R"(["nginx","-t"])");
    CHECK(document::toJson(nginx["reloadCommand"]) == R"(["nginx","-s","reload"])");
    CHECK(document::toJson(nginx["probe"]) == R"({"enabled":true,"port":443,"timeout":"10s"})");
    CHECK(document::toJson(nginx["rollout"]) == R"({"canary":1,"maxConcurrent":"25%"})");
}

TEST_CASE("the defaults of a listener are the documented ones, and appear only where there is one", "[schema]") {
    Value object = smallest();
    const auto listener = document::parseJson(
        R"({"slbListener":{"region":"cn-x","loadBalancerID":"lb-1","port":443,"listener":{"backendServerPort":80}}})");
    object.find("spec")->set("target", *listener);
    REQUIRE(Schema::certificateBinding().defaultAndValidate(object).empty());
    const Value& made = object["spec"]["target"]["slbListener"];
    CHECK(made["serverName"] == "");
    CHECK(made["probe"].isNull());
    CHECK(made["listener"]["bandwidth"] == -1);
    CHECK(made["listener"]["scheduler"] == "wrr");
    CHECK(made["listener"]["healthCheck"]["enabled"] == false);
    CHECK(made["listener"]["stickySession"] == Value(document::Object{{"enabled", false, {}}}));
    CHECK(made["listener"]["tlsCipherPolicy"] == "tls_cipher_policy_1_2");
    CHECK(made["listener"]["http2"] == true);
    object.find("spec")->find("target")->find("slbListener")->remove("listener");
    REQUIRE(Schema::certificateBinding().defaultAndValidate(object).empty());
    CHECK(object["spec"]["target"]["slbListener"]["listener"].isNull());
}

TEST_CASE("a binding with its defaults is checked again without change", "[schema]") {
    Value object = smallest();
    REQUIRE(Schema::certificateBinding().defaultAndValidate(object).empty());
    Value again = object;
    CHECK(Schema::certificateBinding().defaultAndValidate(again).empty());
    CHECK(again == object);
}

TEST_CASE("defaults reach into what a default has put in, and into items", "[schema]") {
    const std::string schema =
        "{type: object, properties: {a: {type: object, default: {}, properties: {b: {type: integer, default: 7}}}, "
        "l: {type: array, items: {type: object, properties: {c: {type: string, default: x}}}}, "
        "m: {type: object, additionalProperties: {type: object, properties: {d: {type: boolean, default: true}}}}, "
        "n: {type: string, nullable: true, default: y}, w: {type: integer}}}";
    CHECK(check(schema, R"({"l":[{},{"c":"z"}],"m":{"k":{}},"n":null,"w":3.0})").spec ==
          R"({"l":[{"c":"x"},{"c":"z"}],"m":{"k":{"d":true}},"n":null,"w":3,"a":{"b":7}})");
    CHECK(check(schema, R"({"a":null})").spec == R"({"a":{"b":7},"n":"y"})");
    CHECK(check(schema, R"({"a":"wrong"})").spec == R"({"a":"wrong","n":"y"})");
}

TEST_CASE("rules are located at their object or at the field they blame, and those that look back are passed over",
          "[schema]") {
    const std::string rules =
        "{type: object, properties: {a: {type: integer}, b: {type: integer}}, x-kubernetes-validations: ["
        "{rule: self.a < self.b, message: a is below b, fieldPath: .a}, {rule: self.a == oldSelf.a, message: never}]}";
    const Checked checked = check(rules, R"({"a":2,"b":1})");
    REQUIRE(checked.faults.size() == 1);
    CHECK(checked.faults[0] == "spec.a: a is below b");
    CHECK(check(rules, R"({"a":1,"b":2})").faults.empty());
    const Checked failing = check(rules, R"({"a":1})");
    REQUIRE(failing.faults.size() == 1);
    CHECK(failing.faults[0] == "spec.a: a is below b (no such field: b)");
    // Where the object is wrong anyway, a rule that cannot be evaluated adds nothing.
    CHECK(check(rules, R"({"a":"x","b":2})").faults ==
          std::vector<std::string>{"spec.a: must be an integer, not \"x\""});
}

TEST_CASE("a schema that is not understood in full is refused", "[schema]") {
    CHECK_THAT(refusal("{type: object, oneOf: []}"), CERTBINDER_CONTAINS("the keyword oneOf is not known"));
    CHECK_THAT(refusal("{type: object, x-kubernetes-preserve-unknown-fields: true}"), CERTBINDER_CONTAINS("not known"));
    CHECK_THAT(refusal("{type: text}"), CERTBINDER_CONTAINS("the type text is not known"));
    CHECK_THAT(refusal("{type: string, format: ipv4}"), CERTBINDER_CONTAINS("the keyword format is not known"));
    CHECK_THAT(refusal("{type: string, pattern: '\\d'}"), CERTBINDER_CONTAINS("the pattern \\d"));
    CHECK_THAT(refusal("{type: object, x-kubernetes-validations: [{rule: 'self.', message: m}]}"),
               CERTBINDER_CONTAINS("the rule `self.`"));
    CHECK_THAT(refusal("{type: object, x-kubernetes-validations: [{rule: has(self.typo), message: m}]}"),
               CERTBINDER_CONTAINS("reads the field typo, which does not exist"));
    CHECK_THAT(refusal("{type: object, x-kubernetes-validations: [{rule: 'true'}]}"),
               CERTBINDER_CONTAINS("no message"));
    CHECK_THAT(refusal("{type: object, x-kubernetes-validations: [{rule: 'true', messageExpression: x, message: m}]}"),
               CERTBINDER_CONTAINS("messageExpression"));
    CHECK_FALSE(Schema::ofCrd("a: [").has_value());
    CHECK_FALSE(Schema::ofCrd("").has_value());
    CHECK_FALSE(Schema::ofCrd("spec: {versions: []}").has_value());
}

TEST_CASE("an object that is wrong everywhere is reported within bounds", "[schema]") {
    Value object = smallest();
    for (int i = 0; i < 5000; ++i) {
        object.find("spec")->set("field" + std::to_string(i), i);
    }
    const auto faults = Schema::certificateBinding().defaultAndValidate(object);
    CHECK(faults.size() >= 100);
    CHECK(faults.size() <= 1000);
}
