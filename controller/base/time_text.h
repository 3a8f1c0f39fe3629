#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace certbinder::base {

/// RFC 3339 in UTC with whole seconds, as Kubernetes writes times: `2026-11-22T08:00:00Z`.
std::string formatTime(WallTime time);
std::optional<WallTime> parseTime(std::string_view text);

/// Without separators, `20231121T080000Z`, as AWS-like signatures want it.
std::string formatCompactTime(WallTime time);

/// A span as kubectl prints ages: `45s`, `12m`, `3h5m`, `12h`, `47d`, `2y10d`.
std::string formatAge(std::chrono::seconds span);

/// A duration in the shortest of Go's notations that is exact: `500ms`, `10s`, `5m`, `1h30m`.
std::string formatDuration(std::chrono::milliseconds span);

}  // namespace certbinder::base
