#pragma once

#include <memory>

#include "ssh/libssh2_session.h"
#include "ssh/remote_host.h"

namespace certbinder::ssh {

/// The files (by SFTP, started with the first use) and commands of a host that the session is logged in to.
std::unique_ptr<RemoteHost> makeLibssh2Host(std::unique_ptr<Libssh2Session> session);

}  // namespace certbinder::ssh
