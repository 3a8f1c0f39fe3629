#include <algorithm>

#include "targets/nginx/world.h"

namespace certbinder::targets::nginx {

using base::Reason;
using test::makePair;
using test::messageOf;
using test::World;

TEST_CASE("a pair that nginx refuses is taken back without a reload, in nginx's own words", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.watchPairs({old, wanted});
    world.nginx.refused.insert(wanted->chainPem);
    const Outcome outcome = world.deploy(wanted);
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kConfigTestFailed);
    CHECK(outcome.rolledBack);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("[emerg] SSL_CTX_use_certificate") &&
                                       CERTBINDER_CONTAINS("no reload was made") &&
                                       CERTBINDER_CONTAINS("host 10.0.0.4:22"));
    CHECK(messageOf(outcome).find("without the new certificate too") == std::string::npos);
    CHECK(world.nginx.reloads == 0);
    CHECK(world.shows(*old));
    CHECK(world.broken == std::vector<std::string>());
    CHECK(outcome.after.looked);
    CHECK(outcome.after.deployed->is(old->leaf));
    CHECK_FALSE(outcome.after.interrupted);
    CHECK(world.versions() == std::vector<std::string>{old->leaf.fingerprintSHA256});
    CHECK(world.leftOvers().empty());
}

TEST_CASE("a configuration that fails with the old pair too is told apart", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    world.nginx.brokenAnyway = true;
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == Reason::kConfigTestFailed);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("fails without the new certificate too"));
    CHECK(messageOf(outcome).find("[emerg]") == messageOf(outcome).rfind("[emerg]"));  // the same words once
    CHECK(world.shows(*old));
}

TEST_CASE("a first pair that nginx refuses is taken away again", "[nginx][failure]") {
    World world;
    const auto wanted = makePair();
    world.nginx.refused.insert(wanted->chainPem);
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.error->reason() == Reason::kConfigTestFailed);
    CHECK(outcome.rolledBack);
    CHECK_FALSE(outcome.after.deployed);
    CHECK_FALSE(world.machine->exists(World::kCertificate));
    CHECK(world.versions().empty());
    CHECK(world.leftOvers().empty());
}

TEST_CASE("a failed reload brings the old pair back", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    world.nginx.reloadFails = true;
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == Reason::kReloadFailed);
    CHECK(outcome.rolledBack);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("invalid PID number"));
    CHECK(world.shows(*old));
    CHECK(world.nginx.reloads == 2);
    CHECK(world.leftOvers().empty());
    CHECK(outcome.after.served->fingerprintSHA256 == old->leaf.fingerprintSHA256);
}

TEST_CASE("a reload command that does not exist is not run twice", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    world.spec().reloadCommand = {"ngnix", "-s", "reload"};
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == Reason::kReloadFailed);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("full path"));
    CHECK(world.shows(*old));
    const auto journal = world.machine->journal();
    CHECK(std::count(journal.begin(), journal.end(), "run ngnix -s reload") == 1);
}

TEST_CASE("a first pair stays where nginx does not run yet", "[nginx][failure]") {
    World world;
    const auto wanted = makePair();
    world.nginx.reloadFails = true;
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.error->reason() == Reason::kReloadFailed);
    CHECK_FALSE(outcome.rolledBack);
    CHECK(world.shows(*wanted));
    // Once nginx runs, the next pass finds everything in order.
    world.nginx.reloadFails = false;
    world.nginx.load(*world.machine);
    CHECK(messageOf(world.pass(wanted)).empty());
}

TEST_CASE("without a probe a failed first reload is tried again by the next pass", "[nginx][failure]") {
    World world;
    const auto wanted = makePair();
    world.spec().probe.enabled = false;
    world.nginx.reloadFails = true;
    CHECK(world.deploy(wanted).error);
    CHECK(world.observe(wanted)->interrupted);
    world.nginx.reloadFails = false;
    CHECK(messageOf(world.pass(wanted)).empty());
    CHECK(world.nginx.reloads == 2);
    CHECK(world.leftOvers().empty());
}

TEST_CASE("a certificate that is not served is taken back, and the old one confirmed", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.nginx.ignoresReload = true;
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.error->reason() == Reason::kServedCertificateDiffers);
    CHECK(outcome.rolledBack);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS(wanted->leaf.fingerprintSHA256.substr(0, 16)) &&
                                       CERTBINDER_CONTAINS(old->leaf.fingerprintSHA256.substr(0, 16)) &&
                                       CERTBINDER_CONTAINS("server block") && CERTBINDER_CONTAINS("again"));
    CHECK(world.shows(*old));
    CHECK(world.nginx.reloads == 2);
    CHECK(world.leftOvers().empty());
}

TEST_CASE("nothing serves before and after: the pair stays, and that is said", "[nginx][failure]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.nginx.silent = true;
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.error->reason() == Reason::kUnreachable);
    CHECK_FALSE(outcome.rolledBack);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("deployed") && CERTBINDER_CONTAINS("nothing serves"));
    CHECK(world.shows(*wanted));
    CHECK(outcome.after.deployed->is(wanted->leaf));
    CHECK(outcome.after.probe == ProbeState::kFailed);
    CHECK(world.leftOvers().empty());
}

