#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "base/error.h"
#include "binding/plan.h"
#include "sources/certificate_source.h"
#include "targets/certificate_target.h"

namespace certbinder::binding {

/// What a pass knows of one endpoint so far.
struct EndpointResult {
    targets::Endpoint endpoint;
    std::optional<targets::Observation> seen;  ///< the latest
    std::optional<Step> step;
    std::optional<base::Error> error;  ///< of looking or of acting
    bool acting = false;               ///< work on it is going on or about to
    bool acted = false;
    bool changed = false;  ///< acting wrote something
    bool rolledBack = false;
    bool halted = false;  ///< not touched, because an earlier wave failed
};

/// What a pass knows of a binding so far; its status is a function of this and of the status before.
struct PassRecord {
    std::optional<base::Error> spec;  ///< what is wrong with the binding itself, its references or its claim
    std::optional<base::Error> source;
    std::optional<sources::Sourced> sourced;  ///< found and sound
    std::vector<EndpointResult> endpoints;
    bool suspended = false;
};

/// The status that the record amounts to. `before` keeps what did not change: transition times, what a failed source
/// says nothing about. Pure; equal input gives equal output, so that a pass that changes nothing writes nothing.
api::Status makeStatus(const api::CertificateBinding& binding, const PassRecord& record, base::WallTime now);

/// Whether nothing is left to be done: every endpoint that was looked at is as the binding wants it, or failed.
bool isSettled(const PassRecord& record);

/// The failure that decides when the binding is looked at again; null where there is none. One that time can heal goes
/// before one that needs a change.
const base::Error* decidingError(const PassRecord& record);

}  // namespace certbinder::binding
