#include "targets/nginx/proof.h"

#include "targets/nginx/world.h"

namespace certbinder::targets::nginx {

namespace {

/// Answers as a text says: `n` new, `o` old, `-` nothing; the last one again and again.
class ScriptedProber final : public probe::Prober {
  public:
    explicit ScriptedProber(std::string script) : script_(std::move(script)) {}

    base::Expected<probe::Served> handshake(const probe::Place&, const base::CallContext&) override {
        const char what = script_[std::min(asked++, script_.size() - 1)];
        if (what == '-') {
            return base::unexpected(base::Reason::kUnreachable, "connection refused");
        }
        probe::Served served;
        served.leaf.fingerprintSHA256 = what == 'n' ? "new" : "old";
        return served;
    }

    std::size_t asked = 0;

  private:
    std::string script_;
};

Proof watchScript(ScriptedProber& prober, const base::Clock& clock, std::chrono::milliseconds timeout) {
    const Watch watch{prober, {"10.0.0.4", 443, ""}, timeout, clock};
    return watchUntil(watch, [](const certificate::CertificateInfo& leaf) { return leaf.fingerprintSHA256 == "new"; },
                      {});
}

}  // namespace

TEST_CASE("a certificate counts as served after a streak of handshakes", "[nginx][proof]") {
    const test::SkippingClock clock;
    ScriptedProber steady("n");
    CHECK(watchScript(steady, clock, std::chrono::seconds(10)).proven);
    CHECK(steady.asked == static_cast<std::size_t>(kStreak));
    ScriptedProber mixed("onnon-nnnono" + std::string(kStreak, 'n'));
    CHECK(watchScript(mixed, clock, std::chrono::seconds(10)).proven);
    CHECK(mixed.asked == 12 + static_cast<std::size_t>(kStreak));
}

TEST_CASE("old and new workers in turn prove nothing", "[nginx][proof]") {
    const test::SkippingClock clock;
    std::string turns;
    for (int i = 0; i < 2000; ++i) {
        turns += "nnno";
    }
    ScriptedProber prober(turns);
    const Proof proof = watchScript(prober, clock, std::chrono::seconds(3));
    CHECK_FALSE(proof.proven);
    CHECK(proof.expected > 0);
    CHECK(proof.others > 0);
}

TEST_CASE("a watch ends when its time is over", "[nginx][proof]") {
    const test::SkippingClock clock;
    const auto start = clock.steadyNow();
    ScriptedProber prober("o");
    const Proof proof = watchScript(prober, clock, std::chrono::seconds(10));
    CHECK_FALSE(proof.proven);
    CHECK(proof.last->fingerprintSHA256 == "old");
    CHECK(clock.steadyNow() - start >= std::chrono::seconds(10));
    CHECK(clock.steadyNow() - start < std::chrono::seconds(12));
    CHECK(prober.asked < 20);  // waits grow
}

TEST_CASE("a streak that began in time is brought to its end", "[nginx][proof]") {
    const test::SkippingClock clock;
    ScriptedProber prober("n");
    CHECK(watchScript(prober, clock, std::chrono::milliseconds(10)).proven);
}

TEST_CASE("a stop ends a watch", "[nginx][proof]") {
    const test::SkippingClock clock;
    ScriptedProber prober("o");
    std::stop_source stop;
    stop.request_stop();
    const Watch watch{prober, {"10.0.0.4", 443, ""}, std::chrono::seconds(10), clock};
    CHECK_FALSE(
        watchUntil(watch, [](const auto&) { return true; }, {base::SteadyTime::max(), stop.get_token()}).proven);
    CHECK(prober.asked == 0);
}

}  // namespace certbinder::targets::nginx
