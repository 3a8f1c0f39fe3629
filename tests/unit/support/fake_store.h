#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "objects/object_store.h"

namespace certbinder::test {

/// Objects in memory, by the rules of the interface. Thread-safe.
class FakeStore final : public objects::ObjectStore {
  public:
    void put(api::CertificateBinding binding) {
        const std::scoped_lock lock(mutex_);
        const api::ObjectKey key = binding.metadata.key;
        bindings_[key] = std::make_shared<const api::CertificateBinding>(std::move(binding));
    }

    void removeBinding(const api::ObjectKey& key) {
        const std::scoped_lock lock(mutex_);
        bindings_.erase(key);
    }

    void putSecret(const api::ObjectKey& key) {
        auto data = std::make_shared<api::SecretData>();
        data->type = "Opaque";
        const std::scoped_lock lock(mutex_);
        secrets_[key] = std::move(data);
    }

    void removeSecret(const api::ObjectKey& key) {
        const std::scoped_lock lock(mutex_);
        secrets_.erase(key);
    }

    void putConfigMap(const api::ObjectKey& key, std::map<std::string, std::string> entries) {
        const std::scoped_lock lock(mutex_);
        configMaps_[key] = std::move(entries);
    }

    /// Makes every read of a Secret, or every write of a status, fail from now on; nothing mends it.
    void failSecrets(std::optional<base::Error> error) {
        const std::scoped_lock lock(mutex_);
        secretError_ = std::move(error);
    }
    void failWrites(std::optional<base::Error> error) {
        const std::scoped_lock lock(mutex_);
        writeError_ = std::move(error);
    }

    /// Hands changes to whoever watches; waits for a watcher. False if none comes.
    bool tell(const std::vector<objects::Change>& changes) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return onChanges_ != nullptr; })) {
            return false;
        }
        const auto tellWatcher = onChanges_;
        lock.unlock();
        tellWatcher(changes);
        return true;
    }

    /// Waits until the test of the bindings' statuses holds. False if it does not in time.
    bool waitFor(const std::function<bool(const FakeStore&)>& holds) const {
        std::unique_lock lock(mutex_);
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (std::chrono::steady_clock::now() < end) {
            lock.unlock();
            if (holds(*this)) {
                return true;
            }
            lock.lock();
            changed_.wait_for(lock, std::chrono::milliseconds(20));
        }
        return false;
    }

    std::vector<api::Status> writes() const {
        const std::scoped_lock lock(mutex_);
        return writes_;
    }
    std::vector<objects::Event> events() const {
        const std::scoped_lock lock(mutex_);
        return events_;
    }
    void forgetHistory() {
        const std::scoped_lock lock(mutex_);
        writes_.clear();
        events_.clear();
    }

    std::vector<std::shared_ptr<const api::CertificateBinding>> bindings() const override {
        const std::scoped_lock lock(mutex_);
        std::vector<std::shared_ptr<const api::CertificateBinding>> all;
        for (const auto& [key, binding] : bindings_) {
            all.push_back(binding);
        }
        return all;
    }

    std::shared_ptr<const api::CertificateBinding> binding(const api::ObjectKey& key) const override {
        const std::scoped_lock lock(mutex_);
        const auto found = bindings_.find(key);
        return found == bindings_.end() ? nullptr : found->second;
    }

    base::Expected<std::shared_ptr<const api::SecretData>> secret(const api::ObjectKey& key) override {
        const std::scoped_lock lock(mutex_);
        if (secretError_) {
            return base::unexpected(*secretError_);
        }
        const auto found = secrets_.find(key);
        return found == secrets_.end() ? nullptr : found->second;
    }

    base::Expected<std::optional<std::string>> configMapEntry(const api::ObjectKey& key,
                                                              const std::string& entry) override {
        const std::scoped_lock lock(mutex_);
        const auto found = configMaps_.find(key);
        if (found == configMaps_.end() || found->second.count(entry) == 0) {
            return std::optional<std::string>();
        }
        return std::optional(found->second.at(entry));
    }

    base::Expected<void> writeStatus(const api::ObjectKey& key, const api::Status& status) override {
        const std::scoped_lock lock(mutex_);
        if (writeError_) {
            return base::unexpected(*writeError_);
        }
        const auto found = bindings_.find(key);
        if (found == bindings_.end() || found->second->status == status) {
            return {};
        }
        api::CertificateBinding fresh = *found->second;
        fresh.status = status;
        found->second = std::make_shared<const api::CertificateBinding>(std::move(fresh));
        writes_.push_back(status);
        changed_.notify_all();
        return {};
    }

    void watch(const std::function<void(const std::vector<objects::Change>&)>& onChanges,
               std::stop_token stop) override {
        std::unique_lock lock(mutex_);
        onChanges_ = onChanges;
        changed_.notify_all();
        changed_.wait(lock, stop, [] { return false; });
        onChanges_ = nullptr;
    }

    void emit(const objects::Event& event) override {
        const std::scoped_lock lock(mutex_);
        events_.push_back(event);
    }

  private:
    mutable std::mutex mutex_;
    mutable std::condition_variable_any changed_;
    std::map<api::ObjectKey, std::shared_ptr<const api::CertificateBinding>> bindings_;
    std::map<api::ObjectKey, std::shared_ptr<const api::SecretData>> secrets_;
    std::map<api::ObjectKey, std::map<std::string, std::string>> configMaps_;
    std::function<void(const std::vector<objects::Change>&)> onChanges_;
    std::vector<api::Status> writes_;
    std::vector<objects::Event> events_;
    std::optional<base::Error> secretError_;
    std::optional<base::Error> writeError_;
};

}  // namespace certbinder::test
