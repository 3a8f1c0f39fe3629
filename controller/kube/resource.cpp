#include "kube/resource.h"

#include "base/text.h"

namespace certbinder::kube {

std::string urlPath(const ObjectPath& path) {
    const Resource& resource = path.resource;
    std::string url = resource.group.empty() ? "/api" : "/apis/" + base::percentEncode(resource.group);
    url += "/" + base::percentEncode(resource.version);
    if (!path.space.empty()) {
        url += "/namespaces/" + base::percentEncode(path.space);
    }
    url += "/" + base::percentEncode(resource.plural);
    for (const std::string* part : {&path.name, &path.subresource}) {
        if (!part->empty()) {
            url += "/" + base::percentEncode(*part);
        }
    }
    return url;
}

std::string shown(const ObjectPath& path) {
    std::string text = path.resource.plural;
    if (!path.resource.group.empty()) {
        text += "." + path.resource.group;
    }
    if (!path.subresource.empty()) {
        text += "/" + path.subresource;
    }
    if (path.name.empty()) {
        text += path.space.empty() ? " of all namespaces" : " of " + path.space;
    } else {
        text += " " + (path.space.empty() ? "" : path.space + "/") + path.name;
    }
    return base::printable(text);
}

}  // namespace certbinder::kube
