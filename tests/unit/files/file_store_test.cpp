#include "files/file_store.h"

#include <filesystem>
#include <string>
#include <vector>

#include "base/time_text.h"
#include "support/fake_clock.h"
#include "support/manifest_texts.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const api::ObjectKey kShop{"default", "shop"};

struct World {
    files::FileStore open() {
        auto state = files::StateDirectory::open(dir.path("state"), files::StateDirectory::Access::kExclusive);
        REQUIRE(state.has_value());
        return {files::ManifestReader({dir.path("in")}), std::move(*state), clock};
    }

    /// Opens the store as a process that starts does.
    std::shared_ptr<const api::CertificateBinding> shopAfterStart() {
        files::FileStore store = open();
        REQUIRE(store.load().empty());
        return store.binding(kShop);
    }

    /// Lets a process start, record that the binding is in sync, and end.
    void record() {
        files::FileStore store = open();
        REQUIRE(store.load().empty());
        REQUIRE(store.writeStatus(kShop, status()).has_value());
    }

    static api::Status status() {
        api::Status status;
        status.observedGeneration = 1;
        status.inSync = "1/1";
        return status;
    }

    test::TempDirectory dir;
    test::FakeClock clock;
};

}  // namespace

TEST_CASE("objects are there by their keys", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop") + "---\n" + test::secretYaml("s", "hunter2") + "---\n" +
                                     test::configMapYaml("c", "ca"));
    files::FileStore store = world.open();
    CHECK(store.load().empty());
    CHECK(store.bindings().size() == 1);
    REQUIRE(store.binding(kShop) != nullptr);
    CHECK(store.binding(kShop)->metadata.key == kShop);
    CHECK(store.binding(kShop)->metadata.creationTimestamp == world.clock.wallNow());
    CHECK(store.binding({"default", "none"}) == nullptr);
    CHECK((*store.manifest(kShop))["kind"].asString() == "CertificateBinding");
    CHECK(store.manifest({"default", "none"}) == nullptr);
    CHECK((*store.secret({"default", "s"}))->find("key")->reveal() == "hunter2");
    CHECK(*store.secret({"default", "none"}) == nullptr);
    CHECK(*store.configMapEntry({"default", "c"}, "ca.crt") == std::optional<std::string>("ca"));
    CHECK(*store.configMapEntry({"default", "c"}, "none") == std::nullopt);
    CHECK(*store.configMapEntry({"default", "none"}, "ca.crt") == std::nullopt);
}

TEST_CASE("faults are returned, and what is sound is there", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    world.dir.write("in/b.yaml", "broken: [\n");
    files::FileStore store = world.open();
    CHECK(store.load().size() == 1);
    CHECK(store.binding(kShop) != nullptr);
}

TEST_CASE("a status is there at once and after a restart", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    world.record();
    world.clock.advance(24h);
    const auto shop = world.shopAfterStart();
    CHECK(shop->status == World::status());
    CHECK(shop->metadata.generation == 1);
    CHECK(shop->metadata.creationTimestamp == world.clock.wallNow() - 24h);
}

TEST_CASE("the generation counts changes of the spec alone, also over restarts", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    world.record();
    SECTION("not of the metadata") {
        std::string text = test::bindingYaml("shop");
        text.replace(text.find("{name: shop}"), 12, "{name: shop, labels: {tier: web}}");
        world.dir.write("in/a.yaml", text);
        CHECK(world.shopAfterStart()->metadata.generation == 1);
    }
    SECTION("not of the order of fields or a default that is written out") {
        std::string text = test::bindingYaml("shop", "10.0.0.4", "  checkInterval: 10m\n");
        const std::string source = "  source: {secret: {name: shop-tls}}\n";
        text.erase(text.find(source), source.size());
        world.dir.write("in/a.yaml", text + source);
        CHECK(world.shopAfterStart()->metadata.generation == 1);
    }
    SECTION("but of the spec, and it is told as not looked at") {
        world.dir.write("in/a.yaml", test::bindingYaml("shop", "10.0.0.5"));
        const auto shop = world.shopAfterStart();
        CHECK(shop->metadata.generation == 2);
        CHECK(shop->status.observedGeneration == 1);
        CHECK_FALSE(shop->isReady());
        CHECK(world.shopAfterStart()->metadata.generation == 2);
    }
}

TEST_CASE("a manifest that was exported from a cluster brings no state along", "[files][store]") {
    World world;
    std::string text = test::bindingYaml("shop");
    text.replace(text.find("{name: shop}"), 12,
                 "{name: shop, generation: 9, creationTimestamp: \"2020-01-01T00:00:00Z\", finalizers: [a.b/c]}");
    world.dir.write("in/a.yaml", text + "status: {inSync: 7/7}\n");
    const auto shop = world.shopAfterStart();
    REQUIRE(shop != nullptr);
    CHECK(shop->status == api::Status{});
    CHECK(shop->metadata.generation == 1);
    CHECK(shop->metadata.creationTimestamp == world.clock.wallNow());
    CHECK(shop->metadata.finalizers.empty());
}

TEST_CASE("a status that is there already is not written", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    files::FileStore store = world.open();
    store.load();
    REQUIRE(store.writeStatus(kShop, World::status()).has_value());
    const std::string file = world.dir.path("state/status/default/shop.json");
    fs::remove(file);
    REQUIRE(store.writeStatus(kShop, World::status()).has_value());
    CHECK_FALSE(fs::exists(file));
    CHECK(store.writeStatus({"default", "none"}, World::status()).has_value());
}

TEST_CASE("a status that could not be written is written at the next chance", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    files::FileStore store = world.open();
    store.load();
    const std::string inTheWay = world.dir.write("state/status/default", "a file where a directory should be");
    CHECK_FALSE(store.writeStatus(kShop, World::status()).has_value());
    CHECK_FALSE(store.writeStatus(kShop, World::status()).has_value());
    fs::remove(inTheWay);
    CHECK(store.writeStatus(kShop, World::status()).has_value());
    CHECK(fs::exists(world.dir.path("state/status/default/shop.json")));
}

TEST_CASE("a damaged status file costs its status, nothing else", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop"));
    world.record();
    world.dir.write("state/status/default/shop.json", "{\"status\": ");
    CHECK(world.shopAfterStart()->status == api::Status{});
}

TEST_CASE("no secret reaches the state directory", "[files][store]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("shop") + "---\n" + test::secretYaml("s", "hunter2"));
    world.record();
    for (const auto& entry : fs::recursive_directory_iterator(world.dir.path("state"))) {
        if (entry.is_regular_file()) {
            std::ifstream stream(entry.path());
            const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
            CHECK(text.find("hunter2") == std::string::npos);
        }
    }
}
