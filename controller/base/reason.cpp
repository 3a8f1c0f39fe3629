#include "base/reason.h"

#include <array>

namespace certbinder::base {
namespace {

struct Entry {
    Reason reason;
    std::string_view word;
    Remedy remedy;
};

// The order is that of the enumeration; reason_test holds it so.
constexpr std::array kEntries{
    Entry{Reason::kInSync, "InSync", Remedy::kTime},
    Entry{Reason::kProgressing, "Progressing", Remedy::kTime},
    Entry{Reason::kSuspended, "Suspended", Remedy::kChange},
    Entry{Reason::kProbeDisabled, "ProbeDisabled", Remedy::kTime},
    Entry{Reason::kInvalidSpec, "InvalidSpec", Remedy::kChange},
    Entry{Reason::kCredentialsNotFound, "CredentialsNotFound", Remedy::kChange},
    Entry{Reason::kCredentialsInvalid, "CredentialsInvalid", Remedy::kChange},
    Entry{Reason::kAccessDenied, "AccessDenied", Remedy::kChange},
    Entry{Reason::kSourceNotFound, "SourceNotFound", Remedy::kChange},
    Entry{Reason::kNoMatchingCertificate, "NoMatchingCertificate", Remedy::kChange},
    Entry{Reason::kKeyNotExportable, "KeyNotExportable", Remedy::kChange},
    Entry{Reason::kInvalidCertificate, "InvalidCertificate", Remedy::kChange},
    Entry{Reason::kKeyMismatch, "KeyMismatch", Remedy::kChange},
    Entry{Reason::kNameNotCovered, "NameNotCovered", Remedy::kChange},
    Entry{Reason::kCertificateExpired, "CertificateExpired", Remedy::kChange},
    Entry{Reason::kChainNotTrusted, "ChainNotTrusted", Remedy::kChange},
    Entry{Reason::kDowngradeRefused, "DowngradeRefused", Remedy::kChange},
    Entry{Reason::kTargetNotFound, "TargetNotFound", Remedy::kChange},
    Entry{Reason::kConflict, "Conflict", Remedy::kChange},
    Entry{Reason::kQuotaExceeded, "QuotaExceeded", Remedy::kChange},
    Entry{Reason::kThrottled, "Throttled", Remedy::kTime},
    Entry{Reason::kUnreachable, "Unreachable", Remedy::kTime},
    Entry{Reason::kHostKeyMismatch, "HostKeyMismatch", Remedy::kChange},
    Entry{Reason::kAuthenticationFailed, "AuthenticationFailed", Remedy::kChange},
    Entry{Reason::kPermissionDenied, "PermissionDenied", Remedy::kChange},
    Entry{Reason::kConfigTestFailed, "ConfigTestFailed", Remedy::kChange},
    Entry{Reason::kReloadFailed, "ReloadFailed", Remedy::kTime},
    // By the time this is said the patience for propagation is over and the certificate has been taken back. Trying
    // again soon would switch a live site to and fro.
    Entry{Reason::kServedCertificateDiffers, "ServedCertificateDiffers", Remedy::kChange},
    Entry{Reason::kRolloutHalted, "RolloutHalted", Remedy::kTime},
    Entry{Reason::kRolledBack, "RolledBack", Remedy::kTime},
    Entry{Reason::kInternalError, "InternalError", Remedy::kTime},
};

}  // namespace

std::string_view toString(Reason reason) {
    return kEntries[static_cast<std::size_t>(reason)].word;
}

std::optional<Reason> reasonFromString(std::string_view word) {
    for (const Entry& entry : kEntries) {
        if (entry.word == word) {
            return entry.reason;
        }
    }
    return std::nullopt;
}

Remedy remedyOf(Reason reason) {
    return kEntries[static_cast<std::size_t>(reason)].remedy;
}

}  // namespace certbinder::base
