#include "certificate/bundle.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "base/text.h"
#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using base::Reason;
using certificate::Bundle;
using certificate::makeBundle;
using test::KeyFormat;
using test::KeyKind;
using test::pkiNow;

namespace {

test::Request authority(const std::string& name) {
    test::Request request;
    request.commonName = name;
    request.authority = true;
    request.notAfter = pkiNow() + std::chrono::days(1000);
    return request;
}

test::Request leafFor(const std::string& name) {
    test::Request request;
    request.commonName = name;
    request.names = {name};
    return request;
}

base::Error failureOf(const std::string& pem, const base::SecretBytes& key) {
    const auto bundle = makeBundle(pem, key, pkiNow());
    REQUIRE_FALSE(bundle);
    return bundle.error();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
    return text;
}

}  // namespace

TEST_CASE("a certificate in order stays as it is", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const std::string pem = chain.leaf.pem() + chain.intermediate.pem();
    const auto bundle = makeBundle(pem, chain.leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == pem);
    CHECK(bundle->chainLength == 2);
    CHECK(bundle->leaf.commonName == "a.example");
    CHECK(bundle->keyPem.reveal() == chain.leaf.key().pem());
    CHECK_FALSE(bundle->rsa);
}

TEST_CASE("disorder in the text changes nothing in the result", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const std::string leaf = chain.leaf.pem();
    const std::string intermediate = chain.intermediate.pem();
    const std::string root = chain.root.pem();
    const std::string stranger = test::makeChain("b.example").leaf.pem();
    // No generator: it would hold on to the texts of the first run, while each run makes keys of its own.
    const std::vector<std::string> texts{
        intermediate + leaf,
        root + intermediate + leaf,
        leaf + leaf + intermediate + leaf + intermediate,
        stranger + intermediate + stranger + leaf,
        "\xEF\xBB\xBF" + replaced(leaf + root + intermediate, "\n", "\r\n"),
        replaced(leaf + intermediate, "\n", "\r"),
        replaced(leaf + intermediate, "\n", "\n\n"),
        replaced(leaf + intermediate, "\n", "\n      "),
        replaced(leaf + intermediate, "-----\n-----", "----------"),
        "subject=/CN=a\n" + leaf + "issuer=/CN=b\nBag Attributes\n" + intermediate + "that is all\n",
        leaf + chain.leaf.key().pem() + intermediate};
    for (const std::string& pem : texts) {
        CAPTURE(pem);
        const auto bundle = makeBundle(pem, chain.leaf.key().secret(), pkiNow());
        REQUIRE(bundle);
        CHECK(bundle->chainPem == leaf + intermediate);
        CHECK(bundle->chainLength == 2);
    }
}

TEST_CASE("every form of every kind of key becomes the same PKCS#8", "[certificate][bundle]") {
    struct Row {
        KeyKind kind;
        KeyFormat format;
        bool rsa;
    };
    const Row row = GENERATE(values<Row>({
        {KeyKind::kRsa2048, KeyFormat::kPkcs8, true},
        {KeyKind::kRsa2048, KeyFormat::kTraditional, true},
        {KeyKind::kRsa1024, KeyFormat::kTraditional, true},
        {KeyKind::kP256, KeyFormat::kPkcs8, false},
        {KeyKind::kP256, KeyFormat::kTraditional, false},
        {KeyKind::kP256, KeyFormat::kSec1WithParameters, false},
        {KeyKind::kP384, KeyFormat::kTraditional, false},
        {KeyKind::kEd25519, KeyFormat::kPkcs8, false},
    }));
    const auto chain = test::makeChain("a.example", row.kind);
    const std::string text = chain.leaf.key().pem(row.format);
    for (const std::string& key : {text, replaced(text, "\n", "\r\n"), "\xEF\xBB\xBF  " + text + "\n\nend"}) {
        const auto bundle = makeBundle(chain.leaf.pem(), base::SecretBytes(key), pkiNow());
        REQUIRE(bundle);
        CHECK(bundle->keyPem.reveal() == chain.leaf.key().pem());
        CHECK(bundle->rsa == row.rsa);
    }
}

