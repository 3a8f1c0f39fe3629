#pragma once

#include "api/certificate_binding.h"
#include "document/value.h"

namespace certbinder::api {

/// Reads an object that schema::Schema has found sound and filled with defaults; what is not there keeps the type's
/// default. Never fails: a field of a wrong type reads as absent.
CertificateBinding decodeBinding(const document::Value& object);
Spec decodeSpec(const document::Value& value);
Status decodeStatus(const document::Value& value);
Metadata decodeMetadata(const document::Value& value);

/// Writes a status in the order of the contract; empty fields are left out.
document::Value encodeStatus(const Status& status);

}  // namespace certbinder::api
