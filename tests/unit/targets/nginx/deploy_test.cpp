#include <algorithm>

#include "targets/nginx/transaction.h"
#include "targets/nginx/world.h"

namespace certbinder::targets::nginx {

using test::makePair;
using test::messageOf;
using test::World;

namespace {

std::size_t writesIn(const std::vector<std::string>& journal) {
    return static_cast<std::size_t>(std::count_if(journal.begin(), journal.end(),
                                                  [](const std::string& line) { return line.rfind("run ", 0) != 0; }));
}

bool contains(const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("a pair is adopted, replaced by one switch, and served", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old, 0640, {33, 44});
    world.watchPairs({old, wanted});
    const Outcome outcome = world.deploy(wanted);
    CHECK(messageOf(outcome).empty());
    CHECK(outcome.changed);
    CHECK_FALSE(outcome.rolledBack);
    CHECK(outcome.after.looked);
    CHECK(outcome.after.deployed->is(wanted->leaf));
    CHECK(outcome.after.served->fingerprintSHA256 == wanted->leaf.fingerprintSHA256);
    CHECK(world.broken == std::vector<std::string>());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->linkTarget(World::kCertificate) == ".certbinder/live/shop.pem");
    CHECK(world.machine->linkTarget(World::kPrivateKey) == ".certbinder/live/shop.key");
    const std::string room = World::kRoom;
    CHECK(world.machine->linkTarget(room + "/live") == wanted->leaf.fingerprintSHA256);
    CHECK(world.machine->linkTarget(room + "/previous") == old->leaf.fingerprintSHA256);
    CHECK(world.versions().size() == 2);
    CHECK(world.leftOvers().empty());
}

TEST_CASE("owner and mode of the files in place are kept, a key's mode never wider than 0600", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old, 0640, {33, 44});
    world.machine->put(World::kCertificate, old->chainPem, 0604, {33, 44});
    world.deploy(wanted);
    CHECK(world.machine->status(World::kCertificate)->mode == 0604);
    CHECK(world.machine->status(World::kPrivateKey)->mode == 0600);
    for (const char* path : {World::kCertificate, World::kPrivateKey}) {
        CHECK(world.machine->owner(path)->uid == 33);
        CHECK(world.machine->owner(path)->gid == 44);
    }
    const std::string kept = std::string(World::kRoom) + "/" + old->leaf.fingerprintSHA256;
    CHECK(world.machine->status(kept + "/shop.key")->mode == 0600);
    CHECK(world.machine->owner(kept + "/shop.key")->uid == 33);
}

TEST_CASE("a key's narrower mode stays narrow from its first byte", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair(), 0400);
    world.deploy(wanted);
    CHECK(world.machine->status(World::kPrivateKey)->mode == 0400);
    for (const std::string& line : world.machine->journal()) {
        if (line.rfind("createFile", 0) == 0 && line.find("shop.key") != std::string::npos) {
            CHECK_THAT(line, CERTBINDER_CONTAINS("createFile 0400"));
        }
    }
}

TEST_CASE("a second deployment writes nothing and runs nothing", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.deploy(wanted);
    world.machine->clearJournal();
    const auto seen = world.observe(wanted);
    CHECK(seen->faults == std::vector<std::string>());
    CHECK_FALSE(seen->interrupted);
    const Outcome again = world.deploy(wanted);
    CHECK_FALSE(again.error);
    CHECK_FALSE(again.changed);
    CHECK(again.after.deployed->is(wanted->leaf));
    CHECK(world.machine->operations() == 0);
}

TEST_CASE("a renewal keeps the version before it and removes older ones", "[nginx][deploy]") {
    World world;
    const auto first = makePair();
    const auto second = makePair();
    const auto third = makePair();
    world.putPlain(*first);
    world.deploy(second);
    world.watchPairs({second, third});
    CHECK(messageOf(world.deploy(third)).empty());
    CHECK(world.broken == std::vector<std::string>());
    auto expected = std::vector<std::string>{second->leaf.fingerprintSHA256, third->leaf.fingerprintSHA256};
    std::sort(expected.begin(), expected.end());
    CHECK(world.versions() == expected);
    // Back to the one before: it is there already, so nothing but links is written.
    world.machine->clearJournal();
    CHECK(messageOf(world.deploy(second)).empty());
    CHECK(world.shows(*second));
    for (const std::string& line : world.machine->journal()) {
        CHECK(line.rfind("createFile", 0) != 0);
    }
}

