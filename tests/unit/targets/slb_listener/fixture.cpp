#include "fixture.h"

#include "support/test.h"

namespace certbinder::test {

certificate::Bundle makePair(const std::string& name, int number, KeyKind kind) {
    Request request;
    request.commonName = name;
    request.names = {name};
    request.notAfter += std::chrono::hours(number);
    const Key key = Key::make(kind, 0);
    auto bundle = certificate::makeBundle(Certificate::selfSigned(request, key).pem(), key.secret(), pkiNow());
    REQUIRE(bundle);
    return std::move(*bundle);
}

base::Expected<probe::Served> FakeProber::handshake(const probe::Place& place, const base::CallContext&) {
    {
        const std::scoped_lock lock(mutex_);
        places_.push_back(place);
    }
    const std::string fingerprint = cloud_.servedFingerprint(place.address, place.port, place.serverName);
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(fingerprint);
    if (unreachable || found == known_.end()) {
        return base::unexpected(base::Reason::kUnreachable, "connection refused");
    }
    return probe::Served{found->second, 1};
}

void FakeProber::know(const certificate::CertificateInfo& certificate) {
    const std::scoped_lock lock(mutex_);
    known_[certificate.fingerprintSHA1] = certificate;
}

std::vector<probe::Place> FakeProber::places() const {
    const std::scoped_lock lock(mutex_);
    return places_;
}

Fixture::Fixture()
    : transport([this](const http::Request& sent) { return cloud.answer(sent); }),
      target(settings, transport, prober, clock, random) {
    binding.metadata.key = {"default", "shop"};
    api::SlbListenerTarget listenerTarget;
    listenerTarget.region = "cn-test";
    listenerTarget.loadBalancerID = "lb-1";
    listenerTarget.credentialsRef = "aliyun";
    binding.spec.target = listenerTarget;

    credentials = std::make_shared<api::SecretData>();
    credentials->entries["accessKeyID"] = base::SecretBytes("LTAI-test\n");
    credentials->entries["accessKeySecret"] = base::SecretBytes("not-a-real-secret");
    secrets["aliyun"] = credentials;

    cloud.balancers["lb-1"].listeners[443] = {};
    prober.know(wanted.leaf);
    listener().certificateID = store(earlier.leaf);
}

api::SlbListenerTarget& Fixture::spec() {
    return std::get<api::SlbListenerTarget>(binding.spec.target);
}

base::Expected<targets::Observation> Fixture::observe() {
    return target.observe(request(), endpoint(), targets::Look::kServed, {});
}

targets::Outcome Fixture::act(targets::Action action) {
    return target.act(request(), endpoint(), action, {});
}

targets::Outcome Fixture::deploy() {
    return act(targets::Action::kDeploy);
}

std::string Fixture::store(const certificate::CertificateInfo& certificate, bool bought) {
    FakeSlb::StoredCertificate stored;
    stored.id = "stored-" + std::to_string(cloud.certificates.size() + 1);
    stored.name = "by-hand";
    stored.fingerprint = certificate.fingerprintSHA1;
    stored.expiresAt = certificate.notAfter.time_since_epoch().count() * 1000;
    stored.createdAt = 1'790'000'000'000;
    stored.bought = bought;
    cloud.certificates.push_back(stored);
    prober.know(certificate);
    return stored.id;
}

}  // namespace certbinder::test
