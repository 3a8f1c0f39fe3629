#include "kube/subprocess.h"

#include <thread>

#include "support/temp_directory.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::kube;
using namespace std::chrono_literals;

namespace {

base::Expected<ProcessResult> run(std::vector<std::string> arguments, const base::CallContext& context = {},
                                  std::size_t most = 1 << 20) {
    return runProcess(arguments, {"PATH=/usr/bin:/bin", "COLOUR=green"}, most, context.within(20s));
}

}  // namespace

TEST_CASE("a program runs with just the arguments and environment given", "[kube][process]") {
    const auto ended = run({"printenv"});
    REQUIRE(ended);
    CHECK(ended->exitCode == 0);
    CHECK_THAT(std::string(ended->output.reveal()), CERTBINDER_CONTAINS("COLOUR=green"));
    CHECK_THAT(std::string(ended->output.reveal()), !CERTBINDER_CONTAINS("HOME="));
    const auto echoed = run({"echo", "$COLOUR;", "a b", "`id`"});
    REQUIRE(echoed);
    CHECK(echoed->output.reveal() == "$COLOUR; a b `id`\n");
}

TEST_CASE("exit codes, signals and standard error are told", "[kube][process]") {
    const auto failed = run({"sh", "-c", "echo out; echo why >&2; exit 7"});
    REQUIRE(failed);
    CHECK(failed->exitCode == 7);
    CHECK(failed->errors == "why\n");
    CHECK(failed->output.reveal() == "out\n");
    const auto killed = run({"sh", "-c", "kill -9 $$"});
    REQUIRE(killed);
    CHECK(killed->exitCode == 137);
}

TEST_CASE("a program that is not there is told apart", "[kube][process]") {
    const auto missing = run({"certbinder-no-such-plugin"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().reason() == base::Reason::kCredentialsNotFound);
    CHECK_FALSE(run({}));
}

TEST_CASE("a program that takes too long is killed with what it started", "[kube][process]") {
    const test::TempDirectory directory;
    const std::string file = directory.path("pid");
    const auto begin = std::chrono::steady_clock::now();
    const auto late = run({"sh", "-c", "sleep 60 & echo $! > " + file + "; wait"}, base::CallContext{}.within(2s));
    REQUIRE_FALSE(late);
    CHECK_THAT(late.error().message(), CERTBINDER_CONTAINS("in time"));
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
    std::ifstream stream(file);
    pid_t grandchild = 0;
    REQUIRE(stream >> grandchild);
    const auto ended = [&] {
        std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
        std::string pid;
        std::string name;
        std::string state;
        return !(stat >> pid >> name >> state) || state == "Z" || state == "X";  // Z until somebody reaps orphans
    };
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!ended() && std::chrono::steady_clock::now() < limit) {
        std::this_thread::yield();
    }
    CHECK(ended());
}

TEST_CASE("a stop ends a program at once", "[kube][process]") {
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(run({"sleep", "60"}, {base::SteadyTime::max(), stop.get_token()}));
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("output is bounded, and a child that outlives the program does not hold it up", "[kube][process]") {
    const auto endless = run({"cat", "/dev/zero"}, {}, 100'000);
    REQUIRE_FALSE(endless);
    CHECK_THAT(endless.error().message(), CERTBINDER_CONTAINS("100000 bytes"));
    const auto begin = std::chrono::steady_clock::now();
    const auto left = run({"sh", "-c", "sleep 3 & echo done"});
    REQUIRE(left);
    CHECK(left->output.reveal() == "done\n");
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
}
