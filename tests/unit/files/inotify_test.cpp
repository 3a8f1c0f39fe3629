#include "files/inotify.h"

#include <filesystem>
#include <thread>

#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

files::Inotify make() {
    auto inotify = files::Inotify::make();
    REQUIRE(inotify.has_value());
    return std::move(*inotify);
}

/// Whether a change was noticed by the time of the call: the wake-up that is pending ends the wait otherwise.
bool hasChange(files::Inotify& inotify) {
    inotify.wakeUp();
    return inotify.wait(1ms, 10ms);
}

}  // namespace

TEST_CASE("changes of watched directories end the wait", "[files][inotify]") {
    const test::TempDirectory dir;
    files::Inotify inotify = make();
    inotify.watch({{dir.path(), {}}});
    SECTION("a new file") {
        dir.write("a.yaml", "x");
    }
    SECTION("a directory") {
        fs::create_directory(dir.path("sub"));
    }
    CHECK(inotify.wait(1ms, 1s));
}

TEST_CASE("of a directory that is watched for an entry alone no other matters", "[files][inotify]") {
    const test::TempDirectory dir;
    files::Inotify inotify = make();
    inotify.watch({{dir.path(), {"wanted"}}});
    dir.write("other", "x");
    std::thread later([&] {
        dir.write("other", "y");
        inotify.wakeUp();
    });
    CHECK_FALSE(inotify.wait(1ms, 1s));
    later.join();
}

TEST_CASE("the entry that is watched for matters, and so does the directory's end", "[files][inotify]") {
    const test::TempDirectory dir;
    fs::create_directory(dir.path("in"));
    files::Inotify inotify = make();
    inotify.watch({{dir.path("in"), {"wanted"}}});
    SECTION("the entry") {
        dir.write("in/wanted", "x");
    }
    SECTION("the directory") {
        fs::remove_all(dir.path("in"));
    }
    CHECK(inotify.wait(1ms, 1s));
}

TEST_CASE("what is watched no more is silent", "[files][inotify]") {
    const test::TempDirectory dir;
    fs::create_directory(dir.path("a"));
    fs::create_directory(dir.path("b"));
    files::Inotify inotify = make();
    inotify.watch({{dir.path("a"), {}}, {dir.path("b"), {}}});
    inotify.watch({{dir.path("b"), {}}});
    dir.write("a/x", "x");
    CHECK_FALSE(hasChange(inotify));
}

TEST_CASE("directories that are missing are no error", "[files][inotify]") {
    const test::TempDirectory dir;
    files::Inotify inotify = make();
    inotify.watch({{dir.path("none"), {}}, {dir.path(), {}}});
    dir.write("a", "x");
    CHECK(inotify.wait(1ms, 1s));
}

TEST_CASE("a directory that is never at rest is looked at all the same", "[files][inotify]") {
    const test::TempDirectory dir;
    files::Inotify inotify = make();
    inotify.watch({{dir.path(), {}}});
    std::jthread restless([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            dir.write("a", "x");
        }
    });
    CHECK(inotify.wait(10s, 50ms));
}
