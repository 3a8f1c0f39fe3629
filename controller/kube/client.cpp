#include "kube/client.h"

#include <algorithm>
#include <utility>

#include "base/backoff.h"
#include "base/log.h"
#include "base/text.h"
#include "document/json.h"
#include "kube/line_splitter.h"

namespace certbinder::kube {
namespace {

using document::Value;

constexpr std::chrono::milliseconds kAfterBrokenConnection{1000};
constexpr double kRetryJitter = 0.1;  // of a Retry-After, so that callers who were refused together do not come back so
constexpr std::size_t kMostWarnings = 100;
constexpr std::size_t kMostErrorBody = 64 << 10;
constexpr std::size_t kMostListBytes = 256 << 20;

constexpr const char* kJson = "application/json";
constexpr const char* kOneMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
constexpr const char* kManyMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The query of a URL, in the order of adding. Empty values are left out.
class Query {
  public:
    Query& add(std::string_view name, std::string_view value) { return value.empty() ? *this : put(name, value); }

    Query& put(std::string_view name, std::string_view value) {
        text_ += (text_.empty() ? "?" : "&") + std::string(name) + "=" + base::percentEncode(value);
        return *this;
    }

    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

ApiError ours(const std::string& place, ApiReason reason, std::string message) {
    ApiError error;
    error.reason = reason;
    error.message = std::move(message);
    error.place = place;
    return error;
}

ApiError asked(ApiError error, const Call& call) {
    error.place = call.shown;
    return error;
}

/// How long to wait before the same request may go out again; nothing where it must not.
std::optional<std::chrono::milliseconds> pauseBefore(const Result<http::Response>& answer, const Call& call,
                                                     base::WallTime now) {
    if (answer) {
        const bool refused = answer->status == 429 || answer->status >= 500;
        return refused ? http::retryAfter(*answer, now) : std::nullopt;
    }
    const bool broken =
        answer.error().failure == http::Failure::kReset || answer.error().failure == http::Failure::kTruncated;
    return broken && call.method == "GET" ? std::optional(kAfterBrokenConnection) : std::nullopt;
}

std::string dryRun(const WriteOptions& options) {
    return options.dryRun ? "All" : "";
}

ListPage pageOf(Value&& value) {
    ListPage page;
    const Value& metadata = value["metadata"];
    page.resourceVersion = metadata["resourceVersion"].asString();
    page.continueToken = metadata["continue"].asString();
    if (Value* items = value.find("items"); items != nullptr && items->isList()) {
        page.items = std::move(items->list());
    }
    return page;
}

}  // namespace

Client::Client(std::shared_ptr<Connection> connection, ClientSettings settings, const base::Clock& clock,
               base::Random& random)
    : connection_(std::move(connection)), settings_(std::move(settings)), clock_(clock), random_(random) {
    if (settings_.pace) {
        pace_.emplace(*settings_.pace, clock, random);
    }
}

Result<http::Response> Client::exchange(const Call& call, const base::CallContext& context) {
    for (int retries = 0;; ++retries) {
        if (pace_) {
            if (const base::Expected<void> turn = pace_->acquire(context); !turn) {
                ApiError late = errorOf(turn.error());
                late.reason = late.retryAfter ? ApiReason::kTooManyRequests : ApiReason::kNoAnswer;
                return tl::unexpected(asked(std::move(late), call));
            }
        }
        Result<http::Response> answer = connection_->send(call, context.within(settings_.requestTimeout, clock_));
        if (answer) {
            showWarnings(*answer);
            if (answer->status >= 200 && answer->status < 300) {
                return answer;
            }
        }
        const base::WallTime now = clock_.wallNow();
        const std::optional<std::chrono::milliseconds> floor = pauseBefore(answer, call, now);
        const auto pause = floor ? base::jittered(*floor, kRetryJitter, random_) : std::chrono::milliseconds(0);
        const bool again = floor && retries < settings_.mostRetries && context.left(clock_) > pause;
        if (!again || !clock_.waitUntil(clock_.steadyNow() + pause, context.stop)) {
            return answer ? tl::unexpected(asked(errorOf(*answer, now), call)) : std::move(answer);
        }
    }
}

Result<Value> Client::object(const Call& call, const base::CallContext& context) {
    Result<http::Response> answer = exchange(call, context);
    if (!answer) {
        return tl::unexpected(std::move(answer.error()));
    }
    base::Expected<Value> value = document::parseJson(answer->body.reveal());
    if (!value || !value->isObject()) {
        return tl::unexpected(
            ours(call.shown, ApiReason::kOther, "the answer is no JSON object; is this really an API server?"));
    }
    return std::move(*value);
}

void Client::showWarnings(const http::Response& response) {
    for (const auto& [name, value] : response.headers) {
        if (base::toLower(name) != "warning") {
            continue;
        }
        const std::string text = base::printable(value);
        auto shown = shownWarnings_.lock();
        if (shown->size() < kMostWarnings && shown->insert(text).second) {
            base::logWarning("the API server warns", {{"warning", text}});
        }
    }
}

Result<Value> Client::get(const ObjectPath& path, const base::CallContext& context, View view) {
    Call call;
    call.target = urlPath(path);
    call.accept = view == View::kMetadata ? kOneMetadata : kJson;
    call.shown = "GET " + shown(path);
    return object(call, context);
}

Result<ListPage> Client::list(const Resource& resource, const std::string& space, const ListOptions& options,
                              const base::CallContext& context) {
    const ObjectPath path{resource, space, {}, {}};
    Query query;
    query.add("labelSelector", options.labelSelector).add("fieldSelector", options.fieldSelector);
    if (options.limit > 0) {
        query.put("limit", std::to_string(options.limit));
    }
    if (!options.continueToken.empty()) {
        query.put("continue", options.continueToken);
    } else {
        query.add("resourceVersion", options.resourceVersion.value_or(""));
        query.add("resourceVersionMatch", options.resourceVersionMatch);
    }
    Call call;
    call.target = urlPath(path) + query.text();
    call.accept = options.view == View::kMetadata ? kManyMetadata : kJson;
    call.mostAnswerBytes = kMostListBytes;
    call.shown = "LIST " + shown(path);
    Result<Value> list = object(call, context);
    if (!list) {
        return tl::unexpected(std::move(list.error()));
    }
    const std::string& kind = (*list)["kind"].asString();
    const bool isList = kind.size() >= 4 && kind.compare(kind.size() - 4, 4, "List") == 0;
    if (!isList || (options.view == View::kMetadata && kind != "PartialObjectMetadataList")) {
        return tl::unexpected(ours(call.shown, ApiReason::kOther,
                                   "the answer is of kind " + base::printable(kind, 100) +
                                       " and not the list that was asked for; does a proxy change the requests?"));
    }
    return pageOf(std::move(*list));
}

Result<Value> Client::create(const ObjectPath& path, const Value& object, const base::CallContext& context,
                             const WriteOptions& options) {
    ObjectPath collection = path;
    collection.name.clear();
    Query query;
    query.add("fieldManager", options.fieldManager.empty() ? settings_.fieldManager : options.fieldManager);
    query.add("dryRun", dryRun(options));
    Call call;
    call.method = "POST";
    call.target = urlPath(collection) + query.text();
    call.contentType = kJson;
    call.body = document::toJson(object);
    ObjectPath named = collection;
    named.name = object["metadata"]["name"].asString();
    call.shown = "POST " + shown(named);
    return this->object(call, context);
}

Result<Value> Client::update(const ObjectPath& path, const Value& object, const base::CallContext& context,
                             const WriteOptions& options) {
    Query query;
    query.add("fieldManager", options.fieldManager.empty() ? settings_.fieldManager : options.fieldManager);
    query.add("dryRun", dryRun(options));
    Call call;
    call.method = "PUT";
    call.target = urlPath(path) + query.text();
    call.contentType = kJson;
    call.body = document::toJson(object);
    call.shown = "PUT " + shown(path);
    return this->object(call, context);
}

Result<Value> Client::patch(const ObjectPath& path, PatchKind kind, const Value& body, const base::CallContext& context,
                            const WriteOptions& options) {
    Query query;
    query.add("fieldManager", options.fieldManager.empty() ? settings_.fieldManager : options.fieldManager);
    query.add("dryRun", dryRun(options));
    Call call;
    call.method = "PATCH";
    call.target = urlPath(path) + query.text();
    call.contentType = kind == PatchKind::kMerge ? "application/merge-patch+json" : "application/json-patch+json";
    call.body = document::toJson(body);
    call.shown = "PATCH " + shown(path);
    return object(call, context);
}

Result<Value> Client::apply(const ObjectPath& path, const Value& object, const base::CallContext& context,
                            const WriteOptions& options) {
    Query query;
    query.add("fieldManager", options.fieldManager.empty() ? settings_.fieldManager : options.fieldManager);
    query.put("force", options.force ? "true" : "false").add("dryRun", dryRun(options));
    Call call;
    call.method = "PATCH";
    call.target = urlPath(path) + query.text();
    call.contentType = "application/apply-patch+yaml";
    call.body = document::toJson(object);
    call.repeatable = true;  // the second of two equal ones changes nothing
    call.shown = "APPLY " + shown(path);
    return this->object(call, context);
}

Result<void> Client::remove(const ObjectPath& path, const base::CallContext& context, const RemoveOptions& options) {
    Value body;
    body.set("apiVersion", "v1").set("kind", "DeleteOptions");
    Value preconditions;
    if (!options.uid.empty()) {
        preconditions.set("uid", options.uid);
    }
    if (!options.resourceVersion.empty()) {
        preconditions.set("resourceVersion", options.resourceVersion);
    }
    if (!preconditions.isNull()) {
        body.set("preconditions", std::move(preconditions));
    }
    if (!options.propagation.empty()) {
        body.set("propagationPolicy", options.propagation);
    }
    Call call;
    call.method = "DELETE";
    call.target = urlPath(path);
    call.contentType = kJson;
    call.body = document::toJson(body);
    call.shown = "DELETE " + shown(path);
    const Result<http::Response> answer = exchange(call, context);
    if (!answer && !answer.error().is(ApiReason::kNotFound)) {
        return tl::unexpected(answer.error());
    }
    return {};
}

Result<void> Client::watch(const Resource& resource, const std::string& space, const WatchOptions& options,
                           const std::function<bool(std::string_view line)>& onLine, const base::CallContext& context) {
    const ObjectPath path{resource, space, {}, {}};
    Query query;
    query.put("watch", "true").put("allowWatchBookmarks", "true");
    query.put("timeoutSeconds", std::to_string(options.timeout.count()));
    query.add("resourceVersion", options.resourceVersion.value_or(""));
    if (options.sendInitialEvents) {
        query.put("sendInitialEvents", "true").put("resourceVersionMatch", "NotOlderThan");
    }
    query.add("labelSelector", options.labelSelector).add("fieldSelector", options.fieldSelector);
    Call call;
    call.target = urlPath(path) + query.text();
    call.accept = options.view == View::kMetadata ? kOneMetadata : kJson;
    call.shown = "WATCH " + shown(path);

    http::Response refusal;
    LineSplitter lines(options.mostLineBytes);
    LineSplitter::State state = LineSplitter::State::kMore;
    const auto onHead = [&](const http::Response& head) {
        showWarnings(head);
        if (head.status != 200) {
            refusal.status = head.status;
            refusal.headers = head.headers;
        }
        return true;
    };
    const auto onPiece = [&](std::string_view piece) {
        if (refusal.status != 0) {
            refusal.body.append(piece.substr(0, kMostErrorBody - refusal.body.size()));
            return refusal.body.size() < kMostErrorBody;
        }
        state = lines.take(piece, onLine);
        return state == LineSplitter::State::kMore;
    };
    Result<void> done = connection_->stream(call, onHead, onPiece, options.mostLineBytes, options.silence, context);
    if (refusal.status != 0) {
        return tl::unexpected(asked(errorOf(refusal, clock_.wallNow()), call));
    }
    if (done && state == LineSplitter::State::kMore) {
        state = lines.finish(onLine);
    }
    if (state == LineSplitter::State::kTooLong) {
        ApiError error = ours(call.shown, ApiReason::kNoAnswer, "an event is larger than allowed");
        error.failure = http::Failure::kTooLarge;
        return tl::unexpected(std::move(error));
    }
    return done;
}

Result<ServerVersion> Client::serverVersion(const base::CallContext& context) {
    Call call;
    call.target = "/version";
    call.shown = "GET /version";
    const Result<Value> answer = object(call, context);
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    // Some distributions write the minor version as `28+`.
    const auto number = [&](const char* field) {
        const std::string& text = (*answer)[field].asString();
        return static_cast<int>(base::parseInteger(text.substr(0, text.find('+'))).value_or(0));
    };
    return ServerVersion{base::printable((*answer)["gitVersion"].asString(), 100), number("major"), number("minor")};
}

Result<void> Client::requireResource(const Resource& resource, const base::CallContext& context) {
    Call call;
    call.target = resource.group.empty() ? "/api" : "/apis/" + base::percentEncode(resource.group);
    call.target += "/" + base::percentEncode(resource.version);
    call.shown = "GET " + call.target;
    const Result<Value> answer = object(call, context);
    if (!answer && !answer.error().is(ApiReason::kNotFound)) {
        return tl::unexpected(answer.error());
    }
    if (answer) {
        for (const Value& served : (*answer)["resources"].asList()) {
            if (served["name"].asString() == resource.plural) {
                return {};
            }
        }
    }
    ApiError missing = ours(call.shown, ApiReason::kNotFound,
                            "the cluster does not know " + resource.plural + " of " + resource.apiVersion() +
                                ": install the CustomResourceDefinition (kubectl apply -f crds/, or the chart)");
    missing.httpStatus = 404;
    return tl::unexpected(std::move(missing));
}

}  // namespace certbinder::kube
