#include "kube/resource.h"

#include "support/test.h"

using namespace certbinder::kube;

TEST_CASE("paths of objects are those of the API, with every part encoded", "[kube]") {
    const Resource secrets{"", "v1", "secrets"};
    const Resource bindings{"certbinder.io", "v1alpha1", "certificatebindings"};
    CHECK(urlPath({secrets, "", "", ""}) == "/api/v1/secrets");
    CHECK(urlPath({secrets, "web", "", ""}) == "/api/v1/namespaces/web/secrets");
    CHECK(urlPath({bindings, "web", "shop", "status"}) ==
          "/apis/certbinder.io/v1alpha1/namespaces/web/certificatebindings/shop/status");
    CHECK(urlPath({secrets, "a/../b", "x?y#z", ""}) == "/api/v1/namespaces/a%2F..%2Fb/secrets/x%3Fy%23z");
    CHECK(bindings.apiVersion() == "certbinder.io/v1alpha1");
    CHECK(secrets.apiVersion() == "v1");
    CHECK(shown({bindings, "web", "shop", "status"}) == "certificatebindings.certbinder.io/status web/shop");
    CHECK(shown({secrets, "", "", ""}) == "secrets of all namespaces");
}
