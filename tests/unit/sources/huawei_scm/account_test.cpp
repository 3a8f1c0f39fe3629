#include "sources/huawei_scm/account.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "fake_scm.h"
#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

using base::Reason;
using std::chrono::hours;
using std::chrono::minutes;

constexpr const char* kDomain = "shop.example.com";

struct Fixture {
    Fixture() {
        settings.rate = {1000, 1000, settings.rate.pause};
        transport.handle([this](const http::Request& request) { return cloud(request); });
    }

    Account& account() {
        if (!account_) {
            account_ = std::make_unique<Account>(
                settings,
                std::make_unique<ScmClient>(
                    settings, ScmClient::Place{"http://127.0.0.1:8080", "", {"http://127.0.0.1:8080", "r", ""}},
                    Credentials(AccessKey{"AK", base::SecretBytes("SK"), {}}), transport, clock, random),
                clock);
        }
        return *account_;
    }

    /// As a pass does that wants answers from now on.
    base::Expected<Sourced> load(const std::string& domain = kDomain) {
        clock.advance(std::chrono::seconds(1));
        return account().forDomain(domain, "", clock.steadyNow(), {});
    }
    base::Expected<Sourced> loadPinned(const std::string& id) {
        clock.advance(std::chrono::seconds(1));
        return account().pinned(id, clock.steadyNow(), {});
    }
    std::string idOf(const base::Expected<Sourced>& sourced) {
        return sourced ? sourced->id : sourced.error().message();
    }

    test::FakeScm cloud;
    test::FakeTransport transport;
    test::FakeClock clock{test::FakeClock::Waiting::kAdvances, test::pkiNow()};
    test::FakeRandom random;
    Settings settings;

  private:
    std::unique_ptr<Account> account_;
};

