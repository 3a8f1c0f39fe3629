#include "binding/index.h"

#include "support/bindings.h"
#include "support/test.h"

using namespace certbinder;
using Keys = std::set<api::ObjectKey>;

namespace {

api::CertificateBinding bindingOf(const std::string& name, const char* created) {
    api::CertificateBinding binding = test::nginxBinding({"web"}, name);
    binding.metadata.creationTimestamp = base::parseTime(created);
    return binding;
}

const api::ObjectKey kA{"default", "a"};
const api::ObjectKey kB{"default", "b"};

}  // namespace

TEST_CASE("the oldest binding holds a place, whichever is learnt first", "[binding][index]") {
    const auto older = bindingOf("b", "2026-01-01T00:00:00Z");
    const auto younger = bindingOf("a", "2026-01-01T00:00:01Z");
    binding::BindingIndex index;
    CHECK_FALSE(index.holder("place").has_value());
    SECTION("older first") {
        CHECK(index.put(older, {"place"}).empty());
        CHECK(index.put(younger, {"place"}) == Keys{kB});
    }
    SECTION("younger first") {
        CHECK(index.put(younger, {"place"}).empty());
        CHECK(index.put(older, {"place"}) == Keys{kA});
    }
    CHECK(index.holder("place") == kB);
}

TEST_CASE("among bindings of one moment the name decides", "[binding][index]") {
    binding::BindingIndex index;
    index.put(bindingOf("b", "2026-01-01T00:00:00Z"), {"place"});
    index.put(bindingOf("a", "2026-01-01T00:00:00Z"), {"place"});
    CHECK(index.holder("place") == kA);
}

TEST_CASE("a claim that becomes free wakes who waits for it", "[binding][index]") {
    const auto a = bindingOf("a", "2026-01-01T00:00:00Z");
    binding::BindingIndex index;
    index.put(a, {"one", "two"});
    index.put(bindingOf("b", "2026-02-01T00:00:00Z"), {"two", "three"});
    SECTION("by the holder's removal") {
        CHECK(index.remove(kA) == Keys{kB});
        CHECK(index.remove(kA).empty());
    }
    SECTION("by the holder's claiming another place") {
        CHECK(index.put(a, {"one"}) == Keys{kB});
    }
    CHECK(index.holder("two") == kB);
}

TEST_CASE("bindings of different places do not wake each other", "[binding][index]") {
    binding::BindingIndex index;
    index.put(bindingOf("a", "2026-01-01T00:00:00Z"), {"one"});
    CHECK(index.put(bindingOf("b", "2026-01-01T00:00:00Z"), {"two"}).empty());
    CHECK(index.remove(kB).empty());
}

TEST_CASE("who names a Secret or ConfigMap is known, and forgotten when it does so no more", "[binding][index]") {
    auto a = bindingOf("a", "2026-01-01T00:00:00Z");
    a.spec.trustBundleRef = "ca";
    binding::BindingIndex index;
    index.put(a, {});
    index.put(bindingOf("b", "2026-01-01T00:00:00Z"), {});
    CHECK(index.namingSecret({"default", "shop-tls"}) == Keys{kA, kB});
    CHECK(index.namingSecret({"default", "web-ssh"}) == Keys{kA, kB});
    CHECK(index.namingSecret({"elsewhere", "shop-tls"}).empty());
    CHECK(index.namingConfigMap({"default", "ca"}) == Keys{kA});
    a.spec.source = api::SecretSource{"other-tls"};
    a.spec.trustBundleRef.clear();
    index.put(a, {});
    CHECK(index.namingSecret({"default", "shop-tls"}) == Keys{kB});
    CHECK(index.namingSecret({"default", "other-tls"}) == Keys{kA});
    CHECK(index.namingConfigMap({"default", "ca"}).empty());
    index.remove(kB);
    CHECK(index.namingSecret({"default", "shop-tls"}).empty());
}