TEST_CASE("an endpoint that falls silent after the reload gets its old pair back", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    world.nginx.onHandshake = [&] { world.nginx.silent = world.nginx.reloads == 1; };
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == Reason::kUnreachable);
    CHECK(outcome.rolledBack);
    CHECK(world.shows(*old));
    CHECK(outcome.after.served->fingerprintSHA256 == old->leaf.fingerprintSHA256);
}

TEST_CASE("time that runs out leaves enough of it to switch back", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    std::stop_source stop;
    world.nginx.onHandshake = [&] {
        if (world.nginx.reloads == 1) {
            stop.request_stop();
        }
    };
    const Outcome outcome = world.deploy(makePair(), base::CallContext{base::SteadyTime::max(), stop.get_token()});
    CHECK(outcome.error->reason() == Reason::kUnreachable);
    CHECK(outcome.rolledBack);
    CHECK(world.shows(*old));
    CHECK(world.leftOvers().empty());
}

TEST_CASE("a switch back that fails says what state the host is in", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.deploy(makePair());
    world.nginx.refused.insert(wanted->chainPem);
    bool tested = false;
    world.machine->interpose([&](const std::string& operation) -> std::optional<base::Error> {
        tested = tested || operation == "run nginx -t";
        if (tested && operation.rfind("createLink", 0) == 0) {
            return base::Error(Reason::kInternalError, "read-only file system");
        }
        return std::nullopt;
    });
    const Outcome outcome = world.deploy(wanted);
    CHECK(outcome.error->reason() == Reason::kConfigTestFailed);
    CHECK_FALSE(outcome.rolledBack);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("switching back failed too") &&
                                       CERTBINDER_CONTAINS("read-only file system") &&
                                       CERTBINDER_CONTAINS("/etc/nginx/ssl/.certbinder/live"));
    CHECK(outcome.after.interrupted);
    // The next pass goes back to the pair that was proven, although the refused one is live.
    world.machine->interpose({});
    const Outcome next = world.pass(wanted);
    CHECK(next.rolledBack);
    CHECK_FALSE(world.shows(*wanted));
    CHECK(world.leftOvers().empty());
}

TEST_CASE("a full disk while staging changes nothing that nginx reads", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.machine->interpose([&](const std::string& operation) -> std::optional<base::Error> {
        const bool key = operation.rfind("createFile", 0) == 0 &&
                         operation.find(wanted->leaf.fingerprintSHA256 + "/shop.key") != std::string::npos;
        return key ? std::optional(base::Error(Reason::kInternalError, "no space left on device")) : std::nullopt;
    });
    const Outcome outcome = world.deploy(wanted);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("no space left on device") && CERTBINDER_CONTAINS("staging"));
    CHECK_FALSE(outcome.rolledBack);
    CHECK(world.shows(*old));
    CHECK(world.leftOvers().empty());
    CHECK(world.versions() == std::vector<std::string>{old->leaf.fingerprintSHA256});
    world.machine->interpose({});
    CHECK(messageOf(world.pass(wanted)).empty());
    CHECK(world.shows(*wanted));
}

TEST_CASE("versions that cannot be removed do not fail a deployment", "[nginx][failure]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.deploy(makePair());
    world.machine->interpose([](const std::string& operation) -> std::optional<base::Error> {
        return operation.rfind("removeDirectory", 0) == 0
                   ? std::optional(base::Error(Reason::kPermissionDenied, "permission denied"))
                   : std::nullopt;
    });
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
}

TEST_CASE("what a login fails with is handed on with the host's name", "[nginx][failure]") {
    const Reason reason = GENERATE(Reason::kHostKeyMismatch, Reason::kAuthenticationFailed, Reason::kUnreachable);
    World world;
    world.connector.refuse("10.0.0.4", 22, base::Error(reason, "the words"));
    const Outcome outcome = world.deploy(makePair());
    CHECK(outcome.error->reason() == reason);
    CHECK_FALSE(outcome.changed);
    CHECK(messageOf(outcome) == "host 10.0.0.4:22: the words");
    const auto seen = world.observe(makePair());
    REQUIRE_FALSE(seen);
    CHECK(seen.error().reason() == reason);
}

namespace {

/// The first session dies as soon as it is there; later ones live.
class LosesFirstSession final : public ssh::Connector {
  public:
    explicit LosesFirstSession(World& world) : world_(world) {}

    base::Expected<std::unique_ptr<ssh::RemoteHost>> connect(const ssh::Login& login,
                                                             const base::CallContext& context) override {
        auto host = world_.connector.connect(login, context);
        if (logins++ == 0) {
            world_.machine->recover();
        }
        return host;
    }

    int logins = 0;

  private:
    World& world_;
};

}  // namespace

TEST_CASE("a connection lost during the first look is looked over anew, and nothing else happens", "[nginx][failure]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old);
    world.machine->clearJournal();
    LosesFirstSession connector(world);
    NginxTarget target(connector, world.nginx, world.clock);
    const auto wanted = makePair();
    const Outcome outcome =
        target.act({world.binding, world.secrets, *wanted, {}}, world.endpoint(), Action::kDeploy, {});
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == Reason::kUnreachable);
    CHECK_FALSE(outcome.changed);
    CHECK(connector.logins == 2);
    REQUIRE(outcome.after.looked);
    CHECK(outcome.after.deployed->is(old->leaf));
    CHECK(world.machine->journal().empty());
}

}  // namespace certbinder::targets::nginx
