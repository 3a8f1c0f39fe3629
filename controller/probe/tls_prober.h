#pragma once

#include <memory>

#include "probe/prober.h"

namespace certbinder::probe {

/// The Prober for real servers, over TCP and OpenSSL. Tries each address of a host name, v4 and v6, until one shakes
/// hands; each gets its share of the time that is left. Takes old servers' small keys and weak signatures, which a
/// client would refuse, since the question is what they serve. Asks for no session and offers none.
class TlsProber final : public Prober {
  public:
    TlsProber();
    ~TlsProber() override;
    TlsProber(const TlsProber&) = delete;
    TlsProber& operator=(const TlsProber&) = delete;

    /// Follows the deadline in real time, and a stop at once. Messages say which step failed at which address.
    base::Expected<Served> handshake(const Place& place, const base::CallContext& context) override;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace certbinder::probe
