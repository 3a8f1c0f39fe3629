#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/error.h"
#include "certificate/certificate_info.h"
#include "probe/prober.h"

namespace certbinder::targets::nginx {

/// So many handshakes in a row must get the expected certificate before it counts as served, one each kStreakWait.
/// After a reload nginx's old and new workers accept connections side by side, for 0.1 s and more (measured), so that a
/// client can be served the new certificate and then the old one again. A streak spans a multiple of that time, and
/// each of its handshakes would have had to miss the old workers by chance.
inline constexpr int kStreak = 6;
inline constexpr std::chrono::milliseconds kStreakWait{50};

/// What a watch over an endpoint came to.
struct Proof {
    bool proven = false;
    int expected = 0;                                  ///< handshakes that got an accepted certificate
    int others = 0;                                    ///< handshakes that got another one
    std::optional<certificate::CertificateInfo> last;  ///< what the last handshake that came about got
    std::optional<base::Error> error;                  ///< of the last handshake, where it failed
};

struct Watch {
    probe::Prober& prober;
    probe::Place place;
    std::chrono::milliseconds timeout;  ///< for all of it; a streak that has begun is brought to its end
    const base::Clock& clock;
};

/// One handshake, within the watch's time.
base::Expected<probe::Served> shakeHands(const Watch& watch, const base::CallContext& context);

/// Shakes hands, with growing waits of 50 ms to 1 s, until `accepted` certificates are served steadily, or time is up.
Proof watchUntil(const Watch& watch, const std::function<bool(const certificate::CertificateInfo&)>& accepted,
                 const base::CallContext& context);

}  // namespace certbinder::targets::nginx
