#include "cli/session.h"

namespace certbinder::cli {

int status(const Options& options, const App& app) {
    const auto session = openSession(options, app, files::StateDirectory::Access::kShared);
    if (!session) {
        return 1;
    }
    print(showBindings(session->shown(), options.output, app.clock.wallNow()));
    return session->sound && session->allReady() ? 0 : 1;
}

}  // namespace certbinder::cli
