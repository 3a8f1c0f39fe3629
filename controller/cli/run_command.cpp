#include "base/log.h"
#include "binding/controller.h"
#include "cli/engine.h"
#include "runtime/signals.h"

namespace certbinder::cli {

int runController(const Options& options, const App& app) {
    const runtime::SignalStop signals;
    const auto engine = openEngine(options, app, files::StateDirectory::Access::kExclusive);
    if (!engine) {
        return 1;
    }
    files::FileStore& store = *engine->session().store;
    binding::ControllerSettings settings;
    settings.workers = options.workers;
    binding::Controller controller(store, engine->reconciler(), app.clock, settings);
    base::logInfo("started", {{"bindings", static_cast<std::int64_t>(store.bindings().size())},
                              {"version", app.versions.front().second}});
    controller.run(signals.token());
    base::logInfo("stopped");
    return 0;
}

}  // namespace certbinder::cli
