#include "kube/client.h"

#include "kube/login.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/test.h"

using namespace certbinder;
using namespace certbinder::kube;
using namespace std::chrono_literals;
using certbinder::test::FakeClock;
using certbinder::test::FakeTransport;
using document::Value;

namespace {

const Resource kSecrets{"", "v1", "secrets"};
const Resource kBindings{"certbinder.io", "v1alpha1", "certificatebindings"};
const std::string kServer = "https://api:6443";

struct Bench {
    FakeClock clock{FakeClock::Waiting::kAdvances};
    FakeTransport* requests = nullptr;
    FakeTransport* watches = nullptr;
    std::unique_ptr<Client> client;

    explicit Bench(ClientSettings settings = {}) {
        ClusterConfig config;
        config.server = kServer;
        config.credentials = makeCredentials({}, clock);
        int made = 0;
        std::vector<std::unique_ptr<FakeTransport>> transports;
        transports.push_back(std::make_unique<FakeTransport>());
        transports.push_back(std::make_unique<FakeTransport>());
        requests = transports[0].get();
        watches = transports[1].get();
        auto shared = std::make_shared<std::vector<std::unique_ptr<FakeTransport>>>(std::move(transports));
        auto connection = std::make_shared<Connection>(
            std::move(config), http::TransportSettings{},
            [shared, made](const http::TransportSettings&) mutable -> base::Expected<std::unique_ptr<http::Transport>> {
                return std::unique_ptr<http::Transport>(std::move(shared->at(static_cast<std::size_t>(made++))));
            });
        client = std::make_unique<Client>(std::move(connection), std::move(settings), clock, base::systemRandom());
    }

    http::Request last() const { return std::move(requests->requests().back()); }
};

std::string header(const http::Request& request, const std::string& name) {
    for (const auto& [key, value] : request.headers) {
        if (key == name) {
            return value;
        }
    }
    return "";
}

base::Expected<http::Response> reset() {
    return base::unexpected(test::noAnswer(http::Failure::kReset));
}

}  // namespace

TEST_CASE("each verb is the request that the API server expects", "[kube]") {
    Bench bench;
    bench.requests->handle([](const http::Request&) { return test::answer(200, R"({"kind":"Secret"})"); });
    const ObjectPath path{kBindings, "web", "shop", "status"};
    const std::string url = kServer + "/apis/certbinder.io/v1alpha1/namespaces/web/certificatebindings";
    Value object;
    object.set("metadata", Value().set("name", "shop"));

    REQUIRE(bench.client->get(path, {}));
    CHECK(bench.last().url == url + "/shop/status");
    CHECK(header(bench.last(), "Accept") == "application/json");
    REQUIRE(bench.client->get(path, {}, View::kMetadata));
    CHECK(header(bench.last(), "Accept") == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

    WriteOptions options;
    options.force = true;
    REQUIRE(bench.client->apply(path, object, {}, options));
    CHECK(bench.last().method == "PATCH");
    CHECK(bench.last().url == url + "/shop/status?fieldManager=certbinder&force=true");
    CHECK(header(bench.last(), "Content-Type") == "application/apply-patch+yaml");
    CHECK(bench.last().body.reveal() == R"({"metadata":{"name":"shop"}})");
    CHECK(bench.last().repeatable);

    options.fieldManager = "certbinder lease";
    options.dryRun = true;
    REQUIRE(bench.client->create({kBindings, "web", "ignored", ""}, object, {}, options));
    CHECK(bench.last().method == "POST");
    CHECK(bench.last().url == url + "?fieldManager=certbinder%20lease&dryRun=All");
    CHECK_FALSE(bench.last().repeatable);

    REQUIRE(bench.client->update(path, object, {}));
    CHECK(bench.last().method == "PUT");
    REQUIRE(bench.client->patch(path, PatchKind::kMerge, object, {}));
    CHECK(header(bench.last(), "Content-Type") == "application/merge-patch+json");
    REQUIRE(bench.client->patch(path, PatchKind::kJson, document::List{}, {}));
    CHECK(header(bench.last(), "Content-Type") == "application/json-patch+json");
    CHECK(bench.last().body.reveal() == "[]");

    REQUIRE(bench.client->remove({kBindings, "web", "shop", ""}, {}, {"uid-1", "42", "Background"}));
    CHECK(bench.last().method == "DELETE");
    CHECK(bench.last().body.reveal() ==
          R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"uid-1","resourceVersion":"42"},)"
          R"("propagationPolicy":"Background"})");
    CHECK_FALSE(bench.last().repeatable);
}

TEST_CASE("removing what is gone is a success, removing in another state is not", "[kube]") {
    Bench bench;
    bench.requests->push(404, R"({"kind":"Status","apiVersion":"v1","code":404,"reason":"NotFound"})");
    CHECK(bench.client->remove({kSecrets, "web", "shop", ""}, {}));
    bench.requests->push(409, R"({"kind":"Status","apiVersion":"v1","code":409,"reason":"Conflict"})");
    const auto conflict = bench.client->remove({kSecrets, "web", "shop", ""}, {}, {"uid", "", ""});
    REQUIRE_FALSE(conflict);
    CHECK(conflict.error().is(ApiReason::kConflict));
    CHECK(conflict.error().place == "DELETE secrets web/shop");
}

