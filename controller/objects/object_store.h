#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "api/secret_data.h"
#include "base/expected.h"

namespace certbinder::objects {

enum class Kind { kBinding, kSecret, kConfigMap };

/// Something was added, changed or removed.
struct Change {
    Kind kind = Kind::kBinding;
    api::ObjectKey key;
};

enum class EventType { kNormal, kWarning };

/// Something worth telling about a binding. Emitted on a transition, never for a pass without one.
struct Event {
    api::ObjectKey binding;
    EventType type = EventType::kNormal;
    std::string reason;  ///< CamelCase, stable: `Deployed`, `DriftDetected`, …
    std::string message;
};

/// Where objects come from and statuses go to: files or a cluster, which the rest of the code cannot tell apart.
/// Thread-safe. Objects are snapshots that are never changed in place.
class ObjectStore {
  public:
    virtual ~ObjectStore() = default;

    virtual std::vector<std::shared_ptr<const api::CertificateBinding>> bindings() const = 0;
    /// Null where there is none.
    virtual std::shared_ptr<const api::CertificateBinding> binding(const api::ObjectKey& key) const = 0;
    /// Null where there is none; an error where it cannot be told.
    virtual base::Expected<std::shared_ptr<const api::SecretData>> secret(const api::ObjectKey& key) = 0;
    /// One entry of a ConfigMap; nothing where map or entry is missing.
    virtual base::Expected<std::optional<std::string>> configMapEntry(const api::ObjectKey& key,
                                                                      const std::string& entry) = 0;

    /// Makes `status` the binding's status. Writes nothing where it is that already, or the binding is gone.
    virtual base::Expected<void> writeStatus(const api::ObjectKey& key, const api::Status& status) = 0;

    /// Reports changes until a stop is asked for; blocks. Changes of a moment come in one call. What was there before
    /// is not reported.
    virtual void watch(const std::function<void(const std::vector<Change>&)>& onChanges, std::stop_token stop) = 0;

    /// Tells the world; never blocks, never fails the caller.
    virtual void emit(const Event& event) = 0;
};

}  // namespace certbinder::objects
