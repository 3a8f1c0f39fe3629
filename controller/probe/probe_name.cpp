#include <algorithm>

#include "probe/prober.h"

namespace certbinder::probe {
namespace {

/// Stands for the one label that a wildcard leaves open.
constexpr const char* kLabel = "certbinder-probe";

bool isWildcard(const std::string& name) {
    return name.rfind("*.", 0) == 0;
}

}  // namespace

std::string probeName(const certificate::CertificateInfo& certificate) {
    const auto& names = certificate.dnsNames;
    const auto concrete = std::find_if_not(names.begin(), names.end(), isWildcard);
    if (concrete != names.end()) {
        return *concrete;
    }
    return names.empty() ? std::string() : kLabel + names.front().substr(1);
}

}  // namespace certbinder::probe
