#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/time_text.h"
#include "cli/app.h"
#include "document/json.h"
#include "files/state_directory.h"
#include "support/bindings.h"
#include "support/fake_random.h"
#include "support/fake_source.h"
#include "support/fake_target.h"
#include "support/manifest_texts.h"
#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;

namespace {

/// Sends a stream of the process to a file while it lives.
class Captured {
  public:
    Captured(FILE* stream, const std::string& file) : stream_(stream), file_(file) {
        std::cout.flush();
        std::fflush(stream_);
        saved_ = ::dup(::fileno(stream_));
        const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ::dup2(fd, ::fileno(stream_));
        ::close(fd);
    }
    ~Captured() {
        std::cout.flush();
        std::fflush(stream_);
        ::dup2(saved_, ::fileno(stream_));
        ::close(saved_);
    }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;

  private:
    FILE* stream_;
    std::string file_;
    int saved_;
};

std::string textOf(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// Wall time that certificates of the tests are valid at, steady time of the machine.
class TestClock final : public base::Clock {
  public:
    base::SteadyTime steadyNow() const override { return base::systemClock().steadyNow(); }
    base::WallTime wallNow() const override { return *base::parseTime("2026-11-22T08:00:00Z"); }
    bool waitUntil(base::SteadyTime time, std::stop_token stop) const override {
        return base::systemClock().waitUntil(time, stop);
    }
};

class FakeServices final : public cli::Services {
  public:
    FakeServices(test::FakeSource& source, test::FakeTarget& target) : source_(source), target_(target) {}
    binding::Providers providers() override { return {source_, source_, target_, target_}; }

  private:
    test::FakeSource& source_;
    test::FakeTarget& target_;
};

struct Result {
    int code = -1;
    std::string out;
    std::string err;
};

struct World {
    World() { source.give("shop-tls", test::bundleOf(test::certificateNamed('b'))); }

    Result run(std::vector<std::string> arguments, bool withFiles = true) {
        arguments.insert(arguments.begin(), "certbinder");
        if (withFiles) {
            for (const char* more : {"-f", "in", "--state-dir", "state"}) {
                arguments.push_back(more[0] == '-' ? more : dir.path(more));
            }
        }
        std::vector<const char*> argv;
        for (const std::string& argument : arguments) {
            argv.push_back(argument.c_str());
        }
        Result result;
        {
            const Captured out(stdout, outside.path("out"));
            const Captured err(stderr, outside.path("err"));
            result.code = cli::runCommandLine(static_cast<int>(argv.size()), argv.data(), app);
        }
        result.out = textOf(outside.path("out"));
        result.err = textOf(outside.path("err"));
        return result;
    }

    void writeAll(const std::string& binding = test::bindingYaml("shop")) {
        dir.write("in/a.yaml", binding + "---\n" + test::secretYaml("shop-tls", "hunter2") + "---\n" +
                                   test::secretYaml("web-ssh", "hunter2"));
    }

    test::TempDirectory dir;
    test::TempDirectory outside;
    test::FakeSource source;
    test::FakeTarget target;
    TestClock clock;
    test::FakeRandom random;
    int servicesMade = 0;
    bool ambient = false;
    cli::App app{[this](const cli::Options& options) {
                     ambient = options.ambient;
                     ++servicesMade;
                     return std::make_unique<FakeServices>(source, target);
                 },
                 {{"certbinder", "1.2.3"}, {"OpenSSL", "3.0"}},
                 clock,
                 random};
};

document::Value json(const std::string& text) {
    auto value = document::parseJson(text);
    REQUIRE(value.has_value());
    return *value;
}

}  // namespace

TEST_CASE("mistakes on the command line exit with 1, never 2", "[cli]") {
    World world;
    world.writeAll();
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{},
                                               {"plna"},
                                               {"plan"},
                                               {"plan", "--nonsense"},
                                               {"apply", "-f"},
                                               {"plan", "-f", "x", "-o", "xml"},
                                               {"plan", "-f", "x", "--workers", "0"},
                                               {"run", "-f", "x", "--log-level", "loud"},
                                               {"validate"}}) {
        const Result result = world.run(arguments, false);
        CHECK(result.code == 1);
        CHECK(result.out.empty());
        CHECK_FALSE(result.err.empty());
    }
    CHECK(world.servicesMade == 0);
}

TEST_CASE("help is no mistake", "[cli]") {
    World world;
    for (const char* command : {"run", "apply", "plan", "status", "validate", "version"}) {
        const Result result = world.run({command, "--help"}, false);
        CHECK(result.code == 0);
        CHECK_THAT(world.run({"--help"}, false).out, CERTBINDER_CONTAINS(command));
    }
}

