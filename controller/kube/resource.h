#pragma once

#include <string>
#include <string_view>

namespace certbinder::kube {

/// A kind of object as URLs name it. `group` "" is the core group.
struct Resource {
    std::string group;
    std::string version;
    std::string plural;

    /// As an object's `apiVersion` has it: `v1`, `certbinder.io/v1alpha1`.
    std::string apiVersion() const { return group.empty() ? version : group + "/" + version; }
};

/// One object, or a collection where `name` is "". `space` "" is all namespaces, or an object that has none.
struct ObjectPath {
    Resource resource;
    std::string space;
    std::string name;
    std::string subresource;  ///< `status`, or ""
};

/// The path below the server's address: `/apis/certbinder.io/v1alpha1/namespaces/web/certificatebindings/shop/status`.
/// Every part is percent-encoded, so that a name from outside cannot lead to another object.
std::string urlPath(const ObjectPath& path);

/// The same for a person: `certificatebindings.certbinder.io web/shop`.
std::string shown(const ObjectPath& path);

}  // namespace certbinder::kube
