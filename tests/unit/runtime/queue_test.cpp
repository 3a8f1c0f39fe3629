#include "runtime/parallel.h"
#include "runtime/queue_core.h"
#include "runtime/work_queue.h"
#include "support/test.h"

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>

using namespace certbinder;
using namespace std::chrono_literals;
using Core = runtime::QueueCore<std::string>;
using Urgency = Core::Urgency;

namespace {

const base::SteadyTime kStart{};

std::string taken(Core& core, base::SteadyTime now = kStart) {
    return core.take(now).value_or("-");
}

}  // namespace

TEST_CASE("a key that waits is not queued twice", "[runtime][queue]") {
    Core core;
    core.add("a", Urgency::kLive);
    core.add("a", Urgency::kLive);
    CHECK(taken(core) == "a");
    CHECK(taken(core) == "-");
}

TEST_CASE("a key added while it is worked on gets another turn, after done", "[runtime][queue]") {
    Core core;
    core.add("a", Urgency::kLive);
    CHECK(taken(core) == "a");
    core.add("a", Urgency::kLive);
    CHECK(taken(core) == "-");
    core.done("a");
    CHECK(taken(core) == "a");
    core.done("a");
    CHECK(taken(core) == "-");
}

TEST_CASE("a live change goes ahead of the crowd, also for a key that already waits in it", "[runtime][queue]") {
    Core core;
    core.add("a", Urgency::kBackground);
    core.add("b", Urgency::kBackground);
    core.add("c", Urgency::kBackground);
    core.add("b", Urgency::kLive);
    CHECK(taken(core) == "b");
    CHECK(taken(core) == "a");
    CHECK(taken(core) == "c");
    CHECK(taken(core) == "-");
}

TEST_CASE("a delayed key keeps the earliest time, and an immediate add overtakes it", "[runtime][queue]") {
    Core core;
    core.addAt("a", kStart + 10s);
    core.addAt("a", kStart + 20s);
    CHECK(core.nextDue() == kStart + 10s);
    core.addAt("a", kStart + 5s);
    CHECK(core.nextDue() == kStart + 5s);
    CHECK(taken(core, kStart + 4s) == "-");
    CHECK(taken(core, kStart + 5s) == "a");
    core.done("a");
    CHECK(taken(core, kStart + 30s) == "-");

    core.addAt("b", kStart + 10s);
    core.add("b", Urgency::kLive);
    CHECK_FALSE(core.nextDue().has_value());
    CHECK(taken(core) == "b");
}

TEST_CASE("a forgotten key is gone, and one in work gets no other turn", "[runtime][queue]") {
    Core core;
    core.add("a", Urgency::kLive);
    core.forget("a");
    core.addAt("b", kStart + 1s);
    core.forget("b");
    core.add("c", Urgency::kLive);
    CHECK(taken(core, kStart + 1h) == "c");
    core.add("c", Urgency::kLive);
    core.forget("c");
    core.done("c");
    CHECK(taken(core, kStart + 1h) == "-");
}

TEST_CASE("random operations agree with a naive model", "[runtime][queue]") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    Core core;
    std::set<std::string> pending;  // asked for and not yet taken since
    std::set<std::string> inWork;
    for (int step = 0; step < 20'000; ++step) {
        const std::string key(1, static_cast<char>('a' + random() % 8));
        switch (random() % 4) {
            case 0:
                core.add(key, random() % 2 == 0 ? Urgency::kLive : Urgency::kBackground);
                pending.insert(key);
                break;
            case 1:
                core.addAt(key, kStart);
                pending.insert(key);
                break;
            case 2: {
                const auto got = core.take(kStart);
                if (got) {
                    REQUIRE(pending.count(*got) == 1);
                    REQUIRE(inWork.count(*got) == 0);
                    pending.erase(*got);
                    inWork.insert(*got);
                } else {
                    for (const auto& waiting : pending) {
                        REQUIRE(inWork.count(waiting) == 1);
                    }
                }
                break;
            }
            default:
                if (inWork.erase(key) != 0) {
                    core.done(key);
                }
        }
    }
}

TEST_CASE("a worker wakes for new work, for an earlier time and for a stop", "[runtime][queue]") {
    runtime::WorkQueue<std::string> queue(base::systemClock());
    std::atomic<int> handled{0};
    {
        std::jthread worker([&](std::stop_token stop) {
            while (auto key = queue.take(stop)) {
                ++handled;
                queue.done(*key);
                handled.notify_all();
            }
        });
        queue.addAt("later", base::systemClock().steadyNow() + 1h);
        queue.addAt("soon", base::systemClock().steadyNow() + 10ms);
        handled.wait(0);
        queue.add("now");
        handled.wait(1);
        CHECK(handled == 2);
    }  // the destructor asks the worker to stop; the test would hang if it did not wake
    CHECK(handled == 2);
}

TEST_CASE("parallel work is all done, once each, within the limit", "[runtime][parallel]") {
    std::vector<std::atomic<int>> counts(200);
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    runtime::forEachParallel(counts.size(), 7, [&](std::size_t i) {
        const int now = ++running;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        ++counts[i];
        --running;
    });
    for (const auto& count : counts) {
        CHECK(count == 1);
    }
    CHECK(most <= 7);
}