TEST_CASE("a first deployment makes both files appear at once", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.watchPairs({wanted});
    const Outcome outcome = world.deploy(wanted);
    CHECK(messageOf(outcome).empty());
    CHECK(world.broken == std::vector<std::string>());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->status(World::kCertificate)->mode == 0644);
    CHECK(world.machine->status(World::kPrivateKey)->mode == 0600);
    CHECK(world.versions().size() == 1);
    CHECK(world.leftOvers().empty());
}

TEST_CASE("one file alone is kept, and the pair put in its place", "[nginx][deploy]") {
    const bool certificateOnly = GENERATE(true, false);
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.machine->erase(certificateOnly ? World::kPrivateKey : World::kCertificate);
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
    CHECK(world.leftOvers().empty());
    CHECK(world.versions().size() == 2);
}

TEST_CASE("files that hold no certificate are kept as they are", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.machine->put(World::kCertificate, "not a certificate");
    world.machine->put(World::kPrivateKey, "not a key", 0600);
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
    const auto versions = world.versions();
    const auto kept = std::find_if(versions.begin(), versions.end(),
                                   [](const std::string& name) { return name.rfind("unreadable-", 0) == 0; });
    REQUIRE(kept != versions.end());
    CHECK(world.machine->contents(std::string(World::kRoom) + "/" + *kept + "/shop.pem") == "not a certificate");
}

TEST_CASE("foreign links are replaced, never written through", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.machine->put("/etc/letsencrypt/live/shop/fullchain.pem", old->chainPem);
    world.machine->put("/etc/letsencrypt/live/shop/privkey.pem", old->keyPem.reveal(), 0600);
    world.machine->putLink("/etc/letsencrypt/live/shop/fullchain.pem", World::kCertificate);
    world.machine->putLink("../../letsencrypt/live/shop/privkey.pem", World::kPrivateKey);
    world.nginx.load(*world.machine);
    world.watchPairs({old, wanted});
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.broken == std::vector<std::string>());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->contents("/etc/letsencrypt/live/shop/fullchain.pem") == old->chainPem);
    CHECK(world.machine->linkTarget(std::string(World::kRoom) + "/previous") == old->leaf.fingerprintSHA256);
}

TEST_CASE("links into places of the system are neither followed nor copied", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.machine->put("/etc/shadow", "root:secret", 0600);
    world.machine->putLink("/etc/shadow", World::kCertificate);
    const Outcome outcome = world.deploy(wanted);
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == base::Reason::kInvalidSpec);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("/etc/shadow"));
    CHECK(world.machine->journal().empty());

    World linked;
    linked.machine->putDirectory("/etc/ssh");
    linked.machine->erase("/etc/nginx/ssl");
    linked.machine->putLink("/etc/ssh", "/etc/nginx/ssl");
    CHECK(linked.deploy(wanted).error->reason() == base::Reason::kInvalidSpec);
    CHECK(linked.machine->journal().empty());
}

TEST_CASE("a directory that is missing is asked for, not made", "[nginx][deploy]") {
    World world;
    world.machine->erase("/etc/nginx/ssl");
    const Outcome outcome = world.deploy(makePair());
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == base::Reason::kTargetNotFound);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("/etc/nginx/ssl") && CERTBINDER_CONTAINS("create it") &&
                                       CERTBINDER_CONTAINS("host 10.0.0.4:22"));
    CHECK(world.machine->journal().empty());
}

TEST_CASE("a directory at the path of a file is an error that says so", "[nginx][deploy]") {
    World world;
    world.machine->putDirectory(World::kCertificate);
    CHECK_THAT(messageOf(world.deploy(makePair())), CERTBINDER_CONTAINS("is not a file"));
}

TEST_CASE("pairs in one directory do not touch each other", "[nginx][deploy]") {
    World world;
    const auto shop = makePair();
    const auto mail = makePair("mail.example.com");
    world.putPlain(*makePair());
    CHECK(messageOf(world.deploy(shop)).empty());
    world.spec().certificatePath = "/etc/nginx/ssl/mail.pem";
    world.spec().privateKeyPath = "/etc/nginx/ssl/mail.key";
    world.spec().probe.port = 8443;
    world.nginx.sites[8443] = {world.spec().certificatePath, world.spec().privateKeyPath};
    CHECK(messageOf(world.deploy(mail)).empty());
    CHECK(world.machine->linkTarget("/etc/nginx/ssl/mail.pem") == ".certbinder/mail.pem/live/mail.pem");
    CHECK(world.machine->contents("/etc/nginx/ssl/mail.pem") == mail->chainPem);
    CHECK(world.machine->contents(World::kCertificate) == shop->chainPem);
    const auto renewed = makePair("mail.example.com");
    CHECK(messageOf(world.deploy(renewed)).empty());
    CHECK(world.versions("/etc/nginx/ssl/.certbinder/mail.pem").size() == 2);
    CHECK(world.versions().size() == 2);
    CHECK(world.machine->contents(World::kCertificate) == shop->chainPem);
    // A link of the second pair that a person overwrote leads back to its own room.
    world.machine->erase("/etc/nginx/ssl/mail.pem");
    world.machine->put("/etc/nginx/ssl/mail.pem", mail->chainPem);
    CHECK(messageOf(world.deploy(renewed)).empty());
    CHECK(world.machine->linkTarget("/etc/nginx/ssl/mail.pem") == ".certbinder/mail.pem/live/mail.pem");
}

