#include "binding/rollout.h"

#include <algorithm>

namespace certbinder::binding {
namespace {

bool isNewThere(const Candidate& candidate) {
    return candidate.action == targets::Action::kDeploy && candidate.why != Why::kInterrupted && !candidate.knownThere;
}

/// Adds what is left of `indices` from `next` on, in waves of at most `size`.
void addWaves(Waves& waves, const std::vector<std::size_t>& indices, std::size_t next, std::size_t size) {
    while (next < indices.size()) {
        const std::size_t end = std::min(indices.size(), next + size);
        waves.emplace_back(indices.begin() + static_cast<std::ptrdiff_t>(next),
                           indices.begin() + static_cast<std::ptrdiff_t>(end));
        next = end;
    }
}

std::size_t waveSize(const api::CountOrPercent& most, std::size_t all) {
    const auto value = static_cast<std::size_t>(std::max(most.value, 0));
    const std::size_t size = most.percent ? (all * value + 99) / 100 : value;
    return std::max<std::size_t>(size, 1);
}

}  // namespace

Waves planWaves(const std::vector<Candidate>& candidates, const api::RolloutSpec& rollout) {
    Waves waves(1);
    std::vector<std::size_t> failed;
    std::vector<std::size_t> fresh;
    bool proven = false;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& candidate = candidates[i];
        proven = proven || candidate.inSync;
        if (candidate.action != targets::Action::kDeploy && candidate.action != targets::Action::kActivate) {
            continue;
        }
        if (!isNewThere(candidate)) {
            waves.front().push_back(i);
        } else {
            (candidate.failedBefore ? failed : fresh).push_back(i);
        }
    }
    const std::size_t size = waveSize(rollout.maxConcurrent, candidates.size());
    const std::size_t canary = proven ? 0 : static_cast<std::size_t>(std::max(rollout.canary, 0));
    // A failed host is its own canary: it is tried again before hosts that were never touched.
    std::vector<std::size_t>& first = failed.empty() ? fresh : failed;
    const std::size_t canaries = std::min(first.size(), canary);
    waves.emplace_back(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(canaries));
    addWaves(waves, failed, failed.empty() ? 0 : canaries, size);
    addWaves(waves, fresh, failed.empty() ? canaries : 0, size);
    waves.erase(std::remove_if(waves.begin(), waves.end(), [](const auto& wave) { return wave.empty(); }), waves.end());
    return waves;
}

bool haltsRollout(base::Reason reason) {
    switch (reason) {
        case base::Reason::kConfigTestFailed:
        case base::Reason::kReloadFailed:
        case base::Reason::kServedCertificateDiffers:
        case base::Reason::kRolledBack:
        case base::Reason::kInvalidCertificate:
            return true;
        default:
            return false;
    }
}

}  // namespace certbinder::binding
