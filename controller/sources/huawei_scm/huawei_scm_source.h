#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/random.h"
#include "http/transport.h"
#include "sources/certificate_source.h"
#include "sources/huawei_scm/account.h"
#include "sources/huawei_scm/settings.h"

namespace certbinder::sources {

/// The source `huaweiSCM`: certificates of Huawei Cloud SSL Certificate Manager, read by three calls (list, show,
/// export). Changed credentials take effect with the next load. Transport, Clock and Random must outlive it.
class HuaweiScmSource final : public CertificateSource {
  public:
    HuaweiScmSource(scm::Settings settings, http::Transport& transport, const base::Clock& clock, base::Random& random);

    /// See CertificateSource; kInvalidSpec besides, for a region or an endpoint that cannot be used.
    base::Expected<Sourced> load(const SourceRequest& request, const base::CallContext& context) override;

  private:
    struct Known {
        std::shared_ptr<scm::Account> account;
        base::SteadyTime lastUse;
    };

    struct Accounts {
        std::map<std::string, Known> byKey;
        std::map<std::string, std::string> keyByUser;  // which account a Secret stands for at a place
    };

    static void forgetOthers(Accounts& accounts, const std::string& user, const std::string& key);
    base::Expected<std::shared_ptr<scm::Account>> accountOf(const SourceRequest& request);
    base::Expected<scm::ScmClient::Place> placeOf(const api::HuaweiScmSource& source) const;

    const scm::Settings settings_;
    http::Transport& transport_;
    const base::Clock& clock_;
    base::Random& random_;

    base::Guarded<Accounts> accounts_;
};

}  // namespace certbinder::sources
