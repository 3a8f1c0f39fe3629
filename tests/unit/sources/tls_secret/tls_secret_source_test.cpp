#include "sources/tls_secret/tls_secret_source.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_clock.h"
#include "support/test.h"
#include "support/test_pki.h"

namespace certbinder::sources {
namespace {

using base::Reason;

std::shared_ptr<api::SecretData> secretOf(const test::Chain& chain, const std::string& version) {
    auto secret = std::make_shared<api::SecretData>();
    secret->type = "kubernetes.io/tls";
    secret->version = version;
    secret->entries["tls.crt"] = base::SecretBytes(chain.leaf.pem() + chain.intermediate.pem());
    secret->entries["tls.key"] = chain.leaf.key().secret();
    return secret;
}

struct Fixture {
    Fixture() {
        binding.metadata.key = {"web", "shop"};
        binding.spec.source = api::SecretSource{"shop-tls"};
    }

    base::Expected<Sourced> load() { return source.load({binding, secrets, clock.steadyNow()}, {}); }

    test::FakeClock clock{test::FakeClock::Waiting::kAdvances, test::pkiNow()};
    api::CertificateBinding binding;
    api::Secrets secrets;
    TlsSecretSource source{clock};
};

TEST_CASE("a Secret's certificate comes in order, under the Secret's name", "[sources][tls_secret]") {
    Fixture f;
    const test::Chain chain = test::makeChain("shop.example.com");
    f.secrets["shop-tls"] = secretOf(chain, "1");

    const auto sourced = f.load();

    REQUIRE(sourced);
    CHECK(sourced->id == "shop-tls");
    CHECK(sourced->bundle->leaf.dnsNames == std::vector<std::string>{"shop.example.com"});
    CHECK(sourced->bundle->chainLength == 2);
}

TEST_CASE("any type of Secret with both entries will do", "[sources][tls_secret]") {
    Fixture f;
    auto secret = secretOf(test::makeChain("shop.example.com"), "1");
    secret->type = "Opaque";
    f.secrets["shop-tls"] = secret;
    CHECK(f.load());
}

TEST_CASE("a Secret that does not exist is named with its namespace", "[sources][tls_secret]") {
    Fixture f;
    auto sourced = f.load();
    REQUIRE_FALSE(sourced);
    CHECK(sourced.error().reason() == Reason::kSourceNotFound);
    CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS("web/shop-tls"));

    f.secrets["shop-tls"] = nullptr;
    CHECK(f.load().error().reason() == Reason::kSourceNotFound);
}

TEST_CASE("a missing or empty entry is named", "[sources][tls_secret]") {
    for (const std::string entry : {"tls.crt", "tls.key"}) {
        Fixture f;
        auto secret = secretOf(test::makeChain("shop.example.com"), "1");
        secret->entries.erase(entry);
        f.secrets["shop-tls"] = secret;
        const auto sourced = f.load();
        REQUIRE_FALSE(sourced);
        CHECK(sourced.error().reason() == Reason::kInvalidCertificate);
        CHECK_THAT(sourced.error().message(), CERTBINDER_CONTAINS(entry));

        auto emptied = secretOf(test::makeChain("shop.example.com"), "2");
        emptied->entries[entry] = base::SecretBytes();
        f.secrets["shop-tls"] = emptied;
        CHECK(f.load().error().reason() == Reason::kInvalidCertificate);
    }
}

TEST_CASE("a key of another certificate is refused without being shown", "[sources][tls_secret]") {
    Fixture f;
    auto secret = secretOf(test::makeChain("shop.example.com"), "1");
    const test::Key other = test::Key::make(test::KeyKind::kP256);
    secret->entries["tls.key"] = other.secret();
    f.secrets["shop-tls"] = secret;
    const auto sourced = f.load();
    REQUIRE_FALSE(sourced);
    CHECK(sourced.error().reason() == Reason::kKeyMismatch);
    CHECK(sourced.error().message().find(other.pem().substr(30, 40)) == std::string::npos);
}

TEST_CASE("bindings that share a Secret share what came of it", "[sources][tls_secret]") {
    Fixture f;
    f.secrets["shop-tls"] = secretOf(test::makeChain("shop.example.com"), "1");
    std::vector<std::shared_ptr<const certificate::Bundle>> bundles(8);
    std::vector<std::thread> threads;
    for (auto& bundle : bundles) {
        threads.emplace_back([&] { bundle = f.load()->bundle; });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const auto& bundle : bundles) {
        CHECK(bundle == bundles.front());
    }
}

TEST_CASE("a changed Secret takes effect, and the old key goes with its last user", "[sources][tls_secret]") {
    Fixture f;
    f.secrets["shop-tls"] = secretOf(test::makeChain("shop.example.com"), "1");
    const std::weak_ptr<const certificate::Bundle> before = f.load()->bundle;
    const std::string fingerprint = before.lock()->leaf.fingerprintSHA256;

    f.secrets["shop-tls"] = secretOf(test::makeChain("shop.example.com"), "2");
    const auto after = f.load();

    REQUIRE(after);
    CHECK(after->bundle->leaf.fingerprintSHA256 != fingerprint);
    CHECK(before.expired());
}

TEST_CASE("Secrets of the same name in two namespaces are two", "[sources][tls_secret]") {
    Fixture f;
    f.secrets["shop-tls"] = secretOf(test::makeChain("shop.example.com"), "1");
    const auto first = f.load();
    f.binding.metadata.key.ns = "other";
    api::Secrets others;
    others["shop-tls"] = secretOf(test::makeChain("shop.example.com"), "1");
    const auto second = f.source.load({f.binding, others, f.clock.steadyNow()}, {});
    REQUIRE(second);
    CHECK(first->bundle->leaf.fingerprintSHA256 != second->bundle->leaf.fingerprintSHA256);
}

}  // namespace
}  // namespace certbinder::sources
