#include "ssh/libssh2_connector.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "support/real_sshd.h"
#include "support/test.h"

using namespace certbinder;
using base::Reason;
using ssh::FileStatus;
using test::RealSshd;
using namespace std::chrono_literals;

namespace {

base::CallContext soon(std::chrono::milliseconds limit = 20s) {
    return base::CallContext{}.within(limit);
}

/// A host logged in to, with a directory to work in.
struct Box {
    explicit Box(const RealSshd::Options& options = {}) : sshd(options), credentials(sshd.credentials()) {
        host = session();
        work = sshd.directory().file("work");
        REQUIRE(::mkdir(work.c_str(), 0755) == 0);
    }

    std::unique_ptr<ssh::RemoteHost> session() {
        auto connected = connector->connect(sshd.login(credentials), soon());
        INFO((connected ? "" : connected.error().message()));
        REQUIRE(connected);
        return std::move(*connected);
    }

    std::string at(const std::string& name) const { return work + "/" + name; }

    RealSshd sshd;
    ssh::Credentials credentials;
    std::unique_ptr<ssh::Connector> connector = ssh::makeLibssh2Connector();
    std::unique_ptr<ssh::RemoteHost> host;
    std::string work;
};

std::uint32_t modeOf(const std::string& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

template <typename T>
std::string said(const base::Expected<T>& result) {
    return result ? "(no error)" : result.error().message();
}

}  // namespace

TEST_CASE("files and directories are created with exactly their mode", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    for (const std::uint32_t mode : {0600U, 0640U, 0666U, 0777U}) {
        const std::string name = box.at("f" + std::to_string(mode));
        const auto made = box.host->createFile(name, "bytes", mode);
        INFO(said(made));
        REQUIRE(made);
        CHECK(modeOf(name) == mode);
        CHECK(test::readText(name) == "bytes");
    }
    REQUIRE(box.host->createDirectory(box.at("d"), 0777));
    CHECK(modeOf(box.at("d")) == 0777);
    REQUIRE(box.host->setMode(box.at("d"), 0700));
    CHECK(modeOf(box.at("d")) == 0700);
    REQUIRE(box.host->createFile(box.at("empty"), "", 0600));
    CHECK(test::readText(box.at("empty")).empty());

    const auto again = box.host->createFile(box.at("empty"), "x", 0600);
    CHECK(again.error().reason() == Reason::kInternalError);
    CHECK_THAT(said(again), CERTBINDER_CONTAINS("something is already there"));
    CHECK_THAT(said(box.host->createDirectory(box.at("d"), 0700)), CERTBINDER_CONTAINS("something is already there"));
    CHECK_THAT(said(box.host->createFile(box.at("none/x"), "x", 0600)), CERTBINDER_CONTAINS("no such file"));
    CHECK(box.host->list(box.work).value() == std::vector<std::string>{"d", "empty", "f384", "f416", "f438", "f511"});
}

TEST_CASE("large files arrive whole and are read no further than asked", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    std::string large(700'001, 'x');
    for (std::size_t i = 0; i < large.size(); i += 97) {
        large[i] = static_cast<char>(i);
    }
    REQUIRE(box.host->createFile(box.at("large"), large, 0600));
    CHECK(box.host->readFile(box.at("large"), large.size())->reveal() == large);
    CHECK_THAT(said(box.host->readFile(box.at("large"), large.size() - 1)), CERTBINDER_CONTAINS("larger than"));
    CHECK_THAT(said(box.host->readFile(box.work, 10)), CERTBINDER_CONTAINS("not a file"));
    CHECK_THAT(said(box.host->readFile(box.at("none"), 10)), CERTBINDER_CONTAINS("no such file"));
    REQUIRE(::mkfifo(box.at("pipe").c_str(), 0600) == 0);
    CHECK_THAT(said(box.host->readFile(box.at("pipe"), 10)), CERTBINDER_CONTAINS("not a file"));
}

TEST_CASE("links are made, read and switched by one rename", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    REQUIRE(box.host->createDirectory(box.at("v1"), 0700));
    REQUIRE(box.host->createDirectory(box.at("v2"), 0700));
    REQUIRE(box.host->createFile(box.at("v2/cert"), "two", 0644));
    const auto linked = box.host->createLink("v1", box.at("live"));
    INFO(said(linked));
    REQUIRE(linked);
    CHECK(box.host->readLink(box.at("live")).value() == "v1");
    REQUIRE(box.host->createLink("v2", box.at("next")));
    const auto switched = box.host->rename(box.at("next"), box.at("live"));
    INFO(said(switched));
    REQUIRE(switched);
    CHECK(test::readText(box.at("live/cert")) == "two");
    CHECK(box.host->lstat(box.at("live"))->value().kind == FileStatus::Kind::kLink);
    CHECK(box.host->stat(box.at("live"))->value().kind == FileStatus::Kind::kDirectory);
    CHECK_FALSE(box.host->stat(box.at("none"))->has_value());
    CHECK_FALSE(box.host->stat(box.at("v2/cert/below"))->has_value());
    CHECK_FALSE(box.host->readLink(box.at("v2")).has_value());
    CHECK_THAT(said(box.host->createLink("v1", box.at("live"))), CERTBINDER_CONTAINS("something is already there"));
    CHECK_THAT(said(box.host->createLink("v1", box.at("none/live"))), CERTBINDER_CONTAINS("no such file"));
    CHECK(box.host->createLink("/nowhere/at all", box.at("dangling")).has_value());
    CHECK(box.host->readLink(box.at("dangling")).value() == "/nowhere/at all");
    CHECK_FALSE(box.host->rename(box.at("none"), box.at("x")).has_value());

    CHECK_FALSE(box.host->removeDirectory(box.at("v2")).has_value());
    CHECK(box.host->removeFile(box.at("v2/cert")).has_value());
    CHECK(box.host->removeFile(box.at("v2/cert")).has_value());
    CHECK(box.host->removeDirectory(box.at("v2")).has_value());
    CHECK(box.host->removeDirectory(box.at("v2")).has_value());
    CHECK(box.host->removeFile(box.at("live")).has_value());
}

TEST_CASE("owners are set where the user may, and told", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    REQUIRE(box.host->createFile(box.at("f"), "x", 0600));
    const bool root = ::getuid() == 0;
    const ssh::Owner owner = root ? ssh::Owner{33, 34} : ssh::Owner{::getuid(), ::getgid()};
    REQUIRE(box.host->setOwner(box.at("f"), owner));
    const auto status = box.host->stat(box.at("f")).value();
    CHECK(status->uid == owner.uid);
    CHECK(status->gid == owner.gid);
    CHECK(status->mode == 0600);
    CHECK(status->size == 1);
    CHECK_FALSE(box.host->setOwner(box.at("none"), owner).has_value());
}

TEST_CASE("a command tells its status, its signal and its output", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    auto fine = box.host->run({"sh", "-c", "echo out; echo err >&2"});
    INFO(said(fine));
    REQUIRE(fine);
    CHECK(fine->ok());
    CHECK_THAT(fine->output, CERTBINDER_CONTAINS("out\n"));
    CHECK_THAT(fine->output, CERTBINDER_CONTAINS("err\n"));
    CHECK(box.host->run({"sh", "-c", "exit 7"})->exitStatus == 7);
    CHECK(box.host->run({"no-such-program"})->exitStatus == 127);
    const auto killed = box.host->run({"sh", "-c", "kill -KILL $$"}).value();
    // The login shell may stay between, and then reports the signal as a status.
    CHECK((killed.signal == "KILL" || killed.exitStatus == 128 + 9));
    CHECK_FALSE(killed.ok());
    CHECK(box.host->run({"cat"})->ok());  // its input is empty
    CHECK(box.host->run({}).error().reason() == Reason::kInvalidSpec);

    const auto loud = box.host->run({"sh", "-c", "head -c 3000000 /dev/zero; exit 3"}).value();
    CHECK(loud.output.size() == 16 * 1024);
    CHECK(loud.exitStatus == 3);

    const std::vector<std::string> hostile = {"it's", "$(id)", "`id`", "a\nb", "*", "", "\\", "; id", "\"", "-n"};
    std::vector<std::string> command = {"printf", "<%s>"};
    std::string expected;
    for (const std::string& argument : hostile) {
        command.push_back(argument);
        expected += "<" + argument + ">";
    }
    CHECK(box.host->run(command)->output == expected);
}

TEST_CASE("a command that hangs ends with its deadline, and the session with it", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    const auto started = std::chrono::steady_clock::now();
    box.host->setContext(soon(300ms));
    const auto hung = box.host->run({"sleep", "600"});
    CHECK(hung.error().reason() == Reason::kUnreachable);
    CHECK_THAT(said(hung), CERTBINDER_CONTAINS("running 'sleep' '600'"));
    CHECK_THAT(said(hung), CERTBINDER_CONTAINS("no answer in time"));
    CHECK(std::chrono::steady_clock::now() - started < 3s);
    box.host->setContext(soon());
    CHECK(box.host->stat("/").error().reason() == Reason::kUnreachable);
    box.host.reset();
    CHECK(std::chrono::steady_clock::now() - started < 3s);
}

TEST_CASE("a stop ends a call at once", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    std::stop_source stop;
    base::CallContext context = soon();
    context.stop = stop.get_token();
    box.host->setContext(context);
    const std::string mark = box.at("running");
    std::jthread stopper([&] {
        test::eventually([&] { return ::access(mark.c_str(), F_OK) == 0; });
        stop.request_stop();
    });
    const auto started = std::chrono::steady_clock::now();
    const auto stopped = box.host->run({"sh", "-c", "touch " + mark + "; exec sleep 600"});
    CHECK(stopped.error().reason() == Reason::kUnreachable);
    CHECK_THAT(said(stopped), CERTBINDER_CONTAINS("stopped"));
    CHECK(std::chrono::steady_clock::now() - started < 10s);
}

TEST_CASE("a server that dies is unreachable, not a hang", "[ssh][sshd]") {
    Box box({{"ed25519"}, {}, true});
    REQUIRE(box.host->stat("/").has_value());
    box.sshd.kill();
    CHECK(box.host->stat("/").error().reason() == Reason::kUnreachable);
    CHECK(box.host->run({"true"}).error().reason() == Reason::kUnreachable);
    CHECK(box.connector->connect(box.sshd.login(box.credentials), soon()).error().reason() == Reason::kUnreachable);
}

TEST_CASE("a server without SFTP is told as such", "[ssh][sshd]") {
    Box without({{"ed25519"}, {}, false});
    const auto refused = without.host->stat("/");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == Reason::kInternalError);
    CHECK_THAT(said(refused), CERTBINDER_CONTAINS("Subsystem sftp internal-sftp"));

    // One that is named and ends at once leaves the channel without an answer.
    Box broken({{"ed25519"}, {"Subsystem sftp /bin/false"}, false});
    broken.host->setContext(soon(500ms));
    const auto silent = broken.host->stat("/");
    REQUIRE_FALSE(silent);
    CHECK_THAT(said(silent), CERTBINDER_CONTAINS("starting SFTP"));
}

TEST_CASE("many sessions work side by side and leave no descriptor behind", "[ssh][sshd]") {
    Box box({{"ed25519"}, {"MaxSessions 100"}, true});
    const auto descriptors = [] {
        std::size_t count = 0;
        for (int fd = 0; fd < 1024; ++fd) {
            struct stat status {};
            count += ::fstat(fd, &status) == 0 ? 1 : 0;
        }
        return count;
    };
    const std::size_t before = descriptors();
    std::atomic<int> done = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 50; ++i) {
            threads.emplace_back([&box, &done, i] {
                auto host = box.connector->connect(box.sshd.login(box.credentials), soon(60s));
                const std::string name = box.at("s" + std::to_string(i));
                if (host && (*host)->createFile(name + ".new", name, 0600) && (*host)->rename(name + ".new", name) &&
                    (*host)->run({"test", "-f", name}).value_or(ssh::CommandResult{}).ok()) {
                    ++done;
                }
            });
        }
    }
    CHECK(done == 50);
    CHECK(descriptors() == before);
}
