// The composition root: the one place that knows every concrete part and puts them together.

#include <libssh2.h>
#include <openssl/crypto.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "cli/app.h"
#include "http/cpprest_transport.h"
#include "probe/tls_prober.h"
#include "runtime/core_dumps.h"
#include "sources/huawei_scm/huawei_scm_source.h"
#include "sources/tls_secret/tls_secret_source.h"
#include "ssh/libssh2_connector.h"
#include "targets/nginx/nginx_target.h"
#include "targets/slb_listener/slb_listener_target.h"
#include "version.h"

namespace certbinder {
namespace {

std::unique_ptr<http::Transport> makeTransport() {
    http::TransportSettings settings = http::settingsFromEnvironment();
    settings.userAgent = std::string("certbinder/") + version::kCertbinder;
    auto transport = http::makeCpprestTransport(std::move(settings));
    if (!transport) {
        throw std::runtime_error(transport.error().message());
    }
    return std::move(*transport);
}

/// The clouds' environment variables, where they are allowed to count.
sources::scm::Settings scmSettings(const cli::Options& options) {
    sources::scm::Settings settings;
    if (const char* endpoint = std::getenv("HUAWEICLOUD_SDK_IAM_ENDPOINT"); options.ambient && endpoint != nullptr) {
        settings.iamEndpoint = endpoint;
    }
    return settings;
}

/// Members stand in the order in which they need each other.
class ConcreteServices final : public cli::Services {
  public:
    ConcreteServices(const cli::Options& options, const base::Clock& clock, base::Random& random)
        : transport_(makeTransport()),
          connector_(ssh::makeLibssh2Connector()),
          huaweiScm_(scmSettings(options), *transport_, clock, random),
          tlsSecret_(clock),
          nginx_(*connector_, prober_, clock),
          slbListener_({}, *transport_, prober_, clock, random) {}

    binding::Providers providers() override { return {huaweiScm_, tlsSecret_, nginx_, slbListener_}; }

  private:
    std::unique_ptr<http::Transport> transport_;
    std::unique_ptr<ssh::Connector> connector_;
    probe::TlsProber prober_;
    sources::HuaweiScmSource huaweiScm_;
    sources::TlsSecretSource tlsSecret_;
    targets::nginx::NginxTarget nginx_;
    targets::SlbListenerTarget slbListener_;
};

int run(int argc, const char* const* argv) {
    runtime::forbidCoreDumps();
    http::prepareProcess();
    const base::Clock& clock = base::systemClock();
    base::Random& random = base::systemRandom();
    const cli::App app{
        [&](const cli::Options& options) { return std::make_unique<ConcreteServices>(options, clock, random); },
        {{"certbinder", version::kCertbinder},
         {"commit", version::kCommit},
         {"cpprestsdk", version::kCpprestsdk},
         {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
         {"libssh2", libssh2_version(0)},
         {"yaml-cpp", version::kYamlCpp},
         {"simdjson", version::kSimdjson}},
        clock,
        random};
    return cli::runCommandLine(argc, argv, app);
}

}  // namespace
}  // namespace certbinder

int main(int argc, char** argv) {
    try {
        return certbinder::run(argc, argv);
    } catch (const std::exception& error) {
        // Bad input never comes this far; what does is the machine's failure or a defect of ours.
        std::fprintf(stderr, "certbinder: cannot go on: %s\n", error.what());
        return 1;
    }
}
