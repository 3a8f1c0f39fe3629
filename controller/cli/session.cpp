#include "cli/session.h"

#include <algorithm>
#include <cstdio>

namespace certbinder::cli {

void complain(const std::string& message) {
    std::fprintf(stderr, "certbinder: %s\n", message.c_str());
}

std::optional<Session> openSession(const Options& options, const App& app, files::StateDirectory::Access access) {
    auto state = files::StateDirectory::open(options.stateDirectory, access);
    if (!state) {
        complain(state.error().message());
        return std::nullopt;
    }
    Session session;
    session.store = std::make_unique<files::FileStore>(files::ManifestReader(options.files, {options.stateDirectory}),
                                                       std::move(*state), app.clock);
    for (const files::FileFault& fault : session.store->load()) {
        complain(fault.toString());
        session.sound = false;
    }
    if (session.store->bindings().empty()) {
        complain("no CertificateBinding was found in the files given by -f");
    }
    return session;
}

std::vector<Shown> Session::shown() const {
    std::vector<Shown> all;
    for (const auto& binding : store->bindings()) {
        all.push_back({binding, store->manifest(binding->metadata.key)});
    }
    return all;
}

bool Session::allReady() const {
    const auto all = store->bindings();
    return !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& binding) { return binding->isReady(); });
}

}  // namespace certbinder::cli
