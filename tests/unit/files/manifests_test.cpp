#include "files/manifests.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/manifest_texts.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
namespace fs = std::filesystem;
using files::ManifestReader;
using files::Manifests;

namespace {

api::ObjectKey key(const std::string& name, const std::string& ns = "default") {
    return {ns, name};
}

Manifests readAll(const std::string& path) {
    return ManifestReader({path}).read();
}

std::string faultsOf(const Manifests& manifests) {
    std::string text;
    for (const files::FileFault& fault : manifests.faults) {
        text += fault.toString() + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("bindings, Secrets and ConfigMaps of a stream of documents are read", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string file = dir.write("all.yaml", test::bindingYaml("shop") + "---\n" + test::secretYaml("shop-tls") +
                                                       "---\n---\n" + test::configMapYaml("ca"));
    const Manifests read = readAll(file);
    CHECK(faultsOf(read).empty());
    REQUIRE(read.bindings.count(key("shop")) == 1);
    const auto& binding = read.bindings.at(key("shop"));
    CHECK(binding.file == file);
    CHECK((*binding.object)["metadata"]["namespace"].asString() == "default");
    CHECK((*binding.object)["spec"]["checkInterval"].asString() == "10m");  // the schema's default
    CHECK(read.secrets.at(key("shop-tls"))->find("key")->reveal() == "value");
    CHECK(read.configMaps.at(key("ca")).at("ca.crt") == "value");
}

TEST_CASE("a namespace that is given is kept", "[files][manifests]") {
    const test::TempDirectory dir;
    const Manifests read = readAll(
        dir.write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: web}\ndata: {a: b}\n"));
    CHECK(read.configMaps.count(key("ca", "web")) == 1);
}

TEST_CASE("the items of a List are read, as kubectl get writes them", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string json = R"({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "dmFsdWU="}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"k": "v"}}]})";
    const Manifests read = readAll(dir.write("list.json", json));
    CHECK(faultsOf(read).empty());
    CHECK(read.secrets.at(key("a"))->find("k")->reveal() == "value");
    CHECK(read.configMaps.count(key("b")) == 1);
    CHECK_THAT(faultsOf(readAll(dir.write("bad.yaml", "apiVersion: v1\nkind: List\n"))), CERTBINDER_CONTAINS("items"));
}

TEST_CASE("objects of other kinds are passed over, what is no object is a fault", "[files][manifests]") {
    const test::TempDirectory dir;
    CHECK(readAll(dir.write("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n")).sound());
    CHECK_THAT(faultsOf(readAll(dir.write("b.yaml", "just: text\n"))),
               CERTBINDER_CONTAINS("b.yaml:1:1: ") && CERTBINDER_CONTAINS("apiVersion and kind"));
    CHECK_FALSE(readAll(dir.write("c.yaml", "- a list\n")).sound());
}

TEST_CASE("a kind or version of ours that does not exist is a fault", "[files][manifests]") {
    const test::TempDirectory dir;
    std::string text = test::bindingYaml("shop");
    text.replace(text.find("v1alpha1"), 8, "v9");
    CHECK_FALSE(readAll(dir.write("a.yaml", text)).sound());
    text = test::bindingYaml("shop");
    text.replace(text.find("CertificateBinding"), 18, "CertificateBinder");
    CHECK_FALSE(readAll(dir.write("b.yaml", text)).sound());
}

TEST_CASE("a mistake is told at its place and keeps no other document from being read", "[files][manifests]") {
    const test::TempDirectory dir;
    std::string bad = test::bindingYaml("bad");
    bad.replace(bad.find("ssh:"), 3, "shs");
    const std::string file = dir.write("a.yaml", bad + "---\n" + test::bindingYaml("good"));
    const Manifests read = readAll(file);
    CHECK(read.bindings.count(key("good")) == 1);
    CHECK(read.bindings.count(key("bad")) == 0);
    CHECK_THAT(faultsOf(read), CERTBINDER_CONTAINS(file + ":9:7: ") && CERTBINDER_CONTAINS("shs"));
}

TEST_CASE("a name that could lead out of a directory is refused", "[files][manifests]") {
    const test::TempDirectory dir;
    CHECK_FALSE(readAll(dir.write("a.yaml", test::bindingYaml("../../etc/passwd"))).sound());
    CHECK_FALSE(readAll(dir.write("b.yaml", test::bindingYaml("\"a/b\""))).sound());
    std::string text = test::bindingYaml("shop");
    text.replace(text.find("{name: shop}"), 12, "{name: shop, namespace: ..}");
    CHECK_FALSE(readAll(dir.write("c.yaml", text)).sound());
}

TEST_CASE("a name that is missing is a fault", "[files][manifests]") {
    const test::TempDirectory dir;
    CHECK_THAT(faultsOf(readAll(dir.write("a.yaml", "apiVersion: v1\nkind: Secret\nstringData: {a: b}\n"))),
               CERTBINDER_CONTAINS("metadata.name: is required"));
}

TEST_CASE("the same object twice is a fault of the second", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string first = dir.write("a.yaml", test::bindingYaml("shop", "first"));
    const std::string second = dir.write("b.yaml", test::bindingYaml("shop", "second"));
    const Manifests read = readAll(dir.path());
    CHECK(read.bindings.at(key("shop")).file == first);
    REQUIRE(read.faults.size() == 1);
    CHECK(read.faults[0].file == second);
    CHECK_THAT(faultsOf(read), CERTBINDER_CONTAINS(first) && CERTBINDER_CONTAINS("remove one"));
}

TEST_CASE("a file that is named twice is read once", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string file = dir.write("a.yaml", test::bindingYaml("shop"));
    fs::create_symlink("a.yaml", dir.path("b.yaml"));
    const Manifests read = ManifestReader({dir.path(), file, file, dir.path()}).read();
    CHECK(faultsOf(read).empty());
    CHECK(read.bindings.size() == 1);
}

TEST_CASE("faults of Secrets never show a value", "[files][manifests]") {
    const test::TempDirectory dir;
    const auto secret = [&](const std::string& body) {
        return readAll(dir.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n" + body));
    };
    const std::vector<std::pair<std::string, std::string>> cases{
        {"data: {password: \"hunter2!\"}\n", "data.password: is not base64"},
        {"data: {password: 12345678}\n", "data.password: must be a string"},
        {"stringData: {password: 12345678}\n", "stringData.password: must be a string"},
        {"stringData: {password: true}\n", "stringData.password: must be a string"},
        {"stringData: {password: [12345678]}\n", "stringData.password: must be a string"},
        {"data: {password: }\n", "data.password: the value is missing"},
        {"data: [12345678]\n", "data: must be a map"},
        {"data: 12345678\n", "data: must be a map"},
    };
    for (const auto& [body, said] : cases) {
        INFO(body);
        const Manifests read = secret(body);
        CHECK_THAT(faultsOf(read), CERTBINDER_CONTAINS(said) && CERTBINDER_CONTAINS("s.yaml:4:"));
        CHECK(faultsOf(read).find("hunter2") == std::string::npos);
        CHECK(faultsOf(read).find("12345678") == std::string::npos);
        CHECK(read.secrets.empty());
    }
}

TEST_CASE("stringData goes before data, and the content has a version", "[files][manifests]") {
    const test::TempDirectory dir;
    const auto secret = [&](const std::string& body) {
        const Manifests read =
            readAll(dir.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\n" + body));
        REQUIRE(read.secrets.count(key("s")) == 1);
        return read.secrets.at(key("s"));
    };
    const auto both = secret("data: {a: eA==}\nstringData: {a: y}\n");
    CHECK(both->find("a")->reveal() == "y");
    CHECK(both->type == "Opaque");
    CHECK(secret("stringData: {a: y}\n")->version == both->version);
    CHECK(secret("stringData: {a: z}\n")->version != both->version);
    CHECK(secret("stringData: {a: y, b: \"\"}\n")->version != both->version);
    CHECK(secret("")->entries.empty());
}

TEST_CASE("entries of ConfigMaps are strings", "[files][manifests]") {
    const test::TempDirectory dir;
    const auto faults = [&](const std::string& body) {
        return faultsOf(readAll(dir.write("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n" + body)));
    };
    CHECK_THAT(faults("data: {ca.crt: 1}\n"), CERTBINDER_CONTAINS("data.ca.crt: must be a string"));
    CHECK_THAT(faults("data: [a]\n"), CERTBINDER_CONTAINS("data: must be a map"));
    CHECK(faults("").empty());
}

TEST_CASE("of a directory the manifests are read, deeply; hidden files and linked directories are not",
          "[files][manifests]") {
    const test::TempDirectory dir;
    dir.write("in/a.yaml", test::configMapYaml("a"));
    dir.write("in/b.yml", test::configMapYaml("b"));
    dir.write("in/c.json", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}})");
    dir.write("in/deep/er/d.yaml", test::configMapYaml("d"));
    dir.write("in/named.yaml/e.yaml", test::configMapYaml("e"));
    dir.write("in/readme.md", "not: [yaml");
    dir.write("in/.hidden.yaml", "not: [yaml");
    dir.write("in/.git/config.yaml", "not: [yaml");
    dir.write("elsewhere/f.yaml", test::configMapYaml("f"));
    fs::create_directory_symlink(dir.path("elsewhere"), dir.path("in/link"));
    fs::create_directory_symlink(dir.path("elsewhere"), dir.path("in/link.yaml"));
    fs::create_directory_symlink("..", dir.path("in/deep/loop"));
    REQUIRE(::mkfifo(dir.path("in/pipe.yaml").c_str(), 0600) == 0);
    const Manifests read = readAll(dir.path("in"));
    CHECK(faultsOf(read).empty());
    CHECK(read.configMaps.size() == 5);
    CHECK(read.configMaps.count(key("e")) == 1);
    CHECK(read.configMaps.count(key("f")) == 0);
    // A directory that is named itself is followed wherever it leads.
    CHECK(readAll(dir.path("in/link")).configMaps.count(key("f")) == 1);
}

TEST_CASE("a volume of a ConfigMap is read through its links", "[files][manifests]") {
    const test::TempDirectory dir;
    dir.write("..2026/a.yaml", test::configMapYaml("a"));
    fs::create_directory_symlink("..2026", dir.path("..data"));
    fs::create_symlink("..data/a.yaml", dir.path("a.yaml"));
    const Manifests read = readAll(dir.path());
    CHECK(faultsOf(read).empty());
    CHECK(read.configMaps.size() == 1);
}

TEST_CASE("what cannot be read is told", "[files][manifests]") {
    const test::TempDirectory dir;
    CHECK_THAT(faultsOf(readAll(dir.path("none.yaml"))),
               CERTBINDER_CONTAINS("none.yaml: cannot be read: No such file"));
    fs::create_symlink("nothing", dir.path("broken.yaml"));
    CHECK_THAT(faultsOf(readAll(dir.path())), CERTBINDER_CONTAINS("broken.yaml: cannot be read"));
    CHECK_THAT(faultsOf(readAll(dir.write("big.yaml", std::string(document::kMostYamlBytes + 1, '#')))),
               CERTBINDER_CONTAINS("larger than 3 MiB"));
    CHECK_THAT(faultsOf(readAll(dir.write("torn.yaml", "a: [1, 2\n"))), CERTBINDER_CONTAINS("torn.yaml:"));
    CHECK_FALSE(readAll(dir.write("bytes.yaml", std::string("a: \xff\xfe\0", 6))).sound());
    CHECK(readAll(dir.write("empty.yaml", "")).sound());
}

TEST_CASE("the state directory is no manifest directory", "[files][manifests]") {
    const test::TempDirectory dir;
    dir.write("a.yaml", test::bindingYaml("shop"));
    dir.write("state/status/default/shop.json",
              R"({"apiVersion": "certbinder.io/v1alpha1", "kind": "CertificateBinding"})");
    CHECK_FALSE(readAll(dir.path()).sound());
    ManifestReader reader({dir.path()}, {dir.path("state/"), "/does/not/exist"});
    CHECK(faultsOf(reader.read()).empty());
    for (const auto& watched : reader.watchedDirectories()) {
        CHECK(watched.path.find("/state") == std::string::npos);
    }
}

TEST_CASE("what a file declared stays in force while the file has a fault", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string one =
        test::bindingYaml("one") + "---\n" + test::secretYaml("s") + "---\n" + test::configMapYaml("c");
    dir.write("in/a.yaml", one);
    dir.write("in/b.yaml", test::bindingYaml("two"));
    ManifestReader reader({dir.path("in")});
    const Manifests good = reader.read();
    REQUIRE(good.sound());
    const auto expectAll = [&](const Manifests& now) {
        CHECK_FALSE(now.sound());
        CHECK(now.bindings.size() == 2);
        CHECK(now.secrets.size() == 1);
        CHECK(now.configMaps.size() == 1);
        CHECK(now.origins == good.origins);
    };
    SECTION("a torn document") {
        dir.write("in/a.yaml", "a: [1\n");
    }
    SECTION("a directory that is gone for a moment") {
        fs::rename(dir.path("in"), dir.path("away"));
    }
    const Manifests broken = reader.read(&good);
    expectAll(broken);
    // It stays so however often it is read.
    expectAll(reader.read(&broken));
}

TEST_CASE("what is sound in a broken file takes effect, what is removed elsewhere goes", "[files][manifests]") {
    const test::TempDirectory dir;
    dir.write("a.yaml", test::bindingYaml("one") + "---\n" + test::bindingYaml("two"));
    dir.write("b.yaml", test::bindingYaml("three"));
    ManifestReader reader({dir.path()});
    const Manifests good = reader.read();
    dir.write("a.yaml", test::bindingYaml("one", "10.9.9.9") + "---\nspec: broken\n");
    fs::remove(dir.path("b.yaml"));
    const Manifests now = reader.read(&good);
    CHECK((*now.bindings.at(key("one")).object)["spec"]["target"]["nginx"]["hosts"].asList()[0]["address"].asString() ==
          "10.9.9.9");
    CHECK(now.bindings.count(key("two")) == 1);
    CHECK(now.bindings.count(key("three")) == 0);
}

TEST_CASE("a binding that moves to another file is the same binding", "[files][manifests]") {
    const test::TempDirectory dir;
    dir.write("a.yaml", test::bindingYaml("one"));
    ManifestReader reader({dir.path()});
    const Manifests good = reader.read();
    dir.write("a.yaml", "broken: [\n");
    dir.write("b.yaml", test::bindingYaml("one"));
    const Manifests now = reader.read(&good);
    CHECK(now.bindings.at(key("one")).file == dir.path("b.yaml"));
    CHECK(now.faults.size() == 1);
}

TEST_CASE("a pipe is read once and remembered", "[files][manifests]") {
    const test::TempDirectory dir;
    const std::string pipe = dir.path("pipe");
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    // Open for reading and writing, so that neither side waits for the other.
    std::fstream both(pipe);
    ManifestReader reader({pipe});
    std::thread writer([&] {
        std::ofstream out(pipe);
        out << test::configMapYaml("a");
        out.close();
        both.close();
    });
    const Manifests first = reader.read();
    writer.join();
    CHECK(first.configMaps.size() == 1);
    CHECK(reader.read().configMaps.size() == 1);
}
