#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "base/log.h"
#include "cli/engine.h"
#include "runtime/parallel.h"
#include "runtime/signals.h"

namespace certbinder::cli {
namespace {

/// `12/40 bindings` on a terminal, rewritten in place; nothing elsewhere.
class Progress {
  public:
    explicit Progress(std::size_t all) : all_(all), shown_(::isatty(STDERR_FILENO) != 0 && all > 1) {}
    ~Progress() {
        if (shown_) {
            std::fprintf(stderr, "\r\033[K");
        }
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void step() {
        const std::size_t done = ++done_;
        if (shown_) {
            std::fprintf(stderr, "\r%zu/%zu bindings", done, all_);
        }
    }

  private:
    std::size_t all_;
    bool shown_;
    std::atomic<std::size_t> done_{0};
};

}  // namespace

int apply(const Options& options, const App& app) {
    const runtime::SignalStop signals;
    const auto engine = openEngine(options, app, files::StateDirectory::Access::kExclusive);
    if (!engine) {
        return 1;
    }
    const auto bindings = engine->learnAll();
    binding::PassOptions pass = engine->closeLook();
    pass.gentleStop = signals.token();
    {
        Progress progress(bindings.size());
        runtime::forEachParallel(bindings.size(), options.workers, [&](std::size_t i) {
            // What has not begun when a stop is asked for stays as it is; the work in hand is finished.
            if (!pass.gentleStop.stop_requested()) {
                engine->reconciler().reconcile(bindings[i]->metadata.key, pass);
            }
            progress.step();
        });
    }
    const Session& session = engine->session();
    print(showBindings(session.shown(), options.output, app.clock.wallNow()));
    return session.sound && session.allReady() ? 0 : 1;
}

}  // namespace certbinder::cli