TEST_CASE("the environment counts only where that is asked for", "[cli]") {
    for (const char* command : {"plan", "apply"}) {
        World world;
        world.writeAll();
        world.run({command});
        CHECK_FALSE(world.ambient);
        world.run({command, "--ambient-credentials"});
        CHECK(world.ambient);
    }
}

TEST_CASE("the version names the parts", "[cli]") {
    World world;
    const Result table = world.run({"version"}, false);
    CHECK(table.code == 0);
    CHECK_THAT(table.out, CERTBINDER_CONTAINS("certbinder   1.2.3") && CERTBINDER_CONTAINS("OpenSSL      3.0"));
    const Result structured = world.run({"version", "-o", "json"}, false);
    CHECK(json(structured.out)["certbinder"].asString() == "1.2.3");
    CHECK(world.servicesMade == 0);
}

TEST_CASE("plan tells changes by 2, none by 0, and touches nothing", "[cli]") {
    World world;
    world.writeAll();
    const Result before = world.run({"plan", "-o", "json"});
    CHECK(before.code == 2);
    REQUIRE(json(before.out)["items"].asList().size() == 1);
    const document::Value item = json(before.out)["items"].asList()[0];
    CHECK(item["namespace"].asString() == "default");
    CHECK(item["name"].asString() == "shop");
    CHECK(item["endpoint"].asString() == "10.0.0.4:22");
    CHECK(item["action"].asString() == "Deploy");
    CHECK(item["reason"].asString() == "FirstDeployment");
    CHECK(item["fromFingerprint"].asString().empty());
    CHECK(item["toFingerprint"].asString() == test::fingerprintOf('b'));
    CHECK_FALSE(std::filesystem::exists(world.dir.path("state")));
    CHECK(world.target.calls() == std::vector<std::string>{"full 10.0.0.4:22"});
    CHECK(world.run({"plan", "-o", "name"}).out == "certificatebinding.certbinder.io/shop\n");
    CHECK_THAT(world.run({"plan"}).out, CERTBINDER_CONTAINS("Deploy") && CERTBINDER_CONTAINS("default/shop"));
    REQUIRE(world.run({"apply"}).code == 0);
    const Result after = world.run({"plan", "-o", "json"});
    CHECK(after.code == 0);
    CHECK(json(after.out)["items"].asList()[0]["action"].asString() == "None");
    CHECK(world.run({"plan", "-o", "name"}).out.empty());
}

TEST_CASE("plan tells errors by 1", "[cli]") {
    World world;
    world.writeAll();
    SECTION("of an endpoint") {
        world.target.change("10.0.0.4:22",
                            [](auto& site) { site.lookError = base::Error(base::Reason::kUnreachable, "no route"); });
        const Result result = world.run({"plan", "-o", "json"});
        CHECK(result.code == 1);
        CHECK(json(result.out)["items"].asList()[0]["action"].asString() == "Blocked");
        CHECK(json(result.out)["items"].asList()[0]["reason"].asString() == "Unreachable");
    }
    SECTION("of the source") {
        world.source.fail(base::Error(base::Reason::kSourceNotFound, "gone"));
        CHECK(world.run({"plan"}).code == 1);
    }
    SECTION("a downgrade that is refused") {
        world.target.change("10.0.0.4:22", [](auto& site) {
            site.deployed = site.served = test::certificateNamed('n', *base::parseTime("2026-11-20T00:00:00Z"));
        });
        const Result result = world.run({"plan", "-o", "json"});
        CHECK(result.code == 1);
        CHECK(json(result.out)["items"].asList()[0]["action"].asString() == "Refuse");
        CHECK(json(result.out)["items"].asList()[0]["reason"].asString() == "DowngradeRefused");
        CHECK(json(result.out)["items"].asList()[0]["fromFingerprint"].asString() == test::fingerprintOf('n'));
    }
    SECTION("of a file") {
        world.dir.write("in/b.yaml", "broken: [\n");
        const Result result = world.run({"plan"});
        CHECK(result.code == 1);
        CHECK_THAT(result.err, CERTBINDER_CONTAINS("b.yaml:"));
        CHECK_THAT(result.out, CERTBINDER_CONTAINS("default/shop"));
    }
}

TEST_CASE("a suspended binding has nothing planned", "[cli]") {
    World world;
    world.writeAll(test::bindingYaml("shop", "10.0.0.4", "  suspend: true\n"));
    const Result result = world.run({"plan", "-o", "json"});
    CHECK(result.code == 0);
    CHECK(json(result.out)["items"].asList()[0]["reason"].asString() == "Suspended");
    CHECK(world.target.calls().empty());
}

