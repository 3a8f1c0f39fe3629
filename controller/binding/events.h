#pragma once

#include <vector>

#include "api/certificate_binding.h"
#include "binding/status.h"
#include "objects/object_store.h"

namespace certbinder::binding {

/// What is worth telling about a pass: transitions only. Pure.
std::vector<objects::Event> eventsOf(const api::CertificateBinding& binding, const PassRecord& record,
                                     const api::Status& before, const api::Status& after, bool tellExpiry);

/// Whether less than a fifth of a certificate's life is left: by then every renewal should have come (cert-manager
/// renews when a third is left).
bool isExpiring(const api::CertificateStatus& certificate, base::WallTime now);

}  // namespace certbinder::binding
