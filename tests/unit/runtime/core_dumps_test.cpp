#include "runtime/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

TEST_CASE("a process that holds keys cannot be dumped", "[runtime][secret]") {
    // In a child, so that the other tests of this program stay debuggable.
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        certbinder::runtime::forbidCoreDumps();
        rlimit limit{};
        getrlimit(RLIMIT_CORE, &limit);
        _exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && limit.rlim_max == 0 ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
