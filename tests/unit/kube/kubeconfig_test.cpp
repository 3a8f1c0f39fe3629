#include "kube/kubeconfig.h"

#include "base/digest.h"
#include "support/fake_clock.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::kube;
using certbinder::test::TempDirectory;

namespace {

/// A kubeconfig of one context with this cluster and user, each in YAML's flow style.
std::string configOf(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: prod\n"
           "contexts:\n- {name: prod, context: {cluster: c, user: u, namespace: web}}\n"
           "clusters:\n- {name: c, cluster: " +
           cluster + "}\nusers:\n- {name: u, user: " + user + "}\n";
}

const std::string kCluster = R"({server: "https://api.example.com:6443/"})";

struct Loaded {
    TempDirectory directory;
    test::FakeClock clock;
    base::Expected<ClusterConfig> config;

    explicit Loaded(const std::string& text, const std::string& context = "") {
        const std::string file = directory.write("config", text);
        config = loadKubeconfig({file}, context, clock);
    }
    std::string authorization() const {
        const auto identity = config->credentials->current({});
        return identity ? std::string((*identity)->authorization.reveal()) : identity.error().message();
    }
    std::string error() const { return config ? "" : config.error().message(); }
};

}  // namespace

TEST_CASE("a kubeconfig's context becomes a cluster to talk to", "[kube][kubeconfig]") {
    const Loaded loaded(configOf(R"({server: "https://api.example.com:6443/prefix/", tls-server-name: Kubernetes,)"
                                 R"( certificate-authority-data: )" +
                                     base::toBase64("the CA") + R"(, proxy-url: "http://proxy:3128"})",
                                 R"({token: t-1, as: jane, as-uid: "7", as-groups: [dev, ops],)"
                                 R"( as-user-extra: {scope: [a, b]}})"));
    INFO(loaded.error());
    REQUIRE(loaded.config);
    CHECK(loaded.config->server == "https://api.example.com:6443/prefix");
    CHECK(loaded.config->tlsServerName == "kubernetes");
    CHECK(loaded.config->space == "web");
    CHECK(**loaded.config->trust->current() == "the CA");
    CHECK(loaded.config->proxy.always);
    CHECK(loaded.config->proxy.forHttps->shown() == "http://proxy:3128");
    CHECK(loaded.authorization() == "Bearer t-1");
    CHECK(loaded.config->impersonation.user == "jane");
    CHECK(loaded.config->impersonation.uid == "7");
    CHECK(loaded.config->impersonation.groups == std::vector<std::string>{"dev", "ops"});
    REQUIRE(loaded.config->impersonation.extra.size() == 1);
    CHECK(loaded.config->impersonation.extra[0].second == std::vector<std::string>{"a", "b"});
    CHECK_THAT(loaded.config->origin, CERTBINDER_CONTAINS("context prod of "));
}

TEST_CASE("the first file that defines an entry wins, the whole entry", "[kube][kubeconfig]") {
    const TempDirectory directory;
    const std::string first = directory.write("a/config", R"(
contexts: [{name: prod, context: {cluster: c, user: u}}]
users: [{name: u, user: {tokenFile: token}}]
)");
    directory.write("a/token", "from the file beside a\n");
    const std::string second = directory.write("b/config", configOf(kCluster, "{token: from-b}"));
    directory.write("b/ca", "the CA beside b");
    const auto merged = loadKubeconfig({"", directory.path("absent"), first, second}, "");
    REQUIRE(merged);
    CHECK(merged->server == "https://api.example.com:6443");
    CHECK(merged->space == "default");
    CHECK((*merged->credentials->current({}))->authorization.reveal() == "Bearer from the file beside a");
    CHECK_FALSE(merged->trust);
    const auto other = loadKubeconfig({second, first}, "prod");
    REQUIRE(other);
    CHECK(other->space == "web");
    CHECK((*other->credentials->current({}))->authorization.reveal() == "Bearer from-b");
}

