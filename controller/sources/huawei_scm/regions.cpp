#include "sources/huawei_scm/regions.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace certbinder::sources::scm {
namespace {

// Both tables are those of the official SDKs (3.1.219).
constexpr std::array<std::string_view, 3> kScmRegions{"ap-southeast-1", "cn-north-4", "my-kualalumpur-1"};

constexpr std::array<std::string_view, 27> kIamRegions{
    "cn-north-1",     "cn-north-2",     "cn-north-4",     "cn-north-9",     "cn-north-12",      "cn-east-2",
    "cn-east-3",      "cn-east-4",      "cn-east-5",      "cn-south-1",     "cn-south-2",       "cn-southwest-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "af-south-1",       "sa-brazil-1",
    "la-south-2",     "la-north-2",     "na-mexico-1",    "eu-west-0",      "my-kualalumpur-1", "ru-moscow-1",
    "me-east-1",      "ae-ad-1",        "tr-west-1"};

template <typename Table>
bool contains(const Table& table, std::string_view region) {
    return std::find(table.begin(), table.end(), region) != table.end();
}

}  // namespace

base::Expected<std::string> scmEndpoint(std::string_view region) {
    if (!contains(kScmRegions, region)) {
        return base::unexpected(
            base::Reason::kInvalidSpec,
            "SSL Certificate Manager has no endpoint in the region " + base::printable(region, 64) +
                "; take ap-southeast-1 for an account of the international site, cn-north-4 for one of the Chinese "
                "site, my-kualalumpur-1 for one of that partner cloud, or give an endpoint");
    }
    return "https://scm." + std::string(region) + ".myhuaweicloud.com";
}

std::string iamEndpoint(std::string_view region) {
    return contains(kIamRegions, region) ? "https://iam." + std::string(region) + ".myhuaweicloud.com"
                                         : "https://iam.myhuaweicloud.com";
}

}  // namespace certbinder::sources::scm
