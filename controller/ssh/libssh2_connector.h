#pragma once

#include <memory>

#include "ssh/remote_host.h"

namespace certbinder::ssh {

/// Logs in with libssh2 (1.11.1 or later): current algorithms only, the host's key checked against `known_hosts` before
/// anything is sent to authenticate, keys from memory. A key is tried before a password where both are given. Any
/// number of threads may use one connector; each RemoteHost belongs to one thread at a time.
std::unique_ptr<Connector> makeLibssh2Connector();

}  // namespace certbinder::ssh
