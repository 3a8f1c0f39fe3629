#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace certbinder::document {

/// The path of a field, as Kubernetes writes paths: `spec.target`, and `metadata.annotations[example.com/x]` for a name
/// that is no plain word. Names from outside are made fit to be shown.
std::string fieldPath(std::string_view parent, std::string_view name);

/// The path of a list's item: `spec.target.nginx.hosts[0]`.
std::string itemPath(std::string_view parent, std::size_t index);

}  // namespace certbinder::document
