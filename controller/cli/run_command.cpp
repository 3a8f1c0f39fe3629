#include "base/log.h"
#include "binding/controller.h"
#include "cli/session.h"
#include "runtime/signals.h"

namespace certbinder::cli {

int runController(const Options& options, const App& app) {
    const runtime::SignalStop signals;
    auto session = openSession(options, app, files::StateDirectory::Access::kExclusive);
    if (!session) {
        return 1;
    }
    const auto services = app.makeServices(options);
    binding::BindingIndex index;
    binding::Reconciler reconciler(*session->store, services->providers(), index, app.clock, app.random);
    binding::ControllerSettings settings;
    settings.workers = options.workers;
    binding::Controller controller(*session->store, reconciler, app.clock, settings);
    base::logInfo("started", {{"bindings", static_cast<std::int64_t>(session->store->bindings().size())},
                              {"version", app.versions.front().second}});
    controller.run(signals.token());
    base::logInfo("stopped");
    return 0;
}

}  // namespace certbinder::cli
