#pragma once

#include "document/value.h"

namespace certbinder::kube {

/// Overwrites the memory of every string in a value that held credentials; empty strings stay behind.
void wipeStrings(document::Value& value);

}  // namespace certbinder::kube