TEST_CASE("a key in another directory is switched by the same rename", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.machine->putDirectory("/etc/nginx/private", 0700);
    world.spec().privateKeyPath = "/etc/nginx/private/shop.pem";  // the certificate's name too
    world.nginx.sites[443].privateKey = world.spec().privateKeyPath;
    world.putPlain(*old);
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->linkTarget("/etc/nginx/private/shop.pem") == "/etc/nginx/ssl/.certbinder/live/key-shop.pem");
}

TEST_CASE("a file that a person put over a link is kept and replaced", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    const auto foreign = makePair();
    world.putPlain(*makePair());
    world.deploy(wanted);
    for (const char* path : {World::kCertificate, World::kPrivateKey}) {
        world.machine->erase(path);
    }
    world.putPlain(*foreign);
    CHECK(world.observe(wanted)->deployed->is(foreign->leaf));
    CHECK_FALSE(world.observe(wanted)->faults.empty());
    world.watchPairs({foreign, wanted});
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.broken == std::vector<std::string>());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->linkTarget(std::string(World::kRoom) + "/previous") == foreign->leaf.fingerprintSHA256);
    CHECK(world.observe(wanted)->faults.empty());
}

TEST_CASE("what a person wrote through a link is not rewritten while it is live", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.deploy(wanted);
    world.machine->put(World::kCertificate, wanted->chainPem + "# a remark\n");  // into the live version
    const auto seen = world.observe(wanted);
    CHECK(seen->deployed->is(wanted->leaf));
    REQUIRE(seen->faults.size() == 1);
    CHECK_THAT(seen->faults.front(), CERTBINDER_CONTAINS("chain"));
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
    CHECK(world.machine->linkTarget(std::string(World::kRoom) + "/live") == wanted->leaf.fingerprintSHA256 + "-2");
    CHECK(world.versions().size() == 2);
    CHECK(world.observe(wanted)->faults.empty());
    world.machine->clearJournal();
    CHECK_FALSE(world.deploy(wanted).changed);
    CHECK(world.machine->operations() == 0);
}

TEST_CASE("a key whose mode was widened is narrowed in place", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.deploy(wanted);
    const std::string key = std::string(World::kRoom) + "/" + wanted->leaf.fingerprintSHA256 + "/shop.key";
    world.machine->put(key, wanted->keyPem.reveal(), 0644);
    CHECK_THAT(world.observe(wanted)->faults.front(), CERTBINDER_CONTAINS("0644"));
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.machine->status(key)->mode == 0600);
    CHECK(world.observe(wanted)->faults.empty());
}

TEST_CASE("the same certificate with another person's formatting becomes a deployment's", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.machine->put(World::kCertificate, "the shop's\n" + wanted->chainPem);
    world.machine->put(World::kPrivateKey, std::string(wanted->keyPem.reveal()) + "\n", 0640);
    world.nginx.load(*world.machine);
    const auto seen = world.observe(wanted);
    CHECK(seen->deployed->is(wanted->leaf));
    CHECK(seen->faults.size() == 5);
    CHECK(messageOf(world.deploy(wanted)).empty());
    CHECK(world.shows(*wanted));
    CHECK(world.observe(wanted)->faults == std::vector<std::string>());
}

TEST_CASE("old workers that still answer after a reload are waited out", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.nginx.oldWorkersAnswer = 7;
    const Outcome outcome = world.deploy(wanted);
    CHECK(messageOf(outcome).empty());
    CHECK(outcome.after.served->fingerprintSHA256 == wanted->leaf.fingerprintSHA256);
    CHECK(world.nginx.handshakes > 14);
}

