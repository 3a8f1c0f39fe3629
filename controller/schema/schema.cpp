#include "schema/schema.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "schema/metadata.h"
#include "schema/node.h"

namespace certbinder::schema {

// Made from the file by embed.cmake.
extern const char kEmbeddedCrd[];
extern const std::size_t kEmbeddedCrdSize;

namespace {

using base::Expected;
using base::Reason;
using base::unexpected;
using document::Fault;
using document::Value;

bool comesBefore(const Fault& one, const Fault& other) {
    return std::pair(one.position.line, one.position.column) < std::pair(other.position.line, other.position.column);
}

}  // namespace

std::string_view certificateBindingCrd() {
    return {kEmbeddedCrd, kEmbeddedCrdSize};
}

struct Schema::Parts {
    std::string apiVersion;
    std::string kind;
    Node root;
};

Schema::Schema(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Schema::~Schema() = default;

Expected<std::unique_ptr<const Schema>> Schema::ofCrd(std::string_view yaml) {
    const document::YamlDocuments read = document::parseYaml(yaml);
    if (!read.faults.empty() || read.documents.size() != 1) {
        return unexpected(Reason::kInternalError,
                          "the CRD is no sound YAML" + (read.faults.empty() ? "" : ": " + read.faults[0].message));
    }
    const Value& spec = read.documents[0]["spec"];
    if (spec["versions"].asList().size() != 1) {
        return unexpected(Reason::kInternalError, "the CRD does not have exactly one version");
    }
    const Value& version = spec["versions"].asList()[0];
    auto root = readNode(version["schema"]["openAPIV3Schema"], "");
    if (!root) {
        return unexpected(root.error());
    }
    auto parts = std::make_unique<Parts>();
    parts->apiVersion = spec["group"].asString() + "/" + version["name"].asString();
    parts->kind = spec["names"]["kind"].asString();
    parts->root = std::move(*root);
    // These every object has, and they are checked by hand; of the status, the controller's own, anything goes.
    auto& properties = parts->root.properties;
    properties.erase(std::remove_if(properties.begin(), properties.end(),
                                    [](const Node& property) { return property.name != "spec"; }),
                     properties.end());
    for (const char* name : {"apiVersion", "kind", "metadata", "status"}) {
        properties.emplace_back();
        properties.back().name = name;
    }
    return std::unique_ptr<const Schema>(new Schema(std::move(parts)));
}

const Schema& Schema::certificateBinding() {
    static const std::unique_ptr<const Schema> schema = [] {
        auto made = ofCrd(certificateBindingCrd());
        if (!made) {
            // The CRD is part of the binary, and the tests read it: this cannot happen, and nothing is right if it
            // does.
            base::logError("the built-in schema is broken", {{"error", made.error().message()}});
            std::abort();
        }
        return std::move(*made);
    }();
    return *schema;
}

std::vector<Fault> Schema::defaultAndValidate(Value& object) const {
    std::vector<Fault> faults;
    Validator validator(faults);
    if (!object.isObject()) {
        validator.fault(
            object.position(), "",
            "must be an object with apiVersion, kind, metadata and spec, not " + std::string(object.kindName()));
        return faults;
    }
    validateMeta(object, parts_->apiVersion, parts_->kind, validator);
    for (const document::Member& member : object.asObject()) {
        if (member.name == "status" && !member.value.isObject() && !member.value.isNull()) {
            validator.fault(member.value.position(), "status",
                            "must be an object with fields, not " + std::string(member.value.kindName()));
        }
    }
    applyDefaults(parts_->root, object);
    validator.validate(parts_->root, object, "");
    std::stable_sort(faults.begin(), faults.end(), comesBefore);
    return faults;
}

}  // namespace certbinder::schema
