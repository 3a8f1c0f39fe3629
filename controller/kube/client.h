#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/guarded.h"
#include "base/random.h"
#include "document/value.h"
#include "http/rate_limiter.h"
#include "kube/api_error.h"
#include "kube/connection.h"
#include "kube/resource.h"

namespace certbinder::kube {

/// How much of an object the server sends.
enum class View {
    kWhole,
    kMetadata  ///< PartialObjectMetadata: a Secret without its data. A server that cannot refuses with 406.
};

struct ListOptions {
    View view = View::kWhole;
    std::optional<std::string> resourceVersion;  ///< none and "" are a quorum read, "0" whatever the cache has
    std::string resourceVersionMatch;            ///< `NotOlderThan`, `Exact`, or ""
    std::int64_t limit = 0;                      ///< of items; 0 for all in one piece
    std::string continueToken;  ///< of the page before; resourceVersion and its match are then not sent
    std::string labelSelector;
    std::string fieldSelector;
};

struct ListPage {
    document::List items;  ///< as the server writes them: without apiVersion and kind for a kWhole view
    std::string resourceVersion;
    std::string continueToken;  ///< "" after the last page, and only then
};

struct WatchOptions {
    View view = View::kWhole;
    std::optional<std::string> resourceVersion;
    std::chrono::seconds timeout{290};  ///< the server ends the watch after that
    bool sendInitialEvents = false;     ///< streaming list; sends resourceVersionMatch=NotOlderThan with it
    std::string labelSelector;
    std::string fieldSelector;
    std::chrono::milliseconds silence{295'000};  ///< kTimeout after that long without a byte
    std::size_t mostLineBytes = 8 << 20;         ///< kTooLarge beyond
};

struct WriteOptions {
    std::string fieldManager;  ///< "" for the client's
    bool force = false;        ///< apply: takes fields over from other managers
    bool dryRun = false;       ///< checked by the server, stored by nobody
};

enum class PatchKind { kMerge, kJson };

struct RemoveOptions {
    std::string uid;              ///< only this object, not one made later under its name; "" for any
    std::string resourceVersion;  ///< only in this state; "" for any
    std::string propagation;      ///< `Background`, `Foreground`, `Orphan`, or "" for the server's choice
};

struct ClientSettings {
    std::string fieldManager = "certbinder";
    std::chrono::milliseconds requestTimeout{60'000};  ///< of one try
    int mostRetries = 10;
    std::optional<http::RateLimit> pace;  ///< none: the server's priority and fairness sees to it
};

struct ServerVersion {
    std::string gitVersion;  ///< `v1.36.3`
    int major = 0;
    int minor = 0;
};

/// The Kubernetes API: objects in, objects out, errors typed. Thread-safe; clock and random must outlive it.
///
/// Tries again, with the server's Retry-After as a floor, where the answer is 429 or 5xx and names one, whatever the
/// verb, since such a request was not carried out; and a GET whose connection broke, after a second. At most
/// `mostRetries` times, never beyond the context's deadline. A write whose answer was lost is never repeated but for
/// apply: its caller reads the state again. watch() is not repeated at all.
class Client {
  public:
    Client(std::shared_ptr<Connection> connection, ClientSettings settings = {},
           const base::Clock& clock = base::systemClock(), base::Random& random = base::systemRandom());

    Result<document::Value> get(const ObjectPath& path, const base::CallContext& context, View view = View::kWhole);
    /// One page. Fails with kOther where the answer is no list (a Table made by a proxy).
    Result<ListPage> list(const Resource& resource, const std::string& space, const ListOptions& options,
                          const base::CallContext& context);

    /// `path.name` is not used: the object names itself.
    Result<document::Value> create(const ObjectPath& path, const document::Value& object,
                                   const base::CallContext& context, const WriteOptions& options = {});
    /// PUT; the object's resourceVersion is the precondition (kConflict).
    Result<document::Value> update(const ObjectPath& path, const document::Value& object,
                                   const base::CallContext& context, const WriteOptions& options = {});
    Result<document::Value> patch(const ObjectPath& path, PatchKind kind, const document::Value& body,
                                  const base::CallContext& context, const WriteOptions& options = {});
    /// Server-side apply: `object` holds apiVersion, kind, metadata.name and every field one owns, and nothing else.
    Result<document::Value> apply(const ObjectPath& path, const document::Value& object,
                                  const base::CallContext& context, const WriteOptions& options = {});
    /// Success also where it is gone already; kConflict where a precondition does not hold.
    Result<void> remove(const ObjectPath& path, const base::CallContext& context, const RemoveOptions& options = {});

    /// Hands each line of the stream, without its end, to `onLine` on the caller's thread until that returns false or
    /// the stream ends; either is success. The bytes are valid during the call. An ERROR event is a line like others
    /// (errorOf() reads its Status); an answer that is not 200 is an error; bookmarks are always asked for.
    Result<void> watch(const Resource& resource, const std::string& space, const WatchOptions& options,
                       const std::function<bool(std::string_view line)>& onLine, const base::CallContext& context);

    Result<ServerVersion> serverVersion(const base::CallContext& context);
    /// Success where the server serves this resource; else kNotFound with a sentence that says how to install it.
    Result<void> requireResource(const Resource& resource, const base::CallContext& context);

    const ClusterConfig& config() const { return connection_->config(); }

  private:
    Result<http::Response> exchange(const Call& call, const base::CallContext& context);
    Result<document::Value> object(const Call& call, const base::CallContext& context);
    void showWarnings(const http::Response& response);

    const std::shared_ptr<Connection> connection_;
    const ClientSettings settings_;
    const base::Clock& clock_;
    base::Random& random_;
    std::optional<http::RateLimiter> pace_;
    base::Guarded<std::set<std::string>> shownWarnings_;
};

}  // namespace certbinder::kube