TEST_CASE("apply converges, records and shows", "[cli]") {
    World world;
    world.writeAll();
    const Result result = world.run({"apply"});
    CHECK(result.code == 0);
    CHECK_THAT(result.out, CERTBINDER_CONTAINS("True") && CERTBINDER_CONTAINS("1/1"));
    CHECK(result.out.find("hunter2") == std::string::npos);
    CHECK(result.err.find("hunter2") == std::string::npos);
    const Result status = world.run({"status", "-o", "json"});
    CHECK(status.code == 0);
    CHECK(json(status.out)["kind"].asString() == "List");
    CHECK(json(status.out)["items"].asList()[0]["status"]["inSync"].asString() == "1/1");
    CHECK(status.out.find("hunter2") == std::string::npos);
}

TEST_CASE("apply exits with 1 unless all are Ready", "[cli]") {
    World world;
    SECTION("one that fails") {
        world.writeAll();
        world.dir.write("in/b.yaml", test::bindingYaml("other", "10.0.0.5"));
        world.target.change(
            "10.0.0.5:22", [](auto& site) { site.actError = base::Error(base::Reason::kReloadFailed, "nginx: gone"); });
        const Result result = world.run({"apply"});
        CHECK(result.code == 1);
        CHECK_THAT(result.out, CERTBINDER_CONTAINS("ReloadFailed"));
        // What failed before is tried again.
        world.target.change("10.0.0.5:22", [](auto& site) { site.actError.reset(); });
        CHECK(world.run({"apply"}).code == 0);
    }
    SECTION("a file that is broken, although all others are in sync") {
        world.writeAll();
        world.dir.write("in/b.yaml", "broken: [\n");
        CHECK(world.run({"apply"}).code == 1);
        CHECK(world.target.site("10.0.0.4:22").deployed.has_value());
    }
    SECTION("nothing to apply") {
        world.dir.write("in/readme.md", "");
        const Result result = world.run({"apply"});
        CHECK(result.code == 1);
        CHECK_THAT(result.err, CERTBINDER_CONTAINS("no CertificateBinding was found"));
    }
    SECTION("a path that is missing") {
        CHECK(world.run({"apply"}).code == 1);
    }
    SECTION("a state directory that is in use") {
        world.writeAll();
        const auto other =
            files::StateDirectory::open(world.dir.path("state"), files::StateDirectory::Access::kExclusive);
        const Result result = world.run({"apply"});
        CHECK(result.code == 1);
        CHECK_THAT(result.err, CERTBINDER_CONTAINS("another certbinder"));
        CHECK(world.target.calls().empty());
    }
}

TEST_CASE("status of what was never applied is not Ready", "[cli]") {
    World world;
    world.writeAll();
    const Result result = world.run({"status"});
    CHECK(result.code == 1);
    CHECK_THAT(result.out, CERTBINDER_CONTAINS("Unknown"));
    CHECK(world.servicesMade == 0);
    CHECK_FALSE(std::filesystem::exists(world.dir.path("state")));
}

TEST_CASE("validate tells mistakes by file, line and column", "[cli]") {
    World world;
    world.writeAll();
    const std::string in = world.dir.path("in");
    CHECK(world.run({"validate", "-f", in}, false).code == 0);
    CHECK(world.run({"validate", "-f", in}, false).out.empty());
    const std::string file = world.dir.write("in/b.yaml", "\nnothing: good\n");
    const Result table = world.run({"validate", "-f", in}, false);
    CHECK(table.code == 1);
    CHECK_THAT(table.out, CERTBINDER_CONTAINS(file + ":2:1: "));
    const Result structured = world.run({"validate", "-f", in, "-o", "json"}, false);
    const document::Value fault = json(structured.out)["items"].asList().at(0);
    CHECK(fault["file"].asString() == file);
    CHECK(fault["line"].asInteger() == 2);
    CHECK(fault["column"].asInteger() == 1);
    CHECK_FALSE(fault["message"].asString().empty());
    CHECK(world.servicesMade == 0);
}

TEST_CASE("run converges and ends with 0 on SIGTERM", "[cli]") {
    World world;
    world.writeAll();
    // Threads inherit which signals are left to the one that waits for them.
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    bool deployed = false;
    std::jthread user([&] {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!deployed && std::chrono::steady_clock::now() < end) {
            deployed = world.target.site("10.0.0.4:22").deployed.has_value();
            std::this_thread::yield();
        }
        ::kill(::getpid(), SIGTERM);
    });
    const Result result = world.run({"run"});
    user.join();
    CHECK(deployed);
    CHECK(result.code == 0);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, CERTBINDER_CONTAINS("stopped"));
    CHECK(world.run({"status"}).code == 0);
}
