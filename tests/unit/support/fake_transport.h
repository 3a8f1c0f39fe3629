#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "http/transport.h"

namespace certbinder::test {

inline http::Request cloneOf(const http::Request& request) {
    return {request.method, request.url, request.headers, request.body.clone(), request.mostBytes, request.repeatable};
}

inline http::Response answer(int status, std::string_view body = {}, http::Headers headers = {}) {
    return {status, std::move(headers), base::SecretBytes(body)};
}

/// As the real transport reports that there was no answer.
inline base::Error noAnswer(http::Failure failure, std::string message = "the test wants no answer") {
    return base::Error(base::Reason::kUnreachable, std::move(message)).withCode(std::string(http::toString(failure)));
}

/// Answers from a script or by a handler, and remembers what was asked. Thread-safe; the handler is called by the
/// caller's thread without a lock held, so it has to be thread-safe where its callers are many.
class FakeTransport final : public http::Transport {
  public:
    using Handler = std::function<base::Expected<http::Response>(const http::Request&)>;

    FakeTransport() = default;
    explicit FakeTransport(Handler handler) : handler_(std::move(handler)) {}

    void handle(Handler handler) {
        const std::scoped_lock lock(mutex_);
        handler_ = std::move(handler);
    }

    /// Queues one answer; queued answers come, in order, before the handler is asked.
    void push(base::Expected<http::Response> next) {
        const std::scoped_lock lock(mutex_);
        script_.push_back(std::move(next));
    }
    void push(int status, std::string_view body = {}, http::Headers headers = {}) {
        push(answer(status, body, std::move(headers)));
    }

    /// What was asked so far, in order.
    std::vector<http::Request> requests() const {
        const std::scoped_lock lock(mutex_);
        std::vector<http::Request> copies;
        for (const http::Request& request : requests_) {
            copies.push_back(cloneOf(request));
        }
        return copies;
    }

    std::size_t requestCount() const {
        const std::scoped_lock lock(mutex_);
        return requests_.size();
    }

    /// Queued answers nobody asked for.
    std::size_t unusedAnswers() const {
        const std::scoped_lock lock(mutex_);
        return script_.size();
    }

    /// Ends by itself when the context is over, as the real one does, but asks nobody the time.
    base::Expected<http::Response> send(const http::Request& request, const base::CallContext& context) override {
        if (context.stop.stop_requested()) {
            return base::unexpected(noAnswer(http::Failure::kCancelled, request.method + ": cancelled"));
        }
        Handler handler;
        {
            const std::scoped_lock lock(mutex_);
            requests_.push_back(cloneOf(request));
            if (!script_.empty()) {
                base::Expected<http::Response> next = std::move(script_.front());
                script_.pop_front();
                return next;
            }
            handler = handler_;
        }
        if (!handler) {
            return base::unexpected(
                noAnswer(http::Failure::kRefused, "no answer is scripted for " + request.method + " " + request.url));
        }
        return handler(request);
    }

    /// The same answers, with the body handed on in pieces of `pieceBytes`.
    base::Expected<void> stream(const http::Request& request, const std::function<bool(const http::Response&)>& onHead,
                                const std::function<bool(std::string_view)>& onPiece, std::chrono::milliseconds,
                                const base::CallContext& context) override {
        const base::Expected<http::Response> response = send(request, context);
        if (!response) {
            return base::unexpected(response.error());
        }
        if (!onHead({response->status, response->headers, {}})) {
            return {};
        }
        std::string_view rest = response->body.reveal();
        while (!rest.empty() && onPiece(rest.substr(0, pieceBytes))) {
            rest.remove_prefix(std::min(pieceBytes, rest.size()));
        }
        return {};
    }

    std::size_t pieceBytes = 4096;

  private:
    mutable std::mutex mutex_;
    Handler handler_;
    std::deque<base::Expected<http::Response>> script_;
    std::vector<http::Request> requests_;
};

}  // namespace certbinder::test
