#include "cli/engine.h"

#include <utility>

namespace certbinder::cli {

Engine::Engine(Session session, const Options& options, const App& app)
    : clock_(app.clock),
      session_(std::move(session)),
      services_(app.makeServices(options)),
      reconciler_(*session_.store, services_->providers(), index_, app.clock, app.random) {}

std::vector<std::shared_ptr<const api::CertificateBinding>> Engine::learnAll() {
    auto bindings = session_.store->bindings();
    for (const auto& binding : bindings) {
        reconciler_.learn(*binding);
    }
    return bindings;
}

binding::PassOptions Engine::closeLook() const {
    binding::PassOptions pass;
    pass.fullLook = true;
    pass.notOlderThan = clock_.steadyNow();
    return pass;
}

std::unique_ptr<Engine> openEngine(const Options& options, const App& app, files::StateDirectory::Access access) {
    auto session = openSession(options, app, access);
    return session ? std::make_unique<Engine>(std::move(*session), options, app) : nullptr;
}

}  // namespace certbinder::cli
