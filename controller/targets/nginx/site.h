#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/expected.h"
#include "base/secret_bytes.h"
#include "certificate/bundle.h"
#include "ssh/remote_host.h"
#include "targets/nginx/layout.h"

namespace certbinder::targets::nginx {

/// What is at one of the two configured paths.
struct FileInPlace {
    enum class Kind {
        kMissing,
        kFile,        ///< a plain file
        kOurs,        ///< the link through `live` that a deployment leaves
        kForeignLink  ///< another link, wherever it leads
    };

    Kind kind = Kind::kMissing;
    std::optional<ssh::FileStatus> status;  ///< of the file, links followed; nothing: no file can be read there
    base::SecretBytes bytes;                ///< of the file; a certificate's file may hold a key too
};

/// What one pair is like on a host. Made by looking only.
struct Site {
    Layout layout;
    FileInPlace certificate;
    FileInPlace privateKey;
    std::optional<std::string> live;      ///< the version's name; nothing too where the link names no version
    std::optional<std::string> previous;  ///< likewise
    std::optional<std::string> pending;   ///< likewise
    bool interrupted = false;             ///< whether there is a `pending` link at all

    std::optional<certificate::CertificateInfo> leaf;  ///< the certificate that nginx takes from certificatePath
    /// What a deployment of the wanted pair would put right, in words; the wanted pair being another is none of it.
    std::vector<std::string> faults;

    /// Whether a deployment of the wanted pair would find nothing to write.
    bool holds(const certificate::Bundle& wanted) const {
        return leaf && leaf->fingerprintSHA256 == wanted.leaf.fingerprintSHA256 && faults.empty() && !interrupted;
    }
};

/// The bits that a private key's file may have at most.
inline constexpr std::uint32_t kMostKeyMode = 0600;

/// Looks at a pair. Reasons are those of RemoteHost, and kInvalidSpec where a path is a directory or a device.
base::Expected<Site> inspect(ssh::RemoteHost& host, const std::string& certificatePath,
                             const std::string& privateKeyPath, const certificate::Bundle& wanted, base::WallTime now);

}  // namespace certbinder::targets::nginx