TEST_CASE("a list is paged, and later pages do not repeat the resource version", "[kube]") {
    Bench bench;
    bench.requests->push(200, R"({"kind":"SecretList","metadata":{"resourceVersion":"7","continue":"c/1"},)"
                              R"("items":[{"metadata":{"name":"a"}}]})");
    ListOptions options;
    options.resourceVersion = "0";
    options.resourceVersionMatch = "NotOlderThan";
    options.limit = 500;
    options.labelSelector = "a=b,c";
    const auto first = bench.client->list(kSecrets, "", options, {});
    REQUIRE(first);
    CHECK(first->items.size() == 1);
    CHECK(first->resourceVersion == "7");
    CHECK(first->continueToken == "c/1");
    CHECK(bench.last().url == kServer + "/api/v1/secrets?labelSelector=a%3Db%2Cc&limit=500&resourceVersion=0" +
                                  "&resourceVersionMatch=NotOlderThan");
    bench.requests->push(200, R"({"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"7"},"items":[]})");
    options.continueToken = first->continueToken;
    options.view = View::kMetadata;
    const auto second = bench.client->list(kSecrets, "", options, {});
    REQUIRE(second);
    CHECK(second->continueToken.empty());
    CHECK(bench.last().url == kServer + "/api/v1/secrets?labelSelector=a%3Db%2Cc&limit=500&continue=c%2F1");
    CHECK(header(bench.last(), "Accept") == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
}

TEST_CASE("what is no list, or holds more than was asked for, is refused", "[kube]") {
    Bench bench;
    for (const char* body : {R"({"kind":"Table","items":[]})", R"({"kind":"Secret"})", R"({})", "[]", "<html>", ""}) {
        bench.requests->push(200, body);
        CHECK_FALSE(bench.client->list(kSecrets, "", {}, {}));
    }
    bench.requests->push(200, R"({"kind":"SecretList","items":[]})");
    ListOptions metadata;
    metadata.view = View::kMetadata;
    CHECK_FALSE(bench.client->list(kSecrets, "", metadata, {}));
}

TEST_CASE("requests are repeated where that is allowed, and only there", "[kube]") {
    struct Row {
        const char* what;
        bool write;
        int status;  // 0: the connection is reset
        const char* retryAfter;
        bool repeated;
    };
    for (const Row& row : {
             Row{"429 with a time", false, 429, "2", true},
             Row{"429 with a time, a write", true, 429, "2", true},
             Row{"503 with a time, a write", true, 503, "2", true},
             Row{"500 with a time, a write", true, 500, "2", true},
             Row{"429 without a time", false, 429, "", false},
             Row{"503 without a time", false, 503, "", false},
             Row{"404 with a time", false, 404, "2", false},
             Row{"409, a write", true, 409, "", false},
             Row{"422 with a time, a write", true, 422, "2", false},
             Row{"reset", false, 0, "", true},
             Row{"reset, a write", true, 0, "", false},
         }) {
        INFO(row.what);
        Bench bench;
        http::Headers headers;
        if (*row.retryAfter != '\0') {
            headers.emplace_back("Retry-After", row.retryAfter);
        }
        bench.requests->push(row.status == 0 ? reset() : test::answer(row.status, "", headers));
        bench.requests->push(200, "{}");
        const ObjectPath path{kSecrets, "web", "shop", ""};
        const auto done = row.write ? bench.client->update(path, document::Object{}, {}) : bench.client->get(path, {});
        CHECK(done.has_value() == row.repeated);
        CHECK(bench.requests->requestCount() == (row.repeated ? 2 : 1));
        if (row.repeated) {
            CHECK(bench.clock.passed() >= (row.status == 0 ? 1s : 2s));
            CHECK(bench.clock.passed() < 3s);
        }
    }
}

TEST_CASE("retries end: by number, by the deadline, by a stop", "[kube]") {
    const ObjectPath path{kSecrets, "web", "shop", ""};
    const auto busy = [](const http::Request&) { return test::answer(429, "", {{"Retry-After", "1"}}); };
    Bench bench;
    bench.requests->handle(busy);
    const auto given = bench.client->get(path, {});
    REQUIRE_FALSE(given);
    CHECK(given.error().is(ApiReason::kTooManyRequests));
    CHECK(given.error().retryAfter == 1s);
    CHECK(bench.requests->requestCount() == 11);

    Bench late;
    late.requests->handle(busy);
    CHECK_FALSE(late.client->get(path, base::CallContext{}.within(3s, late.clock)));
    CHECK(late.requests->requestCount() <= 3);

    Bench stopped;
    std::stop_source stop;
    stopped.requests->handle([&](const http::Request& request) { return stop.request_stop(), busy(request); });
    CHECK_FALSE(stopped.client->get(path, {base::SteadyTime::max(), stop.get_token()}));
    CHECK(stopped.requests->requestCount() == 1);
}

