#include "binding/controller.h"

#include <exception>
#include <thread>
#include <vector>

#include "base/log.h"

namespace certbinder::binding {
namespace {

using Urgency = runtime::WorkQueue<api::ObjectKey>::Urgency;

/// A defect must not end the loop of all other bindings; it is looked at again after this.
constexpr std::chrono::minutes kAfterDefect{5};

}  // namespace

Controller::Controller(objects::ObjectStore& store, Reconciler& reconciler, const base::Clock& clock,
                       ControllerSettings settings)
    : store_(store), reconciler_(reconciler), clock_(clock), settings_(settings), queue_(clock) {}

void Controller::run(std::stop_token stop) {
    std::vector<std::shared_ptr<const api::CertificateBinding>> known = store_.bindings();
    // All claims first: whether a binding holds its place must not depend on which is worked on first.
    for (const auto& binding : known) {
        reconciler_.learn(*binding);
    }
    for (const auto& binding : known) {
        queue_.add(binding->metadata.key, Urgency::kBackground);
    }
    known.clear();
    std::stop_source hardStop;
    std::jthread watcher(
        [&, stop] { store_.watch([this](const std::vector<objects::Change>& changes) { onChanges(changes); }, stop); });
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < settings_.workers; ++i) {
        workers.emplace_back([&, stop] { work(stop, hardStop.get_token()); });
    }
    std::jthread guard([&, stop](const std::stop_token& ended) {
        clock_.waitUntil(base::SteadyTime::max(), stop);
        if (clock_.waitUntil(clock_.steadyNow() + settings_.stopGrace, ended)) {
            base::logWarning("the work in hand did not end in time and is cut off; the next start finishes it");
            hardStop.request_stop();
        }
    });
    watcher.join();
    workers.clear();
}

void Controller::work(std::stop_token stop, std::stop_token hardStop) {
    while (const auto key = queue_.take(stop)) {
        try {
            reconcileOne(*key, stop, hardStop);
        } catch (const std::exception& defect) {
            base::logError("a defect in certbinder ended this pass; please report it",
                           {{"namespace", key->ns}, {"name", key->name}, {"error", defect.what()}});
            queue_.addAt(*key, clock_.steadyNow() + kAfterDefect);
        }
        queue_.done(*key);
    }
}

void Controller::reconcileOne(const api::ObjectKey& key, std::stop_token stop, std::stop_token hardStop) {
    PassOptions options;
    options.context.stop = hardStop;
    options.gentleStop = stop;
    if (const auto outcome = reconciler_.reconcile(key, options)) {
        queue_.addAt(key, clock_.steadyNow() + outcome->again);
    }
}

void Controller::onChanges(const std::vector<objects::Change>& changes) {
    for (const objects::Change& change : changes) {
        switch (change.kind) {
            case objects::Kind::kBinding:
                if (const auto binding = store_.binding(change.key)) {
                    wake(reconciler_.learn(*binding));
                    queue_.add(change.key, Urgency::kLive);
                } else {
                    queue_.forget(change.key);
                    wake(reconciler_.forget(change.key));
                }
                break;
            case objects::Kind::kSecret:
                wake(reconciler_.namingSecret(change.key));
                break;
            case objects::Kind::kConfigMap:
                wake(reconciler_.namingConfigMap(change.key));
                break;
        }
    }
}

void Controller::wake(const std::set<api::ObjectKey>& keys) {
    for (const api::ObjectKey& key : keys) {
        queue_.add(key, Urgency::kLive);
    }
}

}  // namespace certbinder::binding
