#pragma once

#include <functional>
#include <optional>
#include <string>

#include "targets/slb_listener/session.h"

namespace certbinder::targets::slb {

/// Brings a certificate to a listener, proves it, and takes it back where clients do not get it. One object per act;
/// the caller holds the load balancer. Every step looks first, so that what an earlier life left half done is finished.
class Deployment {
  public:
    explicit Deployment(Session& session) : session_(session) {}

    /// kDeploy: upload, refer, start, read back, prove; else switch back.
    Outcome deploy();
    /// kActivate: start, prove. Nothing is taken back, since nothing is brought.
    Outcome activate();

  private:
    using Attributes = std::optional<ListenerAttributes>;

    base::Expected<void> bring();
    base::Expected<void> checkKey() const;
    base::Expected<std::string> upload();
    base::Expected<std::string> uploadNew();
    base::Error describeUploadError(base::Error error);
    base::Expected<std::string> balancerSpec();
    base::Expected<void> create(const std::string& certificateID);
    base::Expected<void> refer(const std::string& certificateID);
    base::Expected<void> referDefault(const ListenerAttributes& now, const std::string& certificateID);
    base::Expected<void> referExtension(const ListenerAttributes& now, const std::string& certificateID);
    base::Expected<void> start();
    base::Expected<void> checkNothingElseChanged();

    enum class Proof { kNoAddress, kProven, kOtherCertificate, kNoHandshake, kCutShort };
    Proof prove();
    void judge(Proof proof);
    void rollBack(std::string what);
    base::Expected<void> switchBack();

    base::Expected<Attributes> look();
    /// Looks until the listener is there, in no state between, and `done` holds.
    base::Expected<ListenerAttributes> awaitState(const std::function<bool(const ListenerAttributes&)>& done,
                                                  const std::string& what);
    /// Makes a change. Where its answer gets lost, looks whether it took place before making it again.
    base::Expected<void> settle(const std::function<base::Expected<void>()>& change,
                                const std::function<bool(const Attributes&)>& done);
    std::string referenceIn(const ListenerAttributes& attributes) const;
    std::string servedFrom() const;
    /// Where a domain extension answers for the name that the default certificate is looked for by.
    std::string extensionHint() const;

    Session& session_;
    Outcome outcome_;
    Attributes before_;      ///< the listener as it was found
    Attributes now_;         ///< as last seen
    std::string previous_;   ///< the certificate id referred to before
    bool switched_ = false;  ///< whether this act changed the reference
    bool started_ = false;   ///< whether this act started the listener
    std::optional<probe::Place> place_;
    std::optional<certificate::CertificateInfo> other_;  ///< what a handshake got that was not wanted
};

}  // namespace certbinder::targets::slb
