#pragma once

#include <cstdint>
#include <string>

#include "base/expected.h"
#include "base/unique_fd.h"
#include "ssh/waiter.h"

namespace certbinder::ssh {

/// A connected non-blocking socket to an IPv4 or IPv6 address, or to a name, whose addresses are tried one after the
/// other. Ends within the waiter's context, also while a name is looked up. Errors: kUnreachable.
base::Expected<base::UniqueFd> tcpConnect(const std::string& address, std::uint16_t port, Waiter& waiter);

}  // namespace certbinder::ssh
