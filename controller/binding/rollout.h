#pragma once

#include <cstddef>
#include <vector>

#include "api/certificate_binding.h"
#include "base/reason.h"
#include "binding/plan.h"

namespace certbinder::binding {

/// What a rollout needs to know of an endpoint.
struct Candidate {
    targets::Action action = targets::Action::kNone;
    Why why = Why::kInSync;
    bool knownThere = false;    ///< this very certificate was deployed to this endpoint before
    bool failedBefore = false;  ///< the last pass could not bring this very certificate there
    bool inSync = false;        ///< holds and serves the wanted certificate already: proof that it works
};

/// Endpoints (by index) to be acted on, wave after wave; those of a wave at the same time.
using Waves = std::vector<std::vector<std::size_t>>;

/// A certificate that is new to the hosts goes to `canary` of them first, then in waves of `maxConcurrent`. What is
/// known to work there already (drift from this very certificate, a missing reload) is repaired at once, in the first
/// wave. Hosts that failed before come first and in waves of their own, so that a rollout that was halted by them stays
/// so until they succeed. Once any host serves the certificate the canary has done its part.
///
/// The plan rests on all going well: after each wave a new one is made with what has come of it (acted on: kNone), so
/// that canaries that could not be reached are replaced by others. Pure.
Waves planWaves(const std::vector<Candidate>& candidates, const api::RolloutSpec& rollout);

/// Whether a failure says something about the certificate or the configuration, which the next hosts may share, and so
/// halts the waves not yet started. A host that cannot be reached or logged in to delays no other.
bool haltsRollout(base::Reason reason);

}  // namespace certbinder::binding
