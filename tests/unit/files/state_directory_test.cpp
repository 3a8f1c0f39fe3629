#include "files/state_directory.h"

#include <filesystem>

#include "base/time_text.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
namespace fs = std::filesystem;
using files::StateDirectory;
using files::StoredBinding;

namespace {

const api::ObjectKey kShop{"default", "shop"};

StoredBinding stored() {
    StoredBinding stored;
    stored.generation = 4;
    stored.specDigest = "abc";
    stored.creationTimestamp = *base::parseTime("2026-11-22T08:00:00Z");
    stored.status.observedGeneration = 4;
    stored.status.inSync = "1/1";
    return stored;
}

StateDirectory open(const std::string& path, StateDirectory::Access access = StateDirectory::Access::kExclusive) {
    auto state = StateDirectory::open(path, access);
    REQUIRE(state.has_value());
    return std::move(*state);
}

}  // namespace

TEST_CASE("what is stored of a binding comes back", "[files][state]") {
    const test::TempDirectory dir;
    {
        const StateDirectory state = open(dir.path("deep/state"));
        CHECK_FALSE(state.load(kShop).has_value());
        REQUIRE(state.save(kShop, stored()).has_value());
    }
    const auto back = open(dir.path("deep/state")).load(kShop);
    REQUIRE(back.has_value());
    CHECK(back->generation == 4);
    CHECK(back->specDigest == "abc");
    CHECK(back->creationTimestamp == stored().creationTimestamp);
    CHECK(back->status == stored().status);
    CHECK_FALSE(fs::exists(dir.path("deep/state/status/default/shop.json.new")));
}

TEST_CASE("a stored status that is damaged is made anew", "[files][state]") {
    const test::TempDirectory dir;
    const StateDirectory state = open(dir.path());
    for (const char* text : {"", "{", "[]", "null", "{\"metadata\": 3}", "\xff\xfe",
                             R"({"metadata": {"namespace": "default", "name": "shop", "generation": 1}})",
                             R"({"metadata": {"namespace": "default", "name": "other", "generation": 1,
                                 "creationTimestamp": "2026-11-22T08:00:00Z"}})"}) {
        INFO(text);
        dir.write("status/default/shop.json", text);
        CHECK_FALSE(state.load(kShop).has_value());
        REQUIRE(state.save(kShop, stored()).has_value());
        CHECK(state.load(kShop).has_value());
    }
}

TEST_CASE("what is removed is gone, and removed again without complaint", "[files][state]") {
    const test::TempDirectory dir;
    const StateDirectory state = open(dir.path());
    REQUIRE(state.save(kShop, stored()).has_value());
    state.remove(kShop);
    CHECK_FALSE(state.load(kShop).has_value());
    state.remove(kShop);
}

TEST_CASE("two that change things do not work from one state", "[files][state]") {
    const test::TempDirectory dir;
    {
        const StateDirectory first = open(dir.path());
        const auto second = StateDirectory::open(dir.path(), StateDirectory::Access::kExclusive);
        REQUIRE_FALSE(second.has_value());
        CHECK_THAT(second.error().message(), CERTBINDER_CONTAINS("--state-dir"));
        // Who only looks may look.
        CHECK(StateDirectory::open(dir.path(), StateDirectory::Access::kShared).has_value());
    }
    CHECK(StateDirectory::open(dir.path(), StateDirectory::Access::kExclusive).has_value());
}

TEST_CASE("a reader makes nothing", "[files][state]") {
    const test::TempDirectory dir;
    const StateDirectory state = open(dir.path("state"), StateDirectory::Access::kShared);
    CHECK_FALSE(state.load(kShop).has_value());
    CHECK_FALSE(fs::exists(dir.path("state")));
}

TEST_CASE("a state directory that cannot be made or written is told", "[files][state]") {
    const test::TempDirectory dir;
    const std::string file = dir.write("file", "");
    const auto inFile = StateDirectory::open(file + "/state", StateDirectory::Access::kExclusive);
    REQUIRE_FALSE(inFile.has_value());
    CHECK(inFile.error().reason() == base::Reason::kInvalidSpec);
    CHECK_THAT(inFile.error().message(), CERTBINDER_CONTAINS(file) && CERTBINDER_CONTAINS("--state-dir"));
    const StateDirectory state = open(dir.path("state"));
    dir.write("state/status/default", "a file where a directory should be");
    CHECK_FALSE(state.save(kShop, stored()).has_value());
}
