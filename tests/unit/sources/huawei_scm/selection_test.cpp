#include "sources/huawei_scm/selection.h"

#include <string>
#include <vector>

#include "support/test.h"

namespace certbinder::sources::scm {
namespace {

ListedCertificate listed(const std::string& id, const std::string& expireTime,
                         std::vector<std::string> names = {"shop.example.com"}, const std::string& status = kIssued) {
    return {id, "name-" + id, std::move(names), status, expireTime};
}

std::vector<std::string> ids(const std::vector<ListedCertificate>& certificates) {
    std::vector<std::string> all;
    for (const ListedCertificate& certificate : certificates) {
        all.push_back(certificate.id);
    }
    return all;
}

TEST_CASE("names come from domain and sans, by either separator", "[sources][scm][selection]") {
    using Names = std::vector<std::string>;
    CHECK(namesOf("a.example", "b.example;c.example") == Names{"a.example", "b.example", "c.example"});
    CHECK(namesOf("a.example", "b.example, c.example,") == Names{"a.example", "b.example", "c.example"});
    CHECK(namesOf("a.example", "a.example") == Names{"a.example"});
    CHECK(namesOf("", "").empty());
}

TEST_CASE("candidates are the issued and uploaded ones that cover the domain", "[sources][scm][selection]") {
    const Listing listing{{listed("issued", "5"), listed("uploaded", "4", {"shop.example.com"}, kUploaded),
                           listed("expired", "9", {"shop.example.com"}, "EXPIRED"),
                           listed("checking", "9", {"shop.example.com"}, "CHECKING_DOMAIN"),
                           listed("other", "9", {"blog.example.com"}), listed("wildcard", "3", {"*.example.com"}),
                           listed("upper", "2", {"SHOP.Example.com"}), listed("deep", "9", {"*.shop.example.com"})},
                          false};
    CHECK(ids(candidates(listing, "shop.example.com")) ==
          std::vector<std::string>{"issued", "uploaded", "wildcard", "upper"});
    CHECK(ids(candidates(listing, "*.example.com")) == std::vector<std::string>{"wildcard"});
}

TEST_CASE("the last to expire comes first, the younger id among equals", "[sources][scm][selection]") {
    const Listing listing{{listed("scs1", "2026-11-20 07:59:59.0"), listed("scs3", "2026-11-20 07:59:59.0"),
                           listed("scs2", "2027-05-01 07:59:59.0"), listed("scs9", "")},
                          false};
    CHECK(ids(candidates(listing, "shop.example.com")) == std::vector<std::string>{"scs2", "scs3", "scs1", "scs9"});
}

TEST_CASE("leaves are preferred by notAfter, then notBefore, then id", "[sources][scm][selection]") {
    const auto leaf = [](int notBefore, int notAfter) {
        certificate::CertificateInfo info;
        info.notBefore = base::WallTime(std::chrono::seconds(notBefore));
        info.notAfter = base::WallTime(std::chrono::seconds(notAfter));
        return info;
    };
    CHECK(isPreferred(leaf(1, 9), "a", leaf(5, 8), "b"));
    CHECK(isPreferred(leaf(5, 9), "a", leaf(1, 9), "b"));
    CHECK(isPreferred(leaf(1, 9), "b", leaf(1, 9), "a"));
    CHECK_FALSE(isPreferred(leaf(1, 9), "a", leaf(1, 9), "a"));
}

TEST_CASE("where nothing fits, the message tells what was seen and what nearly fits", "[sources][scm][selection]") {
    const base::Error none =
        noneFits({{listed("a", "1", {"x.example"}), listed("b", "1", {"y.example"})}, false}, "shop.example.com", {});
    CHECK(none.reason() == base::Reason::kNoMatchingCertificate);
    CHECK_THAT(none.message(), CERTBINDER_CONTAINS("none of the 2 certificates"));
    CHECK_THAT(none.message(), CERTBINDER_CONTAINS("order or upload"));

    const base::Error near = noneFits({{listed("old", "1", {"shop.example.com"}, "EXPIRED")}, true}, "shop.example.com",
                                      {"scs7 is valid only from tomorrow on"});
    CHECK_THAT(near.message(), CERTBINDER_CONTAINS("the only certificate seen in the account does not fit"));
    CHECK_THAT(near.message(), CERTBINDER_CONTAINS("old is in state EXPIRED"));
    CHECK_THAT(near.message(), CERTBINDER_CONTAINS("scs7 is valid only from tomorrow on"));
    CHECK_THAT(near.message(), CERTBINDER_CONTAINS("enterpriseProjectID"));

    CHECK_THAT(noneFits({}, "shop.example.com", {}).message(), CERTBINDER_CONTAINS("no certificate, so none can be"));

    Listing many;
    for (int i = 0; i < 50; ++i) {
        many.certificates.push_back(listed("c" + std::to_string(i), "1", {"shop.example.com"}, "REVOKED"));
    }
    CHECK_THAT(noneFits(many, "shop.example.com", {}).message(), CERTBINDER_CONTAINS("and 45 more"));
}

}  // namespace
}  // namespace certbinder::sources::scm
