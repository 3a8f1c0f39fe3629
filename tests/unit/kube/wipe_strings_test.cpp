#include "kube/wipe_strings.h"

#include "document/json.h"
#include "support/test.h"

using namespace certbinder;

TEST_CASE("no string of a value is left, however deep it lies", "[kube]") {
    auto value = document::parseJson(R"({"token": "t", "users": [{"user": {"password": "p"}}, "k"], "port": 6443})");
    REQUIRE(value);
    kube::wipeStrings(*value);
    CHECK(*value == *document::parseJson(R"({"token": "", "users": [{"user": {"password": ""}}, ""], "port": 6443})"));
}