TEST_CASE("data beats a file, and a token's file beats its value", "[kube][kubeconfig]") {
    TempDirectory directory;
    directory.write("token", "of the file");
    directory.write("ca", "CA of the file");
    const std::string file = directory.write(
        "config", configOf(R"({server: "https://a", certificate-authority: ca})", "{tokenFile: token, token: given}"));
    const auto config = loadKubeconfig({file}, "");
    REQUIRE(config);
    CHECK(**config->trust->current() == "CA of the file");
    CHECK((*config->credentials->current({}))->authorization.reveal() == "Bearer of the file");
    const Loaded data(configOf(R"({server: "https://a", certificate-authority: absent, certificate-authority-data: )" +
                                   base::toBase64("data") + "}",
                               "{username: me, password: pa:ss}"));
    REQUIRE(data.config);
    CHECK(**data.config->trust->current() == "data");
    CHECK(data.authorization() == "Basic " + base::toBase64("me:pa:ss"));
}

TEST_CASE("what cannot or must not be used is refused with its place and a way out", "[kube][kubeconfig]") {
    struct Row {
        std::string text;
        const char* says;
    };
    const std::string exec = R"(apiVersion: client.authentication.k8s.io/v1, command: plugin)";
    for (const Row& row : {
             Row{configOf(R"({server: "https://a", insecure-skip-tls-verify: true})", "{}"), "always verified"},
             Row{configOf(R"({server: "https://a", insecure-skip-tls-verify: "true"})", "{}"), "true or false"},
             Row{configOf(R"({server: "http://a"})", "{}"), "must be https"},
             Row{configOf(R"({server: "http://127.0.0.1:8001"})", "{token: geheim}"), "without TLS"},
             Row{configOf("{server: a}", "{}"), "must be a URL"},
             Row{configOf("{}", "{}"), "must be a URL"},
             Row{configOf(R"({server: "https://a", certificate-authority-data: "***"})", "{}"), "not base64"},
             Row{configOf(R"({server: "https://a", certificate-authority: absent})", "{}"), "cannot read"},
             Row{configOf(R"({server: "https://a", proxy-url: "socks5://me:geheim@p"})", "{}"), "socks5"},
             Row{configOf(kCluster, "{auth-provider: {name: gcp}}"), "exec plugin instead"},
             Row{configOf(kCluster, "{token: 12345}"), "must be a string"},
             Row{configOf(kCluster, "{as-groups: [a], token: geheim}"), "must name the user"},
             Row{configOf(kCluster, "{as: x, as-groups: a}"), "list of strings"},
             Row{configOf(kCluster, "{exec: {" + exec + "}, token: geheim}"), "keep one"},
             Row{configOf(kCluster, "{exec: {" + exec + ", interactiveMode: Always}}"), "there is none here"},
             Row{configOf(kCluster, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: p}}"),
                 "v1beta1"},
             Row{configOf(kCluster, "{exec: {apiVersion: client.authentication.k8s.io/v1}}"), "must name the plugin"},
             Row{configOf(kCluster, "{exec: {" + exec + ", env: [{value: x}]}}"), "a name and a value"},
             Row{"current-context: gone\ncontexts: [{name: a}, {name: b}]", "no context gone"},
             Row{"contexts: []", "--context"},
             Row{"current-context: x\ncontexts: [{name: x, context: {cluster: missing}}]", "no cluster missing"},
             Row{"- a\n- b", "not a kubeconfig"},
             Row{"a: [", "config:"},
             Row{"a: {b: c}\na: d", "config:2"},
         }) {
        INFO(row.text);
        const Loaded loaded(row.text);
        REQUIRE_FALSE(loaded.config);
        CHECK(loaded.config.error().reason() == base::Reason::kInvalidSpec);
        CHECK_THAT(loaded.error(), CERTBINDER_CONTAINS(row.says));
        CHECK_THAT(loaded.error(), CERTBINDER_CONTAINS("config"));
        CHECK_THAT(loaded.error(), !CERTBINDER_CONTAINS("geheim"));
    }
    CHECK_THAT(Loaded("current-context: gone\ncontexts: [{name: a}, {name: b}]").error(),
               CERTBINDER_CONTAINS("there are: a, b"));
    CHECK_THAT(loadKubeconfig({"/nowhere/config"}, "").error().message(), CERTBINDER_CONTAINS("/nowhere/config"));
}

TEST_CASE("http without credentials reaches a proxy on this machine", "[kube][kubeconfig]") {
    const Loaded loaded(configOf(R"({server: "http://127.0.0.1:8001"})", "{}"));
    REQUIRE(loaded.config);
    CHECK(loaded.authorization().empty());
}

TEST_CASE("a plugin beside the kubeconfig is found and told of the cluster", "[kube][kubeconfig]") {
    const TempDirectory directory;
    directory.write("ca", "the CA");
    const std::string script = directory.write("bin/plugin", R"(#!/bin/sh
printf '%s' "$KUBERNETES_EXEC_INFO" > "$OUT"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
)");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    const std::string file = directory.write(
        "config",
        configOf(R"({server: "https://api:6443", certificate-authority: ca, extensions: )"
                 R"([{name: client.authentication.k8s.io/exec, extension: {audience: me}}]})",
                 "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/plugin, interactiveMode: "
                 "Never, provideClusterInfo: true, env: [{name: OUT, value: \"" +
                     directory.path("info") + "\"}]}}"));
    const auto config = loadKubeconfig({file}, "");
    REQUIRE(config);
    const auto identity = config->credentials->current({});
    INFO((identity ? "" : identity.error().message()));
    REQUIRE(identity);
    CHECK((*identity)->authorization.reveal() == "Bearer t");
    std::ifstream stream(directory.path("info"));
    const std::string info(std::istreambuf_iterator<char>(stream), {});
    CHECK_THAT(info, CERTBINDER_CONTAINS(base::toBase64("the CA")));
    CHECK_THAT(info, CERTBINDER_CONTAINS(R"("config":{"audience":"me"})"));
}
