#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/certificate_binding.h"
#include "base/call_context.h"
#include "base/clock.h"
#include "base/expected.h"
#include "certificate/bundle.h"
#include "ssh/remote_host.h"
#include "targets/certificate_target.h"
#include "targets/nginx/proof.h"

namespace certbinder::targets::nginx {

/// What a transaction works with. Everything referred to outlives it.
struct TransactionInput {
    std::string endpoint;  ///< for the log
    const api::NginxTarget& spec;
    const certificate::Bundle& wanted;
    std::optional<Watch> watch;  ///< nothing: the probe is turned off
    std::function<base::Expected<std::unique_ptr<ssh::RemoteHost>>(const base::CallContext&)> login;
    const base::Clock& clock;
};

/// How long switching back may take when the transaction's own time is over, or was cut short by a stop.
inline constexpr std::chrono::seconds kTimeToSwitchBack{60};
/// How long the test or the reload may take.
inline constexpr std::chrono::seconds kTimeOfCommand{60};

/// Brings the wanted pair into force on one host: adopt what is there, stage, mark, switch by one rename, test with the
/// new pair, reload, prove by handshake; else switch back, reload, confirm. Starts from what it finds on the host, so
/// that it also ends what an earlier one left half done, and does nothing where nothing is to be done.
Outcome runTransaction(const TransactionInput& input, const base::CallContext& context);

/// A command's own words for its failure: nginx's `[emerg]` lines first, in one printable line. Pure.
std::string failureWords(const ssh::CommandResult& result);

}  // namespace certbinder::targets::nginx
