#pragma once

// Manifests as users write them.

#include <string>

namespace certbinder::test {

inline std::string bindingYaml(const std::string& name, const std::string& host = "10.0.0.4",
                               const std::string& more = "") {
    return "apiVersion: certbinder.io/v1alpha1\n"
           "kind: CertificateBinding\n"
           "metadata: {name: " +
           name +
           "}\n"
           "spec:\n"
           "  source: {secret: {name: shop-tls}}\n"
           "  target:\n"
           "    nginx:\n"
           "      hosts: [{address: " +
           host +
           "}]\n"
           "      ssh: {credentialsRef: {name: web-ssh}}\n"
           "      certificatePath: /etc/nginx/tls/shop.pem\n"
           "      privateKeyPath: /etc/nginx/tls/shop.key\n" +
           more;
}

inline std::string secretYaml(const std::string& name, const std::string& value = "value") {
    return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {key: \"" + value + "\"}\n";
}

inline std::string configMapYaml(const std::string& name, const std::string& value = "value") {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {ca.crt: \"" + value + "\"}\n";
}

}  // namespace certbinder::test