TEST_CASE("written PEM has lines of 64 columns and no blank one", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example", KeyKind::kRsa2048);
    const auto bundle = makeBundle(replaced(chain.leaf.pem(), "\n", "\n\n"), chain.leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    for (const std::string& text : {bundle->chainPem, std::string(bundle->keyPem.reveal())}) {
        REQUIRE(text.back() == '\n');
        for (const std::string& line : base::split(text.substr(0, text.size() - 1), '\n')) {
            CHECK_FALSE(line.empty());
            CHECK(line.size() <= 64);
        }
    }
}

TEST_CASE("an RSA key is handed out as PKCS#1, another kind is refused with a reason", "[certificate][bundle]") {
    const auto rsa = test::makeChain("a.example", KeyKind::kRsa2048);
    const auto bundle = makeBundle(rsa.leaf.pem(), rsa.leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    const auto pkcs1 = certificate::toPkcs1Pem(*bundle);
    REQUIRE(pkcs1);
    CHECK(pkcs1->reveal() == rsa.leaf.key().pem(KeyFormat::kTraditional));
    CHECK(pkcs1->reveal().rfind("-----BEGIN RSA PRIVATE KEY-----\n", 0) == 0);

    const auto ec = test::makeChain("a.example");
    const auto refused = certificate::toPkcs1Pem(*makeBundle(ec.leaf.pem(), ec.leaf.key().secret(), pkiNow()));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == Reason::kInvalidCertificate);
    CHECK_THAT(refused.error().message(), CERTBINDER_CONTAINS("EC P-256"));
}

TEST_CASE("a missing key, a key that is none and a key that cannot be used are told apart", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example", KeyKind::kRsa2048);
    const std::string pem = chain.leaf.pem();
    const auto expect = [&](const base::SecretBytes& key, Reason reason, const std::string& words) {
        const base::Error error = failureOf(pem, key);
        CHECK(error.reason() == reason);
        CHECK_THAT(error.message(), CERTBINDER_CONTAINS(words));
    };
    const auto text = [](const std::string& plain) { return base::SecretBytes(std::string_view(plain)); };
    expect({}, Reason::kKeyNotExportable, "without its private key");
    expect(text(" \n"), Reason::kKeyNotExportable, "without its private key");
    expect(text("hunter2"), Reason::kInvalidCertificate, "no PEM block");
    expect(text(pem), Reason::kInvalidCertificate, "swapped");
    expect(chain.leaf.key().secret(KeyFormat::kEncryptedPkcs8), Reason::kInvalidCertificate, "openssl pkey -in");
    expect(chain.leaf.key().secret(KeyFormat::kEncryptedTraditional), Reason::kInvalidCertificate, "encrypted");
    expect(test::Key::make(KeyKind::kSm2).secret(), Reason::kInvalidCertificate, "SM2");
    expect(test::Key::make(KeyKind::kX25519).secret(), Reason::kInvalidCertificate, "X25519");
    expect(text(test::toPem("OPENSSH PRIVATE KEY", "openssh-key-v1")), Reason::kInvalidCertificate, "SSH");
    expect(text(test::toPem("PRIVATE KEY", "garbage")), Reason::kInvalidCertificate, "cannot be read");
    expect(text(test::toPem("RSA PRIVATE KEY", "\x30\x03\x02\x01\x01")), Reason::kInvalidCertificate, "cannot be read");
    expect(text(chain.leaf.key().pem() + chain.leaf.key().pem()), Reason::kInvalidCertificate, "more than one");
    expect(test::Key::make(KeyKind::kRsa2048, 1).secret(), Reason::kKeyMismatch, "CN=a.example");
}

TEST_CASE("an encrypted key under a false label does not ask for a passphrase", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const std::string key = replaced(chain.leaf.key().pem(KeyFormat::kEncryptedPkcs8), "ENCRYPTED ", "");
    CHECK(failureOf(chain.leaf.pem(), base::SecretBytes(key)).reason() == Reason::kInvalidCertificate);
}

TEST_CASE("no message holds anything of the key", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const std::string key = chain.leaf.key().pem();
    const std::string body = key.substr(28, 30);
    for (const std::string& broken : {replaced(key, "END", "FIN"), key.substr(0, 60), replaced(key, "\n", "\n*"),
                                      replaced(key, "-----BEGIN", "BEGIN"), key.substr(28)}) {
        const base::Error error = failureOf(chain.leaf.pem(), base::SecretBytes(broken));
        CHECK(error.message().find(body) == std::string::npos);
    }
}

TEST_CASE("the leaf is the certificate of the key, wherever it stands", "[certificate][bundle]") {
    const auto first = test::makeChain("a.example");
    const auto second = test::makeChain("b.example");
    const std::string pem = first.leaf.pem() + first.intermediate.pem() + second.leaf.pem() + second.intermediate.pem();
    const auto bundle = makeBundle(pem, second.leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == second.leaf.pem() + second.intermediate.pem());
}

TEST_CASE("of several certificates for one key the valid, issued, newest one is taken", "[certificate][bundle]") {
    const auto chain = test::makeChain("unused");
    const auto key = test::Key::make(KeyKind::kP256);
    auto request = leafFor("old.example");
    const auto old = chain.intermediate.issue(request, key);
    request = leafFor("new.example");
    request.notBefore = pkiNow() - std::chrono::days(1);
    const auto renewed = chain.intermediate.issue(request, key);
    request = leafFor("self.example");
    request.notBefore = pkiNow() - std::chrono::hours(1);
    const auto own = test::Certificate::selfSigned(request, key);
    request = leafFor("future.example");
    request.notBefore = pkiNow() + std::chrono::days(1);
    const auto future = chain.intermediate.issue(request, key);

    std::vector<std::string> texts{old.pem(), renewed.pem(), own.pem(), future.pem()};
    std::sort(texts.begin(), texts.end());
    do {
        const auto bundle = makeBundle(texts[0] + texts[1] + texts[2] + texts[3], key.secret(), pkiNow());
        REQUIRE(bundle);
        CHECK(bundle->leaf.commonName == "new.example");
    } while (std::next_permutation(texts.begin(), texts.end()));
}

TEST_CASE("a self-signed certificate alone can be deployed, an expired one is left to the checks",
          "[certificate][bundle]") {
    auto request = leafFor("self.example");
    request.notAfter = pkiNow() - std::chrono::days(1);
    const auto own = test::Certificate::selfSigned(request);
    const auto bundle = makeBundle(own.pem(), own.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == own.pem());
}

TEST_CASE("a chain with its intermediate missing ends there", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const auto bundle = makeBundle(chain.leaf.pem() + chain.root.pem(), chain.leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainLength == 1);
}

TEST_CASE("an intermediate of the right name but another key does not link", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const auto impostor = test::makeChain("b.example").intermediate;
    const std::string key = chain.leaf.key().pem();
    const auto bundle =
        makeBundle(chain.leaf.pem() + impostor.pem() + chain.intermediate.pem(), base::SecretBytes(key), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == chain.leaf.pem() + chain.intermediate.pem());
}

TEST_CASE("a certificate that is no authority's does not link, whatever it signed", "[certificate][bundle]") {
    const auto chain = test::makeChain("host.example");
    const auto forged = chain.leaf.issue(leafFor("a.example"));
    const auto bundle = makeBundle(forged.pem() + chain.leaf.pem(), forged.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainLength == 1);
}

TEST_CASE("of cross-signed intermediates the valid one is sent, and of two valid ones the longer",
          "[certificate][bundle]") {
    const auto oldRoot = test::Certificate::selfSigned(authority("Old Root"));
    const auto newRoot = test::Certificate::selfSigned(authority("New Root"));
    const auto key = test::Key::make(KeyKind::kP256);
    auto request = authority("Intermediate");
    const auto byNew = newRoot.issue(request, key);
    request.notAfter = pkiNow() + std::chrono::days(100);
    const auto byOld = oldRoot.issue(request, key);
    request.notAfter = pkiNow() - std::chrono::days(1);
    const auto expired = oldRoot.issue(request, key);
    request = authority("Intermediate");
    request.notBefore = pkiNow() + std::chrono::days(1);
    const auto future = oldRoot.issue(request, key);
    const auto leaf = byNew.issue(leafFor("a.example"));

    std::vector<std::string> texts{byNew.pem(), byOld.pem(), expired.pem(), future.pem(), newRoot.pem()};
    std::sort(texts.begin(), texts.end());
    do {
        const auto bundle = makeBundle(leaf.pem() + texts[0] + texts[1] + texts[2] + texts[3] + texts[4],
                                       leaf.key().secret(), pkiNow());
        REQUIRE(bundle);
        REQUIRE(bundle->chainPem == leaf.pem() + byNew.pem());
    } while (std::next_permutation(texts.begin(), texts.end()));

    const auto none = makeBundle(leaf.pem() + expired.pem() + future.pem(), leaf.key().secret(), pkiNow());
    REQUIRE(none);
    CHECK(none->chainLength == 1);
}

TEST_CASE("a root that another root cross-signed is sent as the intermediate it is", "[certificate][bundle]") {
    const auto elder = test::Certificate::selfSigned(authority("Elder"));
    const auto root = test::Certificate::selfSigned(authority("Root"));
    const auto cross = elder.issue(authority("Root"), root.key());
    const auto intermediate = root.issue(authority("Intermediate"));
    const auto leaf = intermediate.issue(leafFor("a.example"));
    const auto bundle = makeBundle(root.pem() + cross.pem() + elder.pem() + leaf.pem() + intermediate.pem(),
                                   leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == leaf.pem() + intermediate.pem() + cross.pem());
}

TEST_CASE("authorities that signed each other make no endless chain", "[certificate][bundle]") {
    const auto a = test::Certificate::selfSigned(authority("A"));
    const auto b = test::Certificate::selfSigned(authority("B"));
    const auto aByB = b.issue(authority("A"), a.key());
    const auto bByA = a.issue(authority("B"), b.key());
    const auto leaf = a.issue(leafFor("a.example"));
    const auto bundle = makeBundle(leaf.pem() + aByB.pem() + bByA.pem(), leaf.key().secret(), pkiNow());
    REQUIRE(bundle);
    CHECK(bundle->chainPem == leaf.pem() + aByB.pem() + bByA.pem());
}

TEST_CASE("a text with too much in it is refused before it is parsed", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    std::string many;
    for (std::size_t i = 0; i <= certificate::kMostPemBlocks; ++i) {
        many += chain.leaf.pem();
    }
    CHECK_THAT(failureOf(many, chain.leaf.key().secret()).message(), CERTBINDER_CONTAINS("more than 64"));
    const std::string padded = chain.leaf.pem() + std::string(certificate::kMostPemBytes, ' ');
    CHECK(failureOf(padded, chain.leaf.key().secret()).reason() == Reason::kInvalidCertificate);
}

TEST_CASE("a certificate that is damaged is named by its line", "[certificate][bundle]") {
    const auto chain = test::makeChain("a.example");
    const std::string pem = chain.leaf.pem() + test::toPem("CERTIFICATE", "no certificate at all");
    const base::Error error = failureOf(pem, chain.leaf.key().secret());
    CHECK(error.reason() == Reason::kInvalidCertificate);
    const auto line = std::count(pem.begin(), pem.begin() + static_cast<std::ptrdiff_t>(chain.leaf.pem().size()), '\n');
    CHECK_THAT(error.message(), CERTBINDER_CONTAINS("begins in line " + std::to_string(line + 1)));
}

TEST_CASE("whatever bytes are changed, the answer is a bundle that matches or an error", "[certificate][bundle]") {
    const std::uint32_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto chain = test::makeChain("a.example");
    const std::string leafDer = chain.leaf.der();
    const std::string keyText = chain.leaf.key().pem();
    const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
    const auto mutate = [&](std::string text) {
        for (std::size_t change = 0; change <= below(4) && !text.empty(); ++change) {
            const std::size_t at = below(text.size());
            switch (below(3)) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, below(40));
                    break;
                default:
                    text.insert(at, text.substr(below(text.size()), below(60)));
            }
        }
        return text;
    };
    for (int round = 0; round < 400; ++round) {
        const bool inside = below(2) == 0;
        const std::string leaf = inside ? test::toPem("CERTIFICATE", mutate(leafDer)) : mutate(chain.leaf.pem());
        const std::string key = below(3) == 0 ? mutate(keyText) : keyText;
        const auto bundle = makeBundle(leaf + chain.intermediate.pem(), base::SecretBytes(key), pkiNow());
        if (bundle) {
            CHECK(makeBundle(bundle->chainPem, bundle->keyPem, pkiNow()));
        } else {
            CHECK_FALSE(bundle.error().message().empty());
        }
    }
}
