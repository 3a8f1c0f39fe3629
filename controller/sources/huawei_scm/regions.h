#pragma once

#include <string>
#include <string_view>

#include "base/expected.h"

namespace certbinder::sources::scm {

/// The service's endpoint for a region. The service is global to a site (international, China, partner cloud), so it
/// has an endpoint in one region of each site only. Reason kInvalidSpec for others; the message names the three.
base::Expected<std::string> scmEndpoint(std::string_view region);

/// Where tokens of a region are given out: the region's own IAM, or the global one where it has none.
std::string iamEndpoint(std::string_view region);

}  // namespace certbinder::sources::scm
