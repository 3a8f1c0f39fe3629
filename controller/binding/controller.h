#pragma once

#include <chrono>
#include <functional>
#include <stop_token>

#include "base/clock.h"
#include "binding/reconciler.h"
#include "objects/object_store.h"
#include "runtime/work_queue.h"

namespace certbinder::binding {

struct ControllerSettings {
    std::size_t workers = 8;  ///< bindings that are worked on at the same time
    /// How long the work in hand may go on after a stop before it is cut off; shorter than the 30 s that Kubernetes and
    /// systemd leave before they kill.
    std::chrono::milliseconds stopGrace{20'000};
};

/// The loop: a queue of bindings, workers that reconcile them, and the changes that wake them.
class Controller {
  public:
    Controller(objects::ObjectStore& store, Reconciler& reconciler, const base::Clock& clock,
               ControllerSettings settings = {});

    /// Converges and goes on until a stop is asked for; returns when the work in hand has ended.
    void run(std::stop_token stop);

  private:
    void work(std::stop_token stop, std::stop_token hardStop);
    void reconcileOne(const api::ObjectKey& key, std::stop_token stop, std::stop_token hardStop);
    void onChanges(const std::vector<objects::Change>& changes);
    void wake(const std::set<api::ObjectKey>& keys);

    objects::ObjectStore& store_;
    Reconciler& reconciler_;
    const base::Clock& clock_;
    ControllerSettings settings_;
    runtime::WorkQueue<api::ObjectKey> queue_;
};

}  // namespace certbinder::binding
