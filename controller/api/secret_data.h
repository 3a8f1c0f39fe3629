#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret_bytes.h"

namespace certbinder::api {

/// The entries of a Secret, by key. Shared as `shared_ptr<const SecretData>`: snapshots are never changed in place.
struct SecretData {
    std::string type;  ///< `kubernetes.io/tls`, `Opaque`, …
    std::map<std::string, base::SecretBytes, std::less<>> entries;
    /// Changes whenever the content does (a resource version, or a keyed digest); tells without looking at the content.
    std::string version;

    const base::SecretBytes* find(std::string_view key) const {
        const auto entry = entries.find(key);
        return entry == entries.end() ? nullptr : &entry->second;
    }
};

/// The Secrets that a binding names, by name; all of its own namespace.
using Secrets = std::map<std::string, std::shared_ptr<const SecretData>, std::less<>>;

}  // namespace certbinder::api
