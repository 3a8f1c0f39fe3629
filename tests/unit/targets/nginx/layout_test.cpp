#include "targets/nginx/layout.h"

#include "support/test.h"

namespace certbinder::targets::nginx {

namespace {
const std::string kDigest(64, 'a');
}

TEST_CASE("both paths lead through one live link", "[nginx][layout]") {
    const Layout layout = Layout::of("/etc/ssl/a.pem", "/etc/ssl/a.key", Room::kShared);
    CHECK(layout.room == "/etc/ssl/.certbinder");
    CHECK(layout.live() == "/etc/ssl/.certbinder/live");
    CHECK(layout.certificateLink == ".certbinder/live/a.pem");
    CHECK(layout.privateKeyLink == ".certbinder/live/a.key");
}

TEST_CASE("a second pair of a directory has a room of its own", "[nginx][layout]") {
    const Layout layout = Layout::of("/etc/ssl/a.pem", "/etc/ssl/a.key", Room::kOwn);
    CHECK(layout.room == "/etc/ssl/.certbinder/a.pem");
    CHECK(layout.certificateLink == ".certbinder/a.pem/live/a.pem");
    CHECK(layout.privateKeyLink == ".certbinder/a.pem/live/a.key");
}

TEST_CASE("a key in another directory is linked by an absolute path", "[nginx][layout]") {
    const Layout layout = Layout::of("/etc/ssl/certs/a.pem", "/etc/ssl/private/a.key", Room::kShared);
    CHECK(layout.privateKeyLink == "/etc/ssl/certs/.certbinder/live/a.key");
    const Layout below = Layout::of("/etc/ssl/a.pem", "/etc/ssl/private/a.key", Room::kShared);
    CHECK(below.privateKeyLink == "/etc/ssl/.certbinder/live/a.key");
}

TEST_CASE("two files of the same name keep apart in a version", "[nginx][layout]") {
    const Layout layout = Layout::of("/certs/shop.pem", "/keys/shop.pem", Room::kShared);
    CHECK(layout.certificateName == "shop.pem");
    CHECK(layout.privateKeyName == "key-shop.pem");
}

TEST_CASE("files right below the root work", "[nginx][layout]") {
    const Layout layout = Layout::of("/a.pem", "/a.key", Room::kShared);
    CHECK(layout.room == "/.certbinder");
    CHECK(layout.certificateLink == ".certbinder/live/a.pem");
    CHECK(layout.privateKeyLink == ".certbinder/live/a.key");
    CHECK(temporaryOf("/a.pem") == "/.a.pem.certbinder-new");
}

TEST_CASE("only what versions are called counts as a version", "[nginx][layout]") {
    CHECK(isVersionName(kDigest));
    CHECK(isVersionName(kDigest + "-2"));
    CHECK(isVersionName("unreadable-" + kDigest));
    for (const std::string& name :
         {std::string("live"), std::string("shop.pem"), std::string(63, 'a'), kDigest + "-", kDigest + "x",
          kDigest + "-x", kDigest + "/..", kDigest + "-12345", std::string(64, 'G'), std::string()}) {
        CAPTURE(name);
        CHECK_FALSE(isVersionName(name));
    }
}

TEST_CASE("only plain absolute paths are normalised", "[nginx][layout]") {
    CHECK(isNormalised("/etc/ssl/a b.pem"));
    for (const char* path : {"", "/", "a.pem", "etc/a.pem", "/etc/../a.pem", "/etc/./a.pem", "/etc//a.pem", "/etc/"}) {
        CAPTURE(path);
        CHECK_FALSE(isNormalised(path));
    }
}

}  // namespace certbinder::targets::nginx
