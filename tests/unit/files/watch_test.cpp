#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "files/file_store.h"
#include "support/fake_clock.h"
#include "support/manifest_texts.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using objects::Kind;

namespace {

/// A store that watches in a thread of its own.
class World {
  public:
    const test::TempDirectory dir;

    explicit World(std::vector<std::string> paths = {"in"}) : paths_(std::move(paths)) {
        for (std::string& path : paths_) {
            path = dir.path(path);
        }
    }

    void load() {
        auto state = files::StateDirectory::open(dir.path("state"), files::StateDirectory::Access::kExclusive);
        REQUIRE(state.has_value());
        store = std::make_unique<files::FileStore>(files::ManifestReader(paths_), std::move(*state), clock_);
        store->load();
    }

    void watch() {
        thread_ = std::jthread([this](const std::stop_token& stop) {
            store->watch([this](const std::vector<objects::Change>& changes) { note(changes); }, stop);
        });
    }

    void stop() {
        thread_.request_stop();
        thread_.join();
    }

    void start() {
        load();
        watch();
        // The first round is over once a change is noticed.
        settle();
    }

    /// Whether a change of the object is told in time.
    bool isTold(Kind kind, const std::string& name) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [&] { return isKnown(kind, name); });
    }

    bool wasTold(Kind kind, const std::string& name) {
        const std::scoped_lock lock(mutex_);
        return isKnown(kind, name);
    }

    void forget() {
        const std::scoped_lock lock(mutex_);
        changes_.clear();
    }

    /// Makes a change and waits until it is noticed: all that was changed before it has been read then.
    void settle() {
        const std::string name = "marker" + std::to_string(++markers_);
        fs::create_directories(paths_.front());
        test::TempDirectory beside;
        fs::rename(beside.write("m.yaml", test::configMapYaml(name)), paths_.front() + "/" + name + ".yaml");
        REQUIRE(isTold(Kind::kConfigMap, name));
    }

    std::string host(const std::string& name) const {
        const auto binding = store->binding({"default", name});
        return binding ? std::get<api::NginxTarget>(binding->spec.target).hosts[0].address : "";
    }

    std::unique_ptr<files::FileStore> store;

  private:
    void note(const std::vector<objects::Change>& changes) {
        const std::scoped_lock lock(mutex_);
        changes_.insert(changes_.end(), changes.begin(), changes.end());
        changed_.notify_all();
    }

    bool isKnown(Kind kind, const std::string& name) const {
        for (const objects::Change& change : changes_) {
            if (change.kind == kind && change.key.name == name) {
                return true;
            }
        }
        return false;
    }

    std::vector<std::string> paths_;
    test::FakeClock clock_;
    int markers_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<objects::Change> changes_;
    std::jthread thread_;
};

}  // namespace

TEST_CASE("changes of files take effect by themselves", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("a") + "---\n" + test::secretYaml("s"));
    world.start();
    CHECK_FALSE(world.wasTold(Kind::kBinding, "a"));
    SECTION("a file written in place") {
        world.dir.write("in/a.yaml", test::bindingYaml("a", "10.0.0.9") + "---\n" + test::secretYaml("s"));
        REQUIRE(world.isTold(Kind::kBinding, "a"));
        CHECK(world.host("a") == "10.0.0.9");
        CHECK(world.store->binding({"default", "a"})->metadata.generation == 2);
        CHECK_FALSE(world.wasTold(Kind::kSecret, "s"));
    }
    SECTION("a file replaced by rename") {
        world.dir.replace("in/a.yaml", test::bindingYaml("a") + "---\n" + test::secretYaml("s", "other"));
        REQUIRE(world.isTold(Kind::kSecret, "s"));
        CHECK((*world.store->secret({"default", "s"}))->find("key")->reveal() == "other");
        CHECK_FALSE(world.wasTold(Kind::kBinding, "a"));
    }
    SECTION("a new file") {
        world.dir.write("in/b.yaml", test::bindingYaml("b"));
        REQUIRE(world.isTold(Kind::kBinding, "b"));
    }
    SECTION("a file deleted") {
        fs::remove(world.dir.path("in/a.yaml"));
        REQUIRE(world.isTold(Kind::kBinding, "a"));
        CHECK(world.isTold(Kind::kSecret, "s"));
        CHECK(world.store->binding({"default", "a"}) == nullptr);
    }
    SECTION("a file in a new directory, and one in a directory in that") {
        world.dir.write("in/sub/b.yaml", test::bindingYaml("b"));
        REQUIRE(world.isTold(Kind::kBinding, "b"));
        world.dir.write("in/sub/deep/c.yaml", test::bindingYaml("c"));
        REQUIRE(world.isTold(Kind::kBinding, "c"));
        world.dir.write("in/sub/deep/c.yaml", test::bindingYaml("c", "10.0.0.9"));
        world.forget();
        REQUIRE(world.isTold(Kind::kBinding, "c"));
    }
    SECTION("a directory moved in, and out again") {
        world.dir.write("aside/b.yaml", test::bindingYaml("b"));
        fs::rename(world.dir.path("aside"), world.dir.path("in/moved"));
        REQUIRE(world.isTold(Kind::kBinding, "b"));
        world.forget();
        fs::rename(world.dir.path("in/moved"), world.dir.path("aside"));
        REQUIRE(world.isTold(Kind::kBinding, "b"));
        CHECK(world.store->binding({"default", "b"}) == nullptr);
    }
    SECTION("a binding that moves to another file is not told") {
        world.dir.replace("in/b.yaml", test::bindingYaml("a") + "---\n" + test::secretYaml("s"));
        fs::remove(world.dir.path("in/a.yaml"));
        world.settle();
        CHECK(world.host("a") == "10.0.0.4");
    }
}

