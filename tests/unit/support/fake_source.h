#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "sources/certificate_source.h"

namespace certbinder::test {

/// A source that has what the test gives it. Thread-safe.
class FakeSource final : public sources::CertificateSource {
  public:
    void give(std::string id, std::shared_ptr<const certificate::Bundle> bundle) {
        const std::scoped_lock lock(mutex_);
        answer_ = sources::Sourced{std::move(id), std::move(bundle)};
    }
    void fail(base::Error error) {
        const std::scoped_lock lock(mutex_);
        answer_ = base::unexpected(std::move(error));
    }
    /// Called at the beginning of each load; may throw.
    std::function<void(const sources::SourceRequest&)> onLoad;

    base::SteadyTime lastNotOlderThan() const {
        const std::scoped_lock lock(mutex_);
        return notOlderThan_;
    }
    int loads() const {
        const std::scoped_lock lock(mutex_);
        return loads_;
    }

    base::Expected<sources::Sourced> load(const sources::SourceRequest& request, const base::CallContext&) override {
        if (onLoad) {
            onLoad(request);
        }
        const std::scoped_lock lock(mutex_);
        ++loads_;
        notOlderThan_ = request.notOlderThan;
        return answer_;
    }

  private:
    mutable std::mutex mutex_;
    base::Expected<sources::Sourced> answer_ =
        base::unexpected(base::Reason::kSourceNotFound, "the test gave this source nothing");
    base::SteadyTime notOlderThan_;
    int loads_ = 0;
};

}  // namespace certbinder::test
