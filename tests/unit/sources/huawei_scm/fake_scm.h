#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/transport.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_transport.h"
#include "support/test_pki.h"

namespace certbinder::test {

/// A certificate as the fake service holds it.
struct FakeCertificate {
    std::string id;
    std::vector<std::string> names;
    std::string status = "ISSUED";
    std::string expireTime;
    std::string chainPem;
    std::string keyPem;
    std::string fingerprint;
    std::string exportCode;  ///< an error instead of an export
    enum class KeyField { kPresent, kAbsent, kNull, kEmpty } keyField = KeyField::kPresent;
};

/// SCM and IAM in memory: pages, filters, real certificates. Takes any access key; of tokens those that it gave out and
/// has not revoked. Thread-safe.
class FakeScm {
  public:
    /// Answers as a FakeTransport's handler.
    base::Expected<http::Response> operator()(const http::Request& request);

    /// A certificate made for these names; days are counted from pkiNow().
    void issue(const std::string& id, const std::vector<std::string>& names, int fromDay, int toDay);
    void put(FakeCertificate certificate);
    /// Changes one in place.
    template <typename Change>
    void change(const std::string& id, Change change) {
        const std::scoped_lock lock(mutex_);
        change(certificates_.at(id));
    }
    void erase(const std::string& id);

    void revokeTokens();
    void setTokenLife(int seconds);
    void setDeepOffsetRefused();
    /// Each page after the first one of the next `times` readings tells another total.
    void setUnsteady(int times);

    /// How often each operation was asked for: ListCertificates, ShowCertificate, ExportCertificate, CreateToken.
    int count(const std::string& operation) const;
    std::vector<std::string> tokenBodies() const;
    /// Everything that must never be seen: keys and tokens.
    std::vector<std::string> secrets() const;

  private:
    http::Response createToken(const http::Request& request);
    http::Response list(const std::string& query);
    http::Response show(const FakeCertificate& certificate) const;
    http::Response exported(const FakeCertificate& certificate) const;

    mutable std::mutex mutex_;
    std::map<std::string, FakeCertificate> certificates_;
    std::map<std::string, int> counts_;
    std::set<std::string> tokens_;
    std::vector<std::string> tokenBodies_;
    std::vector<std::string> secrets_;
    int tokenNumber_ = 0;
    int tokenLife_ = 86400;
    bool deepOffsetRefused_ = false;
    int unsteady_ = 0;
};

/// A header of a request; "" where there is none.
std::string headerOf(const http::Request& request, const std::string& name);

/// An error of SCM or of the gateway before it.
http::Response scmError(int status, const std::string& code, const std::string& message = "a text",
                        http::Headers headers = {});

}  // namespace certbinder::test