TEST_CASE("a change between loading and watching is noticed", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("a"));
    world.load();
    world.dir.write("in/a.yaml", test::bindingYaml("a", "10.0.0.9"));
    world.watch();
    REQUIRE(world.isTold(Kind::kBinding, "a"));
    CHECK(world.host("a") == "10.0.0.9");
}

TEST_CASE("a broken file leaves its last good version in force until it is mended", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("a"));
    world.start();
    // Half of it, as a slow writer leaves it for a while.
    const std::string whole = test::bindingYaml("a", "10.0.0.9");
    world.dir.write("in/a.yaml", whole.substr(0, whole.find("privateKeyPath")));
    world.settle();
    CHECK_FALSE(world.wasTold(Kind::kBinding, "a"));
    CHECK(world.host("a") == "10.0.0.4");
    world.dir.write("in/a.yaml", whole);
    REQUIRE(world.isTold(Kind::kBinding, "a"));
    CHECK(world.host("a") == "10.0.0.9");
}

TEST_CASE("each fault is told once, one that came after loading too", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", "known: [\n");
    world.load();  // returns this fault to its caller, who tells it
    world.dir.write("in/b.yaml", "news: [\n");
    const std::string log = world.dir.path("log");
    std::fflush(stderr);
    const int saved = ::dup(STDERR_FILENO);
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    world.watch();
    world.settle();
    world.settle();
    world.stop();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(file);
    std::ifstream stream(log);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    CHECK(text.find("a.yaml") == std::string::npos);
    const std::size_t told = text.find("b.yaml");
    REQUIRE(told != std::string::npos);
    CHECK(text.find("b.yaml", told + 1) == std::string::npos);
}

TEST_CASE("a removed binding leaves no status to one that comes later", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("a"));
    world.start();
    api::Status status;
    status.inSync = "1/1";
    REQUIRE(world.store->writeStatus({"default", "a"}, status).has_value());
    fs::remove(world.dir.path("in/a.yaml"));
    REQUIRE(world.isTold(Kind::kBinding, "a"));
    CHECK_FALSE(fs::exists(world.dir.path("state/status/default/a.json")));
    world.forget();
    world.dir.write("in/a.yaml", test::bindingYaml("a"));
    REQUIRE(world.isTold(Kind::kBinding, "a"));
    CHECK(world.store->binding({"default", "a"})->status == api::Status{});
}

TEST_CASE("a path that is missing at the start is noticed when it comes", "[files][watch]") {
    SECTION("a directory below directories that are missing too") {
        World world({"some/where/in"});
        world.load();
        world.watch();
        world.dir.write("some/where/in/a.yaml", test::bindingYaml("a"));
        CHECK(world.isTold(Kind::kBinding, "a"));
    }
    SECTION("a file") {
        World world({"a.yaml"});
        world.load();
        world.watch();
        world.dir.write("a.yaml", test::bindingYaml("a"));
        CHECK(world.isTold(Kind::kBinding, "a"));
    }
}

TEST_CASE("a checkout that is switched by its link is noticed", "[files][watch]") {
    World world({"current/in"});
    world.dir.write("one/in/a.yaml", test::bindingYaml("a"));
    world.dir.write("two/in/a.yaml", test::bindingYaml("a", "10.0.0.9"));
    fs::create_directory_symlink("one", world.dir.path("current"));
    world.load();
    world.watch();
    fs::create_directory_symlink("two", world.dir.path("fresh"));
    fs::rename(world.dir.path("fresh"), world.dir.path("current"));
    REQUIRE(world.isTold(Kind::kBinding, "a"));
    CHECK(world.host("a") == "10.0.0.9");
}

TEST_CASE("a volume of a ConfigMap that is renewed is noticed", "[files][watch]") {
    const auto switchTo = [](const World& world, const std::string& version, const std::string& host) {
        world.dir.write("vol/" + version + "/a.yaml", test::bindingYaml("a", host));
        fs::create_directory_symlink(version, world.dir.path("vol/..fresh"));
        fs::rename(world.dir.path("vol/..fresh"), world.dir.path("vol/..data"));
    };
    const auto check = [&](World& world) {
        switchTo(world, "..1", "10.0.0.4");
        fs::create_symlink("..data/a.yaml", world.dir.path("vol/a.yaml"));
        world.load();
        CHECK(world.host("a") == "10.0.0.4");
        world.watch();
        switchTo(world, "..2", "10.0.0.9");
        REQUIRE(world.isTold(Kind::kBinding, "a"));
        CHECK(world.host("a") == "10.0.0.9");
    };
    SECTION("as a directory") {
        World world({"vol"});
        check(world);
    }
    SECTION("as a file") {
        World world({"vol/a.yaml"});
        check(world);
    }
}

TEST_CASE("a directory that is gone for a moment costs nothing", "[files][watch]") {
    World world;
    world.dir.write("in/a.yaml", test::bindingYaml("a"));
    world.start();
    fs::rename(world.dir.path("in"), world.dir.path("away"));
    fs::rename(world.dir.path("away"), world.dir.path("in"));
    world.dir.write("in/b.yaml", test::bindingYaml("b"));
    CHECK(world.isTold(Kind::kBinding, "b"));
    CHECK_FALSE(world.wasTold(Kind::kBinding, "a"));
    CHECK(world.host("a") == "10.0.0.4");
}
