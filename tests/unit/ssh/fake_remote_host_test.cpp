#include "support/fake_remote_host.h"

#include "support/test.h"

using namespace certbinder;
using base::Reason;
using ssh::FileStatus;
using test::FakeConnector;
using test::FakeMachine;
using test::FakeRemoteHost;

namespace {

std::shared_ptr<FakeMachine> machine() {
    auto made = std::make_shared<FakeMachine>();
    made->putDirectory("/etc");
    return made;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a fake machine resolves links as POSIX does", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->put("/data/v1/cert", "one");
    box->putLink("v1", "/data/live");
    box->putLink("../data/live/cert", "/etc/relative");
    box->putLink("/data/live/cert", "/etc/absolute");
    box->putLink("loop2", "/etc/loop1");
    box->putLink("loop1", "/etc/loop2");
    box->putLink("nowhere", "/etc/dangling");

    CHECK(host.readFile("/etc/relative", 100)->reveal() == "one");
    CHECK(host.readFile("/etc/absolute", 100)->reveal() == "one");
    CHECK(host.readFile("/etc/../data/./live/cert", 100)->reveal() == "one");
    CHECK(host.readLink("/etc/relative").value() == "../data/live/cert");
    CHECK(host.stat("/etc/relative")->value().kind == FileStatus::Kind::kFile);
    CHECK(host.lstat("/etc/relative")->value().kind == FileStatus::Kind::kLink);
    CHECK(host.lstat("/data/live/cert")->value().kind == FileStatus::Kind::kFile);
    CHECK_FALSE(host.stat("/etc/loop1")->has_value());
    CHECK(host.lstat("/etc/loop1")->has_value());
    CHECK_FALSE(host.stat("/etc/dangling")->has_value());
    CHECK_FALSE(host.stat("/etc/absolute/below")->has_value());
    CHECK_FALSE(host.readFile("/etc/absolute", 2).has_value());
    CHECK(host.list("/data/live").value() == Lines{"cert"});
    CHECK(host.list("/").value() == Lines{"data", "etc"});
}

TEST_CASE("a fake rename switches in one step and replaces what is there", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->put("/d/v1/cert", "one");
    box->put("/d/v2/cert", "two");
    box->putLink("v1", "/d/live");
    REQUIRE(host.createLink("v2", "/d/next"));
    REQUIRE(host.rename("/d/next", "/d/live"));
    CHECK(box->contents("/d/live/cert") == "two");
    CHECK(box->linkTarget("/d/live") == "v2");
    CHECK_FALSE(box->linkStatus("/d/next"));

    REQUIRE(host.rename("/d/v1", "/d/old"));
    CHECK(box->contents("/d/old/cert") == "one");
    CHECK_FALSE(host.rename("/d/old", "/d/v2").has_value());
    CHECK_FALSE(host.rename("/d/v2/cert", "/d/old").has_value());
    CHECK_FALSE(host.rename("/d/missing", "/d/x").has_value());
    CHECK_FALSE(host.rename("/d/old", "/d/old/inside").has_value());
}

TEST_CASE("a fake createFile is exclusive and does not follow links", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->putLink("/etc/victim", "/etc/trap");
    CHECK_FALSE(host.createFile("/etc/trap", "x", 0600).has_value());
    CHECK_FALSE(box->exists("/etc/victim"));
    REQUIRE(host.createFile("/etc/new", "x", 0600));
    CHECK(box->status("/etc/new")->mode == 0600);
    CHECK_FALSE(host.createFile("/etc/new", "y", 0600).has_value());
    CHECK_FALSE(host.createFile("/missing/new", "y", 0600).has_value());
    CHECK(box->contents("/etc/new") == "x");
}

TEST_CASE("fake removals succeed for what is not there and refuse what is not empty", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->put("/d/f", "x");
    CHECK(host.removeFile("/d/none").has_value());
    CHECK(host.removeFile("/none/none").has_value());
    CHECK(host.removeDirectory("/none").has_value());
    CHECK_FALSE(host.removeFile("/d").has_value());
    CHECK_FALSE(host.removeDirectory("/d/f").has_value());
    CHECK_FALSE(host.removeDirectory("/d").has_value());
    CHECK(host.removeFile("/d/f").has_value());
    CHECK(host.removeDirectory("/d").has_value());
    CHECK(box->tree() == Lines{"/etc/"});
}

TEST_CASE("a fake plain user meets permissions and root does not", "[ssh][fake]") {
    auto box = machine();
    box->put("/etc/key", "k", 0600);
    box->putDirectory("/home/web", 0700, {1000, 1000});
    box->putDirectory("/root", 0700);
    FakeRemoteHost plain(box, {1000, 1000});
    CHECK(plain.readFile("/etc/key", 10).error().reason() == Reason::kPermissionDenied);
    CHECK(plain.createFile("/etc/x", "", 0600).error().reason() == Reason::kPermissionDenied);
    CHECK(plain.stat("/root/x").error().reason() == Reason::kPermissionDenied);
    CHECK(plain.setOwner("/etc/key", {1000, 1000}).error().reason() == Reason::kPermissionDenied);
    CHECK(plain.setMode("/etc/key", 0777).error().reason() == Reason::kPermissionDenied);
    REQUIRE(plain.createFile("/home/web/x", "mine", 0600));
    CHECK(box->owner("/home/web/x")->uid == 1000);
    CHECK(plain.setMode("/home/web/x", 0640).has_value());

    FakeRemoteHost root(box);
    CHECK(root.readFile("/home/web/x", 10)->reveal() == "mine");
    CHECK(root.setOwner("/home/web/x", {33, 33}).has_value());
    CHECK(box->owner("/home/web/x")->gid == 33);
}

TEST_CASE("a fake connection lost at any operation leaves the state of the operations before it", "[ssh][fake]") {
    for (std::size_t happened = 0; happened <= 3; ++happened) {
        auto box = machine();
        FakeRemoteHost host(box);
        box->loseConnectionAfter(happened);
        const bool all =
            host.createDirectory("/d", 0700) && host.createFile("/d/f", "x", 0600) && host.rename("/d/f", "/d/g");
        CHECK(all == (happened == 3));
        CHECK(box->journal().size() == happened);
        CHECK_FALSE(host.run({"true"}).has_value());
        CHECK(host.stat("/").error().reason() == Reason::kUnreachable);
        CHECK(box->exists("/d") == (happened >= 1));
        CHECK(box->exists("/d/g") == (happened >= 3));

        box->recover();
        CHECK_FALSE(host.stat("/").has_value());
        CHECK(FakeRemoteHost(box).stat("/").has_value());
    }
}

TEST_CASE("a fake lost answer is an operation that happened", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->loseAnswerOf(2);
    REQUIRE(host.createFile("/etc/a", "", 0600));
    CHECK(host.createFile("/etc/b", "", 0600).error().reason() == Reason::kUnreachable);
    CHECK(box->exists("/etc/b"));
    CHECK(host.list("/etc").error().reason() == Reason::kUnreachable);
}

TEST_CASE("a fake journal tells operations and commands and what was judged", "[ssh][fake]") {
    auto box = machine();
    FakeRemoteHost host(box);
    box->onCommand([](FakeMachine& on, const std::vector<std::string>& command) -> base::Expected<ssh::CommandResult> {
        on.put("/ran", command.back());
        return ssh::CommandResult{0, "", "fine\n"};
    });
    box->interpose([](const std::string& operation) -> std::optional<base::Error> {
        if (operation.rfind("rename", 0) == 0) {
            return base::Error(Reason::kInternalError, "no space left on device");
        }
        return std::nullopt;
    });
    int states = 0;
    box->observe([&](const FakeMachine& on) { states += on.exists("/etc/a") ? 1 : 0; });
    REQUIRE(host.createFile("/etc/a", "secret", 0600));
    CHECK(host.rename("/etc/a", "/etc/b").error().bareMessage() == "no space left on device");
    REQUIRE(host.run({"nginx", "-t"}).value().ok());
    CHECK(host.setMode("/etc/none", 0644).error().reason() == Reason::kInternalError);
    CHECK(box->journal() == Lines{"createFile 0600 /etc/a", "run nginx -t"});
    CHECK(box->contents("/ran") == "-t");
    CHECK(states == 2);
}

TEST_CASE("a fake connector leads users to machines", "[ssh][fake]") {
    auto box = machine();
    box->addUser("web", {1000, 1000});
    FakeConnector connector;
    connector.add("10.0.0.4", 22, box);
    const ssh::Credentials none;
    auto host = connector.connect({"10.0.0.4", 22, "web", &none}, {});
    REQUIRE(host);
    CHECK_FALSE((*host)->createFile("/etc/x", "", 0644).has_value());
    CHECK(connector.connect({"10.0.0.5", 22, "web", &none}, {}).error().reason() == Reason::kUnreachable);
    connector.refuse("10.0.0.4", 22, base::Error(Reason::kAuthenticationFailed, "no"));
    CHECK(connector.connect({"10.0.0.4", 22, "web", &none}, {}).error().reason() == Reason::kAuthenticationFailed);
    connector.refuse("10.0.0.4", 22, std::nullopt);
    box->loseConnectionAfter(0);
    CHECK((*connector.connect({"10.0.0.4", 22, "root", &none}, {}))->createDirectory("/d", 0755).error().reason() ==
          Reason::kUnreachable);
    CHECK(connector.connect({"10.0.0.4", 22, "root", &none}, {}).error().reason() == Reason::kUnreachable);
    CHECK(connector.logins().size() == 5);
}