TEST_CASE("a watch hands on its lines, and asks as the options say", "[kube]") {
    Bench bench;
    bench.watches->pieceBytes = 3;
    bench.watches->push(200, "{\"type\":\"ADDED\"}\n{\"type\":\"BOOKMARK\"}\n");
    WatchOptions options;
    options.resourceVersion = "42";
    options.sendInitialEvents = true;
    options.view = View::kMetadata;
    options.timeout = 240s;
    std::vector<std::string> lines;
    const auto collect = [&](std::string_view line) { return lines.emplace_back(line), true; };
    REQUIRE(bench.client->watch(kSecrets, "web", options, collect, {}));
    CHECK(lines == std::vector<std::string>{R"({"type":"ADDED"})", R"({"type":"BOOKMARK"})"});
    const auto requests = bench.watches->requests();
    CHECK(requests.back().url == kServer + "/api/v1/namespaces/web/secrets?watch=true&allowWatchBookmarks=true" +
                                     "&timeoutSeconds=240&resourceVersion=42&sendInitialEvents=true" +
                                     "&resourceVersionMatch=NotOlderThan");
    CHECK(header(requests.back(), "Accept") == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    CHECK(bench.requests->requestCount() == 0);
}

TEST_CASE("a watch that is refused, breaks or grows too large says so, and is not repeated", "[kube]") {
    Bench bench;
    int lines = 0;
    const auto none = [&](std::string_view) { return ++lines, true; };
    bench.watches->push(429, R"({"kind":"Status","apiVersion":"v1","code":429,"reason":"TooManyRequests"})",
                        {{"Retry-After", "5"}});
    const auto busy = bench.client->watch(kSecrets, "", {}, none, {});
    REQUIRE_FALSE(busy);
    CHECK(busy.error().is(ApiReason::kTooManyRequests));
    CHECK(busy.error().retryAfter == 5s);
    bench.watches->push(reset());
    const auto broken = bench.client->watch(kSecrets, "", {}, none, {});
    REQUIRE_FALSE(broken);
    CHECK(broken.error().failure == http::Failure::kReset);
    WatchOptions small;
    small.mostLineBytes = 10;
    bench.watches->push(200, std::string(11, 'x') + "\n");
    const auto large = bench.client->watch(kSecrets, "", small, none, {});
    REQUIRE_FALSE(large);
    CHECK(large.error().failure == http::Failure::kTooLarge);
    CHECK(bench.watches->requestCount() == 3);
    CHECK(lines == 0);
    bench.watches->push(200, "a\nb\n");
    int seen = 0;
    CHECK(bench.client->watch(kSecrets, "", {}, [&](std::string_view) { return ++seen, false; }, {}));
    CHECK(seen == 1);
}

TEST_CASE("the server's version and the resources it serves are found out", "[kube]") {
    Bench bench;
    bench.requests->push(200, R"({"major":"1","minor":"36+","gitVersion":"v1.36.3"})");
    const auto version = bench.client->serverVersion({});
    REQUIRE(version);
    CHECK(version->gitVersion == "v1.36.3");
    CHECK(version->major == 1);
    CHECK(version->minor == 36);

    const std::string served = R"({"kind":"APIResourceList","resources":[{"name":"certificatebindings"}]})";
    bench.requests->push(200, served);
    CHECK(bench.client->requireResource(kBindings, {}));
    CHECK(bench.last().url == kServer + "/apis/certbinder.io/v1alpha1");
    bench.requests->push(404, "404 page not found");
    const auto missing = bench.client->requireResource(kBindings, {});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().is(ApiReason::kNotFound));
    CHECK_THAT(missing.error().text(), CERTBINDER_CONTAINS("install the CustomResourceDefinition"));
    bench.requests->push(200, served);
    CHECK_FALSE(bench.client->requireResource({"certbinder.io", "v1alpha1", "others"}, {}));
    bench.requests->push(403, "no");
    CHECK(bench.client->requireResource(kBindings, {}).error().is(ApiReason::kForbidden));
}

TEST_CASE("a pace holds writes back, and a deadline shorter than the turn says so", "[kube]") {
    ClientSettings settings;
    settings.pace = http::RateLimit{1, 1, {}};
    Bench bench(settings);
    bench.requests->handle([](const http::Request&) { return test::answer(200, "{}"); });
    const ObjectPath path{kSecrets, "web", "shop", ""};
    CHECK(bench.client->get(path, {}));
    CHECK(bench.client->get(path, {}));
    CHECK(bench.clock.passed() >= 999ms);
    const auto late = bench.client->get(path, base::CallContext{}.within(10ms, bench.clock));
    REQUIRE_FALSE(late);
    CHECK(late.error().is(ApiReason::kTooManyRequests));
}