TEST_CASE("twenty loads at once cost one listing, one look and one export", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    Account& account = f.account();
    const base::SteadyTime now = f.clock.steadyNow();
    std::vector<std::shared_ptr<const certificate::Bundle>> bundles(20);
    std::vector<std::thread> threads;
    for (auto& bundle : bundles) {
        threads.emplace_back([&] {
            auto sourced = account.forDomain(kDomain, "", now, {});
            bundle = sourced ? sourced->bundle : nullptr;
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const auto& bundle : bundles) {
        REQUIRE(bundle);
        CHECK(bundle == bundles.front());
    }
    CHECK(f.cloud.count("ListCertificates") == 1);
    CHECK(f.cloud.count("ShowCertificate") == 1);
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("twenty loads share one failure too", "[sources][scm][account]") {
    Fixture f;
    f.settings.mostTransientTries = 1;
    f.transport.handle([](const http::Request&) { return test::answer(503); });
    Account& account = f.account();
    const base::SteadyTime now = f.clock.steadyNow();
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int i = 0; i < 20; ++i) {
        threads.emplace_back([&] { failures += account.forDomain(kDomain, "", now, {}) ? 0 : 1; });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failures == 20);
    CHECK(f.transport.requestCount() <= 20);
}

TEST_CASE("a later pass lists and looks again, and exports nothing", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    const auto first = f.load();
    const auto second = f.load();
    CHECK(first->bundle == second->bundle);
    CHECK(f.cloud.count("ListCertificates") == 2);
    CHECK(f.cloud.count("ShowCertificate") == 2);
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("an answer that is young enough is asked for once", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    const base::SteadyTime oldest = f.clock.steadyNow();
    REQUIRE(f.account().forDomain(kDomain, "", oldest, {}));
    f.clock.advance(minutes(5));
    REQUIRE(f.account().forDomain(kDomain, "", oldest, {}));
    CHECK(f.cloud.count("ListCertificates") == 1);
    CHECK(f.cloud.count("ShowCertificate") == 1);
}

TEST_CASE("enterprise projects have listings of their own", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    const base::SteadyTime now = f.clock.steadyNow();
    REQUIRE(f.account().forDomain(kDomain, "0", now, {}));
    REQUIRE(f.account().forDomain(kDomain, "all", now, {}));
    CHECK(f.cloud.count("ListCertificates") == 2);
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("overlapping renewals are the normal case: the last to expire wins", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    const auto old = f.load();
    CHECK(f.idOf(old) == "scs1");
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    CHECK(f.idOf(f.load()) == "scs2");
    CHECK(f.cloud.count("ExportCertificate") == 2);
}

TEST_CASE("a renewal that is not valid yet waits for its day", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    f.cloud.issue("scs2", {kDomain}, 2, 90);
    CHECK(f.idOf(f.load()) == "scs1");
    f.clock.advance(hours(24 * 3));
    CHECK(f.idOf(f.load()) == "scs2");
}

TEST_CASE("of two that expire together the later issued wins, then the greater id", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -1, 80);
    f.cloud.issue("scs2", {kDomain}, -9, 80);
    CHECK(f.idOf(f.load()) == "scs1");
    f.cloud.issue("scs3", {kDomain}, -1, 80);
    CHECK(f.idOf(f.load()) == "scs3");
}

TEST_CASE("a re-issue under the same id is noticed by its fingerprint", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    const std::weak_ptr<const certificate::Bundle> before = f.load()->bundle;
    const std::string fingerprint = before.lock()->leaf.fingerprintSHA256;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    const auto after = f.load();
    CHECK(after->bundle->leaf.fingerprintSHA256 != fingerprint);
    CHECK(f.cloud.count("ExportCertificate") == 2);
    CHECK(before.expired());  // and with it the superseded key
}

TEST_CASE("the key of a superseded certificate goes with its last user", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    const std::weak_ptr<const certificate::Bundle> before = f.load()->bundle;
    CHECK_FALSE(before.expired());
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    REQUIRE(f.load());
    CHECK(before.expired());
}

TEST_CASE("a superseded certificate that somebody pinned stays", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    REQUIRE(f.load());
    REQUIRE(f.loadPinned("scs1"));
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    REQUIRE(f.load());
    REQUIRE(f.loadPinned("scs1"));
    CHECK(f.cloud.count("ExportCertificate") == 2);
}

TEST_CASE("certificates that nobody asks for are forgotten", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    f.cloud.issue("scs2", {"blog.example.com"}, -10, 80);
    const std::weak_ptr<const certificate::Bundle> shop = f.load()->bundle;
    f.clock.advance(f.settings.idle + hours(1));
    REQUIRE(f.load("blog.example.com"));
    CHECK(shop.expired());
}

TEST_CASE("a newer certificate without its key is passed over, and asked for once", "[sources][scm][account]") {
    using Field = test::FakeCertificate::KeyField;
    for (const Field field : {Field::kAbsent, Field::kNull, Field::kEmpty, Field::kPresent}) {
        Fixture f;
        f.cloud.issue("scs1", {kDomain}, -60, 20);
        f.cloud.issue("scs2", {kDomain}, -1, 90);
        f.cloud.change("scs2", [&](test::FakeCertificate& c) {
            c.keyField = field;
            c.exportCode = field == Field::kPresent ? "SCM.0059" : "";
        });
        CHECK(f.idOf(f.load()) == "scs1");
        CHECK(f.idOf(f.load()) == "scs1");
        CHECK(f.cloud.count("ExportCertificate") == 2);
    }
}

TEST_CASE("an export that the service does not allow is tried again only after a while", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    f.cloud.change("scs2", [](test::FakeCertificate& c) { c.exportCode = "SCM.0010"; });
    CHECK(f.idOf(f.load()) == "scs1");
    CHECK(f.idOf(f.load()) == "scs1");
    CHECK(f.cloud.count("ExportCertificate") == 2);
    f.cloud.change("scs2", [](test::FakeCertificate& c) { c.exportCode = ""; });
    f.clock.advance(f.settings.refusalMemory);
    CHECK(f.idOf(f.load()) == "scs2");
}

TEST_CASE("where no other fits, the missing key is the reason, with what to do", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    f.cloud.change("scs1", [](test::FakeCertificate& c) { c.keyField = test::FakeCertificate::KeyField::kAbsent; });
    const auto sourced = f.load();
    REQUIRE_FALSE(sourced);
    CHECK(sourced.error().reason() == Reason::kKeyNotExportable);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("scs1"));
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("import certificate and key into SCM"));
}

TEST_CASE("a newer certificate that is not sound is passed over", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    f.cloud.change("scs2", [](test::FakeCertificate& c) { c.chainPem = "no PEM at all"; });
    CHECK(f.idOf(f.load()) == "scs1");
    f.cloud.erase("scs1");
    const auto sourced = f.load();
    CHECK(sourced.error().reason() == Reason::kInvalidCertificate);
    for (const std::string& secret : f.cloud.secrets()) {
        CHECK(sourced.error().message().find(secret.substr(40, 40)) == std::string::npos);
    }
}

TEST_CASE("a failure on the way to the newest does not fall back to an older one", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -60, 20);
    f.cloud.issue("scs2", {kDomain}, -1, 90);
    f.transport.handle([&](const http::Request& request) -> base::Expected<http::Response> {
        return request.url.find("scs2/export") != std::string::npos ? test::scmError(500, "SCM.0007")
                                                                    : f.cloud(request);
    });
    CHECK(f.load().error().reason() == Reason::kUnreachable);
}

