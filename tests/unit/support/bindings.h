#pragma once

// Bindings and certificates as values, for tests of what is decided about them.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "base/time_text.h"
#include "certificate/bundle.h"

namespace certbinder::test {

/// The fingerprint of `certificateNamed(letter)`.
inline std::string fingerprintOf(char letter) {
    return std::string(64, letter);
}

/// A certificate for shop.example.com that is valid from `begin`, by default a month before the fake clock's start,
/// for ninety days. The letter is its whole fingerprint.
inline certificate::CertificateInfo certificateNamed(char letter,
                                                     base::WallTime begin = *base::parseTime("2026-10-22T00:00:00Z")) {
    certificate::CertificateInfo info;
    info.fingerprintSHA256 = fingerprintOf(letter);
    info.fingerprintSHA1 = std::string(40, letter);
    info.serialNumber = "0" + std::string(1, letter);
    info.subject = "CN=shop.example.com";
    info.commonName = "shop.example.com";
    info.issuer = "CN=Test CA";
    info.dnsNames = {"shop.example.com"};
    info.notBefore = begin;
    info.notAfter = begin + std::chrono::hours(24 * 90);
    return info;
}

inline std::shared_ptr<const certificate::Bundle> bundleOf(certificate::CertificateInfo leaf) {
    auto bundle = std::make_shared<certificate::Bundle>();
    bundle->leaf = std::move(leaf);
    return bundle;
}

/// default/shop: the Secret shop-tls to nginx on these hosts, with the SSH Secret web-ssh.
inline api::CertificateBinding nginxBinding(const std::vector<std::string>& hosts, const std::string& name = "shop") {
    api::CertificateBinding binding;
    binding.metadata.key = {"default", name};
    binding.metadata.generation = 1;
    binding.metadata.creationTimestamp = base::parseTime("2026-11-01T00:00:00Z");
    binding.spec.source = api::SecretSource{"shop-tls"};
    api::NginxTarget nginx;
    for (const std::string& host : hosts) {
        nginx.hosts.push_back({host, 22, std::nullopt});
    }
    nginx.ssh.credentialsRef = "web-ssh";
    nginx.certificatePath = "/etc/nginx/tls/shop.pem";
    nginx.privateKeyPath = "/etc/nginx/tls/shop.key";
    binding.spec.target = nginx;
    return binding;
}

}  // namespace certbinder::test