TEST_CASE("without a probe a deployment ends with the reload", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.spec().probe.enabled = false;
    const Outcome outcome = world.deploy(wanted);
    CHECK(messageOf(outcome).empty());
    CHECK(outcome.after.probe == ProbeState::kDisabled);
    CHECK(world.nginx.handshakes == 0);
    CHECK(world.nginx.reloads == 1);
    world.machine->clearJournal();
    CHECK_FALSE(world.deploy(wanted).changed);
    CHECK(world.machine->operations() == 0);
}

TEST_CASE("what is deployed but not served is activated without writing", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.deploy(wanted);
    world.deploy(old);
    world.nginx.ignoresReload = true;  // somebody's nginx went on with the old pair
    world.spec().probe.enabled = false;
    world.deploy(wanted);
    world.spec().probe.enabled = true;
    world.nginx.ignoresReload = false;
    world.machine->clearJournal();
    const Outcome outcome = world.deploy(wanted, Action::kActivate);
    CHECK(messageOf(outcome).empty());
    CHECK(outcome.changed);
    CHECK(writesIn(world.machine->journal()) == 0);
    CHECK(world.machine->journal() == std::vector<std::string>{"run nginx -t", "run nginx -s reload"});
}

TEST_CASE("SELinux labels are copied where the host has them", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    const auto wanted = makePair();
    world.putPlain(*old);
    world.machine->put("/sys/fs/selinux/enforce", "1");
    world.machine->onCommand([&](test::FakeMachine& machine, const std::vector<std::string>& command) {
        if (command.front() == "chcon") {
            ssh::CommandResult done;
            done.exitStatus = 0;
            return base::Expected<ssh::CommandResult>(done);
        }
        return world.nginx.run(machine, command);
    });
    CHECK(messageOf(world.deploy(wanted)).empty());
    const std::string staged = std::string(World::kRoom) + "/" + wanted->leaf.fingerprintSHA256;
    CHECK(
        contains(world.machine->journal(), "run chcon --reference=/etc/nginx/ssl/shop.key -- " + staged + "/shop.key"));
    CHECK(
        contains(world.machine->journal(), "run chcon --reference=/etc/nginx/ssl/shop.pem -- " + staged + "/shop.pem"));
}

TEST_CASE("a label that cannot be copied is told with a failure, and is none itself", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.machine->put("/sys/fs/selinux/enforce", "1");
    CHECK(messageOf(world.deploy(wanted)).empty());  // chcon is not found there
    const auto next = makePair();
    world.nginx.reloadFails = true;
    CHECK_THAT(messageOf(world.deploy(next)), CERTBINDER_CONTAINS("SELinux label"));
}

TEST_CASE("a plain user who may not keep the owner is told so, and nothing is switched", "[nginx][deploy]") {
    World world;
    const auto old = makePair();
    world.putPlain(*old, 0600, {0, 0});
    world.machine->put(World::kPrivateKey, old->keyPem.reveal(), 0600, {1000, 1000});
    world.machine->putDirectory("/etc/nginx/ssl", 0755, {1000, 1000});
    world.machine->addUser("web", {1000, 1000});
    world.spec().ssh.user = "web";
    const Outcome outcome = world.deploy(makePair());
    REQUIRE(outcome.error);
    CHECK(outcome.error->reason() == base::Reason::kPermissionDenied);
    CHECK_THAT(messageOf(outcome), CERTBINDER_CONTAINS("owner"));
    CHECK(world.shows(*old));
    CHECK(world.nginx.reloads == 0);
}

TEST_CASE("no key is ever an argument", "[nginx][deploy]") {
    World world;
    const auto wanted = makePair();
    world.putPlain(*makePair());
    world.deploy(wanted);
    for (const std::string& line : world.machine->journal()) {
        CHECK(line.find("BEGIN") == std::string::npos);
    }
}

TEST_CASE("nginx's gravest words come first, in one line", "[nginx][deploy]") {
    ssh::CommandResult result;
    result.exitStatus = 1;
    result.output = "nginx: [warn] a\r\nnginx: [emerg] b\x1b[31m\n\nnginx: configuration file test failed\n";
    const std::string words = failureWords(result);
    CHECK(words.rfind("nginx: [emerg] b", 0) == 0);
    CHECK(words.find('\n') == std::string::npos);
    CHECK(words.find('\x1b') == std::string::npos);
    result.output.clear();
    CHECK_THAT(failureWords(result), CERTBINDER_CONTAINS("exit status 1"));
    result.signal = "KILL";
    CHECK_THAT(failureWords(result), CERTBINDER_CONTAINS("KILL"));
    result.signal.clear();
    result.exitStatus = -1;
    CHECK_THAT(failureWords(result), CERTBINDER_CONTAINS("no exit status"));
}

}  // namespace certbinder::targets::nginx
