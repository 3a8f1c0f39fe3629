#pragma once

#include <memory>
#include <vector>

#include "binding/index.h"
#include "binding/reconciler.h"
#include "cli/session.h"

namespace certbinder::cli {

/// What the commands that look or act stand on: the files, the sources and targets, and the pass over them.
class Engine {
  public:
    Engine(Session session, const Options& options, const App& app);
    ~Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    Session& session() { return session_; }
    binding::Reconciler& reconciler() { return reconciler_; }

    /// All bindings, with their claims made known: whether one holds its place must not depend on which is first.
    std::vector<std::shared_ptr<const api::CertificateBinding>> learnAll();

    /// A pass that looks at everything closely, and at the accounts' listings as they are from now on.
    binding::PassOptions closeLook() const;

  private:
    const base::Clock& clock_;
    Session session_;
    std::unique_ptr<Services> services_;
    binding::BindingIndex index_;
    binding::Reconciler reconciler_;
};

/// Null where the command cannot go on; why is told.
std::unique_ptr<Engine> openEngine(const Options& options, const App& app, files::StateDirectory::Access access);

}  // namespace certbinder::cli
