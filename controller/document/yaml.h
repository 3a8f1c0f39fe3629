#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "document/value.h"

namespace certbinder::document {

/// A mistake in a text, at its place.
struct Fault {
    Position position;
    std::string path;  ///< in the object, `spec.target.nginx.hosts[0].port`; empty where there is no object yet
    std::string message;
};

struct YamlDocuments {
    std::vector<Value> documents;  ///< the sound ones; empty documents are left out
    std::vector<Fault> faults;     ///< of the others; a document with a fault is not in `documents`
};

/// Reads a stream of YAML documents the way the Kubernetes API server would read their JSON: YAML 1.2's core schema
/// (`yes`, `on` and `010` are strings, a quoted scalar is a string, `0x10` and octals are refused where a number is
/// meant is left to the schema), duplicate keys, explicit tags, anchors with aliases, merge keys, non-string keys and
/// invalid UTF-8 are faults; so are a text over `kMostYamlBytes` and nesting over 100 levels. Never throws.
YamlDocuments parseYaml(std::string_view text);

inline constexpr std::size_t kMostYamlBytes = std::size_t{3} * 1024 * 1024;

/// Writes block-style YAML that parseYaml and Kubernetes read back to the same value.
std::string toYaml(const Value& value);

}  // namespace certbinder::document
