#include "targets/nginx/world.h"

// Certbinder killed, or cut off from the host, after every single operation: no mixture of two pairs is ever seen
// through the two paths, and the next pass brings the wanted pair there with nothing left over.

namespace certbinder::targets::nginx {

using test::makePair;
using test::messageOf;
using test::SharedBundle;
using test::World;

namespace {

enum class Cut { kBefore, kAnswerLost };

/// How a world is before the transaction that is cut off, and what that one runs into.
struct Scenario {
    std::function<void(World&)> prepare;
    std::function<void(World&)> mend;  ///< between the cut and the next pass
};

void cut(World& world, Cut how, std::size_t at) {
    if (how == Cut::kBefore) {
        world.machine->loseConnectionAfter(at);
    } else {
        world.machine->loseAnswerOf(at + 1);
    }
}

void checkSettled(World& world, const SharedBundle& wanted) {
    CHECK(world.broken == std::vector<std::string>());
    CHECK(world.shows(*wanted));
    CHECK(world.leftOvers() == std::vector<std::string>());
    CHECK(world.versions().size() <= 2);
    const auto seen = world.observe(wanted);
    REQUIRE(seen);
    CHECK(seen->faults == std::vector<std::string>());
    CHECK_FALSE(seen->interrupted);
    CHECK(seen->served->fingerprintSHA256 == wanted->leaf.fingerprintSHA256);
}

/// Cuts the deployment of `wanted` off after each operation in turn; returns how many there were.
std::size_t cutEverywhere(const Scenario& scenario, const std::vector<SharedBundle>& pairs, const SharedBundle& wanted,
                          const SharedBundle& next, Cut how) {
    for (std::size_t at = 0;; ++at) {
        World world;
        scenario.prepare(world);
        world.watchPairs(pairs);
        world.machine->clearJournal();
        cut(world, how, at);
        const Outcome outcome = world.deploy(wanted);
        const bool wasCut = world.machine->operations() > at;
        INFO("cut at operation " << at);
        if (wasCut) {
            CHECK(outcome.error);
        }
        world.machine->recover();
        scenario.mend(world);
        CHECK(messageOf(world.pass(next)) == "");
        checkSettled(world, next);
        if (!wasCut) {
            return at;
        }
    }
}

const auto kNothing = [](World&) {};

}  // namespace

TEST_CASE("an adoption may be cut off anywhere", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto old = makePair();
    const auto wanted = makePair();
    const Scenario scenario{[&](World& world) { world.putPlain(*old, 0640, {33, 44}); }, kNothing};
    CHECK(cutEverywhere(scenario, {old, wanted}, wanted, wanted, how) > 20);
}

TEST_CASE("a first deployment may be cut off anywhere", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto wanted = makePair();
    CHECK(cutEverywhere({kNothing, kNothing}, {wanted}, wanted, wanted, how) > 10);
}

TEST_CASE("a renewal may be cut off anywhere", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto first = makePair();
    const auto second = makePair();
    const auto third = makePair();
    const Scenario scenario{[&](World& world) {
                                world.putPlain(*first);
                                world.deploy(second);
                            },
                            kNothing};
    CHECK(cutEverywhere(scenario, {second, third}, third, third, how) > 10);
    // The source may have another certificate by the time of the next pass, or the one of before again.
    const auto fourth = makePair();
    cutEverywhere(scenario, {second, third, fourth}, third, fourth, how);
    cutEverywhere(scenario, {second, third}, third, second, how);
}

TEST_CASE("a roll-back after a refused configuration may be cut off anywhere", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto old = makePair();
    const auto wanted = makePair();
    const Scenario scenario{[&](World& world) {
                                world.putPlain(*old);
                                world.nginx.refused.insert(wanted->chainPem);
                            },
                            [](World& world) { world.nginx.refused.clear(); }};
    cutEverywhere(scenario, {old, wanted}, wanted, wanted, how);
}

TEST_CASE("a roll-back after a wrong answer may be cut off anywhere", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto old = makePair();
    const auto wanted = makePair();
    const Scenario scenario{[&](World& world) {
                                world.putPlain(*old);
                                world.nginx.ignoresReload = true;
                            },
                            [](World& world) { world.nginx.ignoresReload = false; }};
    cutEverywhere(scenario, {old, wanted}, wanted, wanted, how);
}

TEST_CASE("a pair that stays refused ends with the proven one, wherever it was cut off", "[nginx][crash]") {
    const Cut how = GENERATE(Cut::kBefore, Cut::kAnswerLost);
    const auto old = makePair();
    const auto wanted = makePair();
    bool wasCut = true;
    for (std::size_t at = 0; wasCut; ++at) {
        INFO("cut at operation " << at);
        World world;
        world.putPlain(*old);
        world.watchPairs({old, wanted});
        world.nginx.refused.insert(wanted->chainPem);
        cut(world, how, at);
        world.deploy(wanted);
        wasCut = world.machine->operations() > at;
        world.machine->recover();
        const Outcome outcome = world.pass(wanted);
        REQUIRE(outcome.error);
        CHECK(outcome.error->reason() == base::Reason::kConfigTestFailed);
        CHECK(outcome.rolledBack);
        CHECK(world.shows(*old));
        CHECK(world.leftOvers() == std::vector<std::string>());
        CHECK(world.versions() == std::vector<std::string>{old->leaf.fingerprintSHA256});
        CHECK(world.broken == std::vector<std::string>());
    }
}

TEST_CASE("without a probe a cut-off deployment is activated by the next pass", "[nginx][crash]") {
    const auto old = makePair();
    const auto wanted = makePair();
    bool wasCut = true;
    for (std::size_t at = 0; wasCut; ++at) {
        INFO("cut at operation " << at);
        World world;
        world.putPlain(*old);
        world.spec().probe.enabled = false;
        cut(world, Cut::kBefore, at);
        world.deploy(wanted);
        wasCut = world.machine->operations() > at;
        world.machine->recover();
        CHECK(messageOf(world.pass(wanted)) == "");
        world.spec().probe.enabled = true;
        checkSettled(world, wanted);
    }
}

TEST_CASE("a connection that is lost after the switch is made anew to switch back", "[nginx][crash]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.nginx.onHandshake = [&] {
        if (world.nginx.reloads == 1) {
            world.machine->recover();  // the session of before is dead, a new login works
        }
    };
    world.nginx.ignoresReload = true;
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.rolledBack);
    CHECK(world.shows(*old));
    CHECK(world.connector.logins().size() == 2);
    CHECK(world.leftOvers().empty());
}

}  // namespace certbinder::targets::nginx
