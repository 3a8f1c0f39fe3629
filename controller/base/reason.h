#pragma once

#include <optional>
#include <string_view>

namespace certbinder::base {

/// Why a condition has the status it has: the one word list of certbinder. The words are part of the interface
/// (conditions, events, `plan -o json`), so none is ever renamed.
enum class Reason {
    kInSync,
    kProgressing,
    kSuspended,
    kProbeDisabled,
    kInvalidSpec,
    kCredentialsNotFound,
    kCredentialsInvalid,
    kAccessDenied,
    kSourceNotFound,
    kNoMatchingCertificate,
    kKeyNotExportable,
    kInvalidCertificate,
    kKeyMismatch,
    kNameNotCovered,
    kCertificateExpired,
    kChainNotTrusted,
    kDowngradeRefused,
    kTargetNotFound,
    kConflict,
    kQuotaExceeded,
    kThrottled,
    kUnreachable,
    kHostKeyMismatch,
    kAuthenticationFailed,
    kPermissionDenied,
    kConfigTestFailed,
    kReloadFailed,
    kServedCertificateDiffers,
    kRolloutHalted,
    kRolledBack,
    kInternalError,
};

/// The word itself, as users see it: `ConfigTestFailed`.
std::string_view toString(Reason reason);

/// The reason of that word, if there is one.
std::optional<Reason> reasonFromString(std::string_view word);

/// What can end a failure, which decides whether it is tried again soon.
enum class Remedy {
    kTime,   ///< may pass by itself: tried again with back-off and jitter
    kChange  ///< only a changed object, credential or host helps: `Stalled`, looked at again at the regular interval
};

Remedy remedyOf(Reason reason);

}  // namespace certbinder::base
