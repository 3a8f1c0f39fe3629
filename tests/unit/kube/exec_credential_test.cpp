#include "kube/exec_credential.h"

#include <sys/stat.h>

#include "document/json.h"
#include "support/fake_clock.h"
#include "support/temp_directory.h"
#include "support/test.h"
#include "support/test_pki.h"

using namespace certbinder;
using namespace certbinder::kube;
using namespace std::chrono_literals;
using certbinder::test::FakeClock;

namespace {

const std::string kV1 = "client.authentication.k8s.io/v1";

std::string answerOf(const std::string& status, const std::string& version = kV1) {
    return R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}";
}

/// Credentials by a plugin that the test plays.
struct Bench {
    FakeClock clock;
    int runs = 0;
    std::string output = answerOf(R"({"token":"t-1"})");
    int exitCode = 0;
    std::unique_ptr<Credentials> credentials;

    Bench() {
        ExecPlugin plugin;
        plugin.apiVersion = kV1;
        plugin.command = "plugin";
        credentials =
            makeExecCredentials(plugin, clock, [this](const auto&, const auto&, std::size_t, const base::CallContext&) {
                ++runs;
                return base::Expected<ProcessResult>(ProcessResult{exitCode, base::SecretBytes(output), "the reason"});
            });
    }

    std::string token() {
        const auto identity = credentials->current({});
        return identity ? std::string((*identity)->authorization.reveal()) : "error: " + identity.error().message();
    }
};

}  // namespace

TEST_CASE("a plugin is run without a shell, with its input in the environment", "[kube][exec]") {
    const test::TempDirectory directory;
    const std::string script = directory.write("plugin", R"(#!/bin/sh
printf '%s' "$KUBERNETES_EXEC_INFO" > "$OUT"
printf '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"%s"}}' "$1"
)");
    ::chmod(script.c_str(), 0700);
    ExecPlugin plugin;
    plugin.apiVersion = "client.authentication.k8s.io/v1beta1";
    plugin.command = script;
    plugin.arguments = {"$(id) `id`;"};
    plugin.environment = {{"OUT", directory.path("info")}};
    plugin.cluster = document::Value(document::Object{});
    plugin.cluster->set("server", "https://api:6443");
    const auto credentials = makeExecCredentials(plugin, base::systemClock());
    const auto identity = credentials->current({});
    REQUIRE(identity);
    CHECK((*identity)->authorization.reveal() == "Bearer $(id) `id`;");
    std::ifstream file(directory.path("info"));
    const auto info = document::parseJson(std::string(std::istreambuf_iterator<char>(file), {}));
    REQUIRE(info);
    CHECK((*info)["apiVersion"].asString() == plugin.apiVersion);
    CHECK((*info)["kind"].asString() == "ExecCredential");
    CHECK((*info)["spec"]["interactive"] == document::Value(false));
    CHECK((*info)["spec"]["cluster"]["server"].asString() == "https://api:6443");
}

TEST_CASE("credentials are kept until they nearly expire", "[kube][exec]") {
    Bench bench;
    bench.output = answerOf(R"({"token":"t-1","expirationTimestamp":"2026-11-22T10:10:00+02:00"})");  // in ten minutes
    CHECK(bench.token() == "Bearer t-1");
    bench.clock.advance(9min);
    bench.output = answerOf(R"({"token":"t-2"})");
    CHECK(bench.token() == "Bearer t-1");
    CHECK(bench.runs == 1);
    bench.clock.advance(30s);
    CHECK(bench.token() == "Bearer t-2");
    bench.clock.advance(100h);
    CHECK(bench.token() == "Bearer t-2");
    CHECK(bench.runs == 2);
}

TEST_CASE("credentials in force outlast a plugin that fails, until they expire", "[kube][exec]") {
    Bench bench;
    bench.output = answerOf(R"({"token":"t-1","expirationTimestamp":"2026-11-22T08:01:00Z"})");
    CHECK(bench.token() == "Bearer t-1");
    bench.exitCode = 3;
    bench.clock.advance(40s);
    CHECK(bench.token() == "Bearer t-1");
    CHECK(bench.token() == "Bearer t-1");
    CHECK(bench.runs == 2);
    bench.clock.advance(20s);
    CHECK_THAT(bench.token(), CERTBINDER_CONTAINS("exit code 3 and said: the reason"));
    CHECK_THAT(bench.token(), CERTBINDER_CONTAINS("plugin"));
    CHECK(bench.runs == 3);
    bench.exitCode = 0;
    bench.output = answerOf(R"({"token":"t-2"})");
    bench.clock.advance(5s);
    CHECK(bench.token() == "Bearer t-2");
}

TEST_CASE("a refused credential is renewed once for all who had it", "[kube][exec]") {
    Bench bench;
    const auto old = bench.credentials->current({});
    REQUIRE(old);
    bench.output = answerOf(R"({"token":"t-2"})");
    bench.credentials->refused(*old);
    bench.credentials->refused(*old);
    CHECK(bench.token() == "Bearer t-2");
    bench.credentials->refused(*old);
    CHECK(bench.token() == "Bearer t-2");
    CHECK(bench.runs == 2);
}

TEST_CASE("a plugin may give a client certificate", "[kube][exec]") {
    Bench bench;
    test::Request about;
    about.commonName = "me";
    const auto certificate = test::Certificate::selfSigned(about);
    document::Value status;
    status.set("clientCertificateData", certificate.pem()).set("clientKeyData", certificate.key().pem());
    bench.output = answerOf(document::toJson(status));
    const auto identity = bench.credentials->current({});
    REQUIRE(identity);
    CHECK((*identity)->certificate);
    CHECK((*identity)->authorization.empty());
}

TEST_CASE("an answer that cannot be used is refused without being quoted", "[kube][exec]") {
    for (const std::string& output :
         {std::string("secret-token"), std::string(), std::string("[]"), answerOf(R"("secret-token")"),
          answerOf(R"({"token":"secret-token"})", "client.authentication.k8s.io/v1beta1"), answerOf(R"({"token":""})"),
          answerOf(R"({"token":"secret-token","expirationTimestamp":"secret-token"})"),
          answerOf(R"({"clientKeyData":"secret-token"})"),
          answerOf(R"({"clientKeyData":"secret-token","clientCertificateData":"secret-token"})"),
          std::string(R"({"kind":"ExecCredential","apiVersion":")") + kV1 + R"("})"}) {
        INFO(output);
        Bench bench;
        bench.output = output;
        const auto refused = bench.credentials->current({});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason() == base::Reason::kCredentialsInvalid);
        CHECK_THAT(refused.error().message(), !CERTBINDER_CONTAINS("secret-token"));
    }
}

TEST_CASE("a plugin that is missing shows how to install it", "[kube][exec]") {
    ExecPlugin plugin;
    plugin.apiVersion = kV1;
    plugin.command = "certbinder-no-such-plugin";
    plugin.installHint = "install it by hand";
    const auto missing = makeExecCredentials(plugin, base::systemClock())->current({});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().reason() == base::Reason::kCredentialsNotFound);
    CHECK_THAT(missing.error().message(), CERTBINDER_CONTAINS("install it by hand"));
}
