#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ssh/remote_host.h"

namespace certbinder::test {

/// Waits until `holds`, at most `limit`; whether it came to hold.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit = std::chrono::seconds(10));

/// Runs a program (found in PATH) with these arguments to its end; false unless it ends with status 0.
bool runProgram(const std::vector<std::string>& arguments);

/// A directory of its own that goes with the object.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

std::string readText(const std::string& path);
void writeText(const std::string& path, const std::string& text, mode_t mode = 0600);

struct RealSshdOptions {
    std::vector<std::string> hostKeyTypes = {"ed25519", "ecdsa", "rsa"};  ///< as ssh-keygen -t knows them
    std::vector<std::string> configuration;                               ///< further lines of sshd_config
    bool sftp = true;
};

/// OpenSSH's sshd on a free loopback port, in the foreground with a configuration of its own, for the user who runs the
/// test and the client key `userKey()`. Ends with the object, and with the test program however that ends. Throws
/// std::runtime_error where sshd does not come up.
class RealSshd {
  public:
    using Options = RealSshdOptions;

    explicit RealSshd(const Options& options = {});
    ~RealSshd();
    RealSshd(const RealSshd&) = delete;
    RealSshd& operator=(const RealSshd&) = delete;

    std::uint16_t port() const { return port_; }
    const std::string& user() const { return user_; }
    /// The private key that is let in (ed25519, OpenSSH's format, no passphrase).
    std::string userKey() const { return readText(directory_.file("user")); }
    /// Lets another public key (a line of authorized_keys) in.
    void authorize(const std::string& publicKeyLine);
    /// `type base64` of a host key.
    std::string hostKey(const std::string& type) const;
    /// A line of known_hosts for each host key.
    std::string knownHosts() const;
    /// What it logged so far, at level DEBUG.
    std::string log() const { return readText(directory_.file("log")); }
    /// Kills sshd and the processes of its sessions.
    void kill();
    const TemporaryDirectory& directory() const { return directory_; }

    ssh::Credentials credentials() const;
    ssh::Login login(const ssh::Credentials& credentials) const;

  private:
    void start(const Options& options);

    TemporaryDirectory directory_;
    std::string user_;
    std::vector<std::string> hostKeyTypes_;
    std::uint16_t port_ = 0;
    pid_t process_ = -1;
};

}  // namespace certbinder::test
