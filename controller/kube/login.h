#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/expected.h"
#include "base/secret_bytes.h"
#include "kube/cluster_config.h"
#include "kube/credentials.h"

namespace certbinder::kube {

/// Credentials as they are written down: each as a value, or as a file that is read again each minute. A file of a
/// token beats its value, the value of a certificate or key its file, as kubectl has it. All may be empty: nobody in
/// particular.
struct Login {
    base::SecretBytes token;
    std::string tokenFile;
    std::string user;  ///< basic authentication, where there is no token
    base::SecretBytes password;
    std::string certificatePem;
    std::string certificateFile;
    base::SecretBytes keyPem;
    std::string keyFile;
};

/// Reads nothing yet. The clock must outlive the result.
std::unique_ptr<Credentials> makeCredentials(Login login, const base::Clock& clock);

/// Fixed authorities.
std::unique_ptr<TrustSource> fixedTrust(std::string pem);
/// Those of a file, read again each five minutes. The clock must outlive the result.
std::unique_ptr<TrustSource> fileTrust(std::string path, const base::Clock& clock);

}  // namespace certbinder::kube
