#include "targets/nginx/deny.h"

#include "support/fake_remote_host.h"
#include "support/test.h"

namespace certbinder::targets::nginx {

TEST_CASE("paths that decide who may do what on a machine are refused", "[nginx][deny]") {
    for (const char* path : {"/etc/passwd",
                             "/etc/shadow",
                             "/etc/sudoers",
                             "/etc/sudoers.d/web",
                             "/root/.ssh/authorized_keys",
                             "/home/web/.ssh/id_ed25519",
                             "/srv/authorized_keys",
                             "/srv/authorized_keys2",
                             "/etc/ssh/sshd_config",
                             "/proc/1/mem",
                             "/sys/a",
                             "/dev/sda",
                             "/boot/vmlinuz",
                             "/etc/cron.d/job",
                             "/etc/crontab",
                             "/var/spool/cron/root",
                             "/etc/ld.so.preload",
                             "/usr/bin/nginx",
                             "/etc/pam.d/sshd",
                             "/etc/systemd/system/a",
                             "/etc/profile",
                             "/etc/rc.local",
                             "/etc/nsswitch.conf",
                             "/usr/local/bin/backup",
                             "/etc/polkit-1/rules.d/a"}) {
        CAPTURE(path);
        const auto error = checkPath("certificatePath", path);
        REQUIRE(error);
        CHECK(error->reason() == base::Reason::kInvalidSpec);
        CHECK_THAT(error->message(), CERTBINDER_CONTAINS(path) && CERTBINDER_CONTAINS("certificatePath"));
    }
}

TEST_CASE("names that versions and their links have are refused", "[nginx][deny]") {
    for (const std::string& path : {std::string("/ssl/live"), std::string("/ssl/previous"), std::string("/ssl/pending"),
                                    std::string("/ssl/.certbinder/live/a.pem"), "/ssl/" + std::string(64, 'a')}) {
        CAPTURE(path);
        CHECK(checkPath("certificatePath", path));
    }
}

TEST_CASE("paths where nginx keeps certificates are fine", "[nginx][deny]") {
    for (const char* path : {"/etc/nginx/ssl/shop.pem", "/usr/local/nginx/conf/cert/certificate.pem",
                             "/etc/letsencrypt/live/shop/fullchain.pem", "/etc/ssl/private/a b.key", "/opt/x/lib/a",
                             "/usr/local/openresty/nginx/conf/a.pem", "/etc/pki/tls/certs/shop.crt"}) {
        CAPTURE(path);
        CHECK_FALSE(checkPath("certificatePath", path));
    }
}

TEST_CASE("a path is followed through all links on the host", "[nginx][deny]") {
    auto machine = std::make_shared<test::FakeMachine>();
    machine->putDirectory("/etc/ssh");
    machine->putLink("../etc/ssh", "/srv/certs");
    machine->putLink("/srv/certs/", "/web");
    machine->put("/etc/ssh/a.pem", "x");
    machine->putLink("b", "/srv/a");
    machine->putLink("a", "/srv/b");
    test::FakeRemoteHost host(machine);
    CHECK(resolve(host, "/web/a.pem").value() == "/etc/ssh/a.pem");
    CHECK(resolve(host, "/not/there.pem").value() == "/not/there.pem");
    CHECK(resolve(host, "/").value() == "/");
    CHECK_FALSE(resolve(host, "/srv/a"));
}

}  // namespace certbinder::targets::nginx
