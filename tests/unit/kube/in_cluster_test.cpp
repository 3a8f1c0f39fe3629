#include "kube/in_cluster.h"

#include <map>

#include "support/fake_clock.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::kube;
using certbinder::test::TempDirectory;

namespace {

Environment of(const std::map<std::string, std::string>& values) {
    return [values](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
}

const std::map<std::string, std::string> kPod{{"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
                                              {"KUBERNETES_SERVICE_PORT", "443"}};

void mount(const TempDirectory& directory) {
    directory.write("token", "pod-token\n");
    directory.write("ca.crt", "the CA");
    directory.write("namespace", "certbinder-system\n");
}

const std::string kConfig = R"(
current-context: one
contexts: [{name: one, context: {cluster: c, user: ""}}]
clusters: [{name: c, cluster: {server: "https://from-kubeconfig:6443"}}]
)";

}  // namespace

TEST_CASE("a pod talks to its cluster as its service account", "[kube]") {
    const TempDirectory directory;
    mount(directory);
    test::FakeClock clock;
    const auto config = inClusterConfig(of(kPod), directory.path(), clock);
    REQUIRE(config);
    CHECK(config->server == "https://10.96.0.1:443");
    CHECK(config->space == "certbinder-system");
    CHECK(**config->trust->current() == "the CA");
    CHECK((*config->credentials->current({}))->authorization.reveal() == "Bearer pod-token");

    auto values = kPod;
    values["KUBERNETES_SERVICE_HOST"] = "fd00::1";
    values["POD_NAMESPACE"] = "elsewhere";
    const auto other = inClusterConfig(of(values), directory.path(), clock);
    REQUIRE(other);
    CHECK(other->server == "https://[fd00::1]:443");
    CHECK(other->space == "elsewhere");
}

TEST_CASE("what a pod lacks is named", "[kube]") {
    const TempDirectory directory;
    CHECK_FALSE(inClusterConfig(of({}), directory.path()));
    CHECK_FALSE(isInCluster(of(kPod), directory.path()));
    directory.write("ca.crt", "the CA");
    const auto tokenless = inClusterConfig(of(kPod), directory.path());
    REQUIRE_FALSE(tokenless);
    CHECK_THAT(tokenless.error().message(), CERTBINDER_CONTAINS("/token"));
    directory.write("token", "  \n");
    CHECK_THAT(inClusterConfig(of(kPod), directory.path()).error().message(), CERTBINDER_CONTAINS("is empty"));
}

TEST_CASE("a cluster is looked for in the documented order", "[kube]") {
    const TempDirectory directory;
    mount(directory);
    directory.write(".kube/config", kConfig);
    const std::string flag =
        directory.write("flag", "current-context: none\n" + kConfig.substr(kConfig.find("contexts:")));
    auto values = kPod;
    values["HOME"] = directory.path();
    values["HTTPS_PROXY"] = "http://proxy:3128";
    ClusterChoice choice;
    choice.serviceAccountDirectory = directory.path();

    const auto pod = findCluster(choice, of(values));
    REQUIRE(pod);
    CHECK(pod->server == "https://10.96.0.1:443");
    REQUIRE(pod->proxy.forHttps);
    CHECK(pod->proxy.forHttps->shown() == "http://proxy:3128");
    values["KUBECONFIG"] = directory.path("absent") + ":" + directory.path(".kube/config");
    CHECK(findCluster(choice, of(values))->server == "https://from-kubeconfig:6443");
    choice.kubeconfig = flag;
    CHECK_THAT(findCluster(choice, of(values)).error().message(), CERTBINDER_CONTAINS("no context none"));
    choice.kubeconfig.clear();
    values.erase("KUBECONFIG");
    choice.context = "one";
    CHECK(findCluster(choice, of(values))->server == "https://from-kubeconfig:6443");
    choice.context.clear();
    values.erase("KUBERNETES_SERVICE_HOST");
    CHECK(findCluster(choice, of(values))->server == "https://from-kubeconfig:6443");
    values["HOME"] = directory.path("nobody");
    CHECK_THAT(findCluster(choice, of(values)).error().message(), CERTBINDER_CONTAINS("no cluster is known"));
}
