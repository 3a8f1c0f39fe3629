#include "binding/rollout.h"

#include <algorithm>

namespace certbinder::binding {
namespace {

bool isNewThere(const Candidate& candidate) {
    return candidate.action == targets::Action::kDeploy &&
           (candidate.why == Why::kFirstDeployment || candidate.why == Why::kRenewed);
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
    // A failed host is its own canary: it is tried again alone, before hosts that were never touched.
    if (!failed.empty()) {
        waves.push_back(failed);
    }
    std::size_t next = 0;
    if (!proven && failed.empty()) {
        next = std::min(fresh.size(), static_cast<std::size_t>(std::max(rollout.canary, 0)));
        waves.emplace_back(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(next));
    }
    const std::size_t size = waveSize(rollout.maxConcurrent, candidates.size());
    while (next < fresh.size()) {
        const std::size_t end = std::min(fresh.size(), next + size);
        waves.emplace_back(fresh.begin() + static_cast<std::ptrdiff_t>(next),
                           fresh.begin() + static_cast<std::ptrdiff_t>(end));
        next = end;
    }
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