TEST_CASE("a failed look keeps the bundle for the next one", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    REQUIRE(f.load());
    f.transport.handle([](const http::Request&) { return test::answer(503); });
    CHECK(f.load().error().reason() == Reason::kUnreachable);
    f.transport.handle([&](const http::Request& request) { return f.cloud(request); });
    REQUIRE(f.load());
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("a listing that errs about the names is corrected by the leaf", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {"other.example.com"}, -10, 80);
    f.cloud.change("scs1", [](test::FakeCertificate& c) { c.names = {kDomain}; });
    const auto sourced = f.load();
    REQUIRE_FALSE(sourced);
    CHECK(sourced.error().reason() == Reason::kNoMatchingCertificate);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("scs1 does not cover it by its own names"));
}

TEST_CASE("where all have expired the message says so", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -90, -1);
    f.cloud.issue("scs2", {"blog.example.com"}, -10, 80);
    const auto sourced = f.load();
    REQUIRE_FALSE(sourced);
    CHECK(sourced.error().reason() == Reason::kNoMatchingCertificate);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("none of the 2 certificates"));
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("scs1 expired on 2025-12-31T00:00:00Z"));
}

TEST_CASE("a pinned certificate needs no listing", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    CHECK(f.idOf(f.loadPinned("scs1")) == "scs1");
    CHECK(f.idOf(f.loadPinned("scs1")) == "scs1");
    CHECK(f.cloud.count("ListCertificates") == 0);
    CHECK(f.cloud.count("ExportCertificate") == 1);
}

TEST_CASE("a pinned certificate that does not exist is NoMatchingCertificate", "[sources][scm][account]") {
    Fixture f;
    const auto sourced = f.loadPinned("scs9");
    CHECK(sourced.error().reason() == Reason::kNoMatchingCertificate);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("certificate scs9"));
    f.transport.push(test::scmError(400, "SCM.0008"));
    CHECK(f.loadPinned("x").error().reason() == Reason::kNoMatchingCertificate);
}

TEST_CASE("a pinned certificate in another state is not exported", "[sources][scm][account]") {
    Fixture f;
    f.cloud.issue("scs1", {kDomain}, -10, 80);
    f.cloud.change("scs1", [](test::FakeCertificate& c) { c.status = "CHECKING_DOMAIN"; });
    const auto sourced = f.loadPinned("scs1");
    CHECK(sourced.error().reason() == Reason::kNoMatchingCertificate);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("CHECKING_DOMAIN"));
    CHECK(f.cloud.count("ExportCertificate") == 0);
    f.cloud.change("scs1", [](test::FakeCertificate& c) { c.status = "ISSUED"; });
    CHECK(f.idOf(f.loadPinned("scs1")) == "scs1");
    f.cloud.change("scs1", [](test::FakeCertificate& c) { c.status = "REVOKED"; });
    CHECK(f.loadPinned("scs1").error().reason() == Reason::kNoMatchingCertificate);
}

}  // namespace
}  // namespace certbinder::sources::scm
