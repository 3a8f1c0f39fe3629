#include "targets/nginx/transaction.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "targets/nginx/deny.h"
#include "targets/nginx/room.h"
#include "targets/nginx/site.h"

namespace certbinder::targets::nginx {

using base::CallContext;
using base::Error;
using base::Expected;
using base::Reason;

namespace {

using MaybeError = std::optional<Error>;

constexpr int kNotExecutable = 126;  // a shell's exit statuses for a command that did not even start
constexpr int kNotFound = 127;
constexpr std::uint32_t kDefaultCertificateMode = 0644;
constexpr std::uint32_t kOwnerMayRead = 0400;
constexpr std::size_t kBriefDigits = 16;
constexpr const char* kStaging = "staging";  // what `pending` says before there is a version to name

std::string brief(const std::string& fingerprint) {
    return fingerprint.substr(0, kBriefDigits);
}

MaybeError errorOf(const Expected<void>& result) {
    return result ? MaybeError() : MaybeError(result.error());
}

Error withTail(const Error& error, const std::string& tail) {
    return Error(error.reason(), error.message() + "; " + tail);
}

std::string shown(const std::vector<std::string>& command) {
    return "`" + base::printable(base::join(command, " "), 120) + "`";
}

bool didNotStart(const ssh::CommandResult& result) {
    return result.exitStatus == kNotExecutable || result.exitStatus == kNotFound;
}

/// What is there to go back to.
enum class Back {
    kVersion,  ///< another pair, which was in force before
    kNothing,  ///< there was no pair before
    kStay      ///< the wanted pair was in force already, or is the one to go back to
};

class Transaction {
  public:
    Transaction(const TransactionInput& input, const CallContext& context)
        : in_(input), context_(context), old_(base::unexpected(Reason::kUnreachable, "not probed")) {}

    Outcome run();

  private:
    // In the order of a run; each returns what went wrong, or nothing.
    MaybeError begin();
    bool isDone() const;
    MaybeError prepare();
    MaybeError checkPlaces();
    MaybeError checkPlace(const FileInPlace& file, const std::string& path);
    MaybeError adopt();
    MaybeError adoptVersion(const std::string& base);
    MaybeError linkPaths(bool onlyMissing);
    MaybeError stageWanted();
    MaybeError stepBack();
    MaybeError chooseBack();
    MaybeError mark();
    MaybeError test();
    MaybeError reload();
    MaybeError prove();

    // The ends of a run.
    Outcome unchanged();
    Outcome succeeded();
    Outcome abandoned(Error cause);
    Outcome refused(Error cause);
    Outcome kept(Error cause, const std::string& tail);
    Outcome takenBack(const Error& cause, bool reloadAgain);
    Outcome stuck(const Error& cause, const Error& why);
    Outcome failed(Error cause);

    std::string reloadOld();
    std::string confirmOld();
    std::string testOld(const Error& cause);
    MaybeError conclude();
    Contents inPlace() const;
    Contents wantedContents() const;
    bool isUnproven() const;
    Expected<std::string> lastProven();
    std::vector<std::string> keep() const;
    void observeAgain(Observation& after);
    void probeInto(Observation& observation) const;
    Expected<ssh::CommandResult> command(const std::vector<std::string>& arguments, const CallContext& context);

    /// Does something on the host in the time that is set aside for going back, over a new connection if need be.
    MaybeError insist(const std::function<Expected<void>()>& deed);

    const TransactionInput& in_;
    const CallContext& context_;
    std::unique_ptr<ssh::RemoteHost> host_;
    Site site_;
    std::optional<RoomKeeper> room_;
    Expected<probe::Served> old_;  // what was served before anything was done
    std::string target_;           // the wanted pair's version
    Back back_ = Back::kNothing;
    std::string backVersion_;
    std::optional<certificate::CertificateInfo> backLeaf_;  // of the pair in place before, where it could be read
    bool changed_ = false;
    bool switching_ = false;
    bool lastReloadStarted_ = true;
    Proof proof_;
    std::optional<CallContext> grace_;
};

/// --- What happens, in order ---

Outcome Transaction::run() {
    if (auto error = begin()) {
        return failed(std::move(*error));
    }
    if (isDone()) {
        return unchanged();
    }
    if (auto error = prepare()) {
        return abandoned(std::move(*error));
    }
    changed_ = true;
    if (auto error = mark()) {
        // Whether a rename whose answer was lost happened is not known, so it is taken back as if it had.
        return switching_ && back_ == Back::kVersion ? takenBack(*error, false) : abandoned(std::move(*error));
    }
    if (auto error = test()) {
        return refused(std::move(*error));
    }
    const bool servedBefore = old_.has_value();
    if (auto error = reload()) {
        return back_ == Back::kVersion
                   ? takenBack(*error, lastReloadStarted_)
                   : kept(std::move(*error), "the new pair passes the configuration test and stays");
    }
    if (auto error = prove()) {
        const bool silent = error->reason() == Reason::kUnreachable && !context_.over(in_.clock);
        if (silent && !servedBefore) {
            return kept(std::move(*error),
                        "the new pair is deployed and nginx was told to reload, but nothing serves there, as nothing "
                        "did before");
        }
        return back_ == Back::kVersion ? takenBack(*error, true)
                                       : kept(std::move(*error), "the pair passes the configuration test and stays");
    }
    return succeeded();
}

MaybeError Transaction::begin() {
    auto host = in_.login(context_);
    if (!host) {
        return host.error();
    }
    host_ = std::move(*host);
    host_->setContext(context_);
    auto site = inspect(*host_, in_.spec.certificatePath, in_.spec.privateKeyPath, in_.wanted, in_.clock.wallNow());
    if (!site) {
        return site.error();
    }
    site_ = std::move(*site);
    backLeaf_ = site_.leaf;
    room_.emplace(*host_, site_.layout);
    if (in_.watch) {
        old_ = shakeHands(*in_.watch, context_);
    }
    return std::nullopt;
}

bool Transaction::isDone() const {
    const bool served = !in_.watch || (old_ && old_->leaf.fingerprintSHA256 == in_.wanted.leaf.fingerprintSHA256);
    return served && site_.holds(in_.wanted);
}

MaybeError Transaction::prepare() {
    if (site_.holds(in_.wanted)) {
        target_ = *site_.live;
        return chooseBack();
    }
    if (auto error = checkPlaces()) {
        return error;
    }
    changed_ = true;
    if (auto error = errorOf(room_->open())) {
        return error;
    }
    if (auto error = adopt()) {
        return error;
    }
    if (auto error = stageWanted()) {
        return error;
    }
    return chooseBack();
}

MaybeError Transaction::checkPlaces() {
    auto error = checkPlace(site_.certificate, site_.layout.certificatePath);
    return error ? error : checkPlace(site_.privateKey, site_.layout.privateKeyPath);
}

/// A path that is fine as it is written may lead somewhere else through links; neither is anything written to such a
/// place, nor is what is there copied.
MaybeError Transaction::checkPlace(const FileInPlace& file, const std::string& path) {
    const std::string directory = directoryOf(path);
    auto status = host_->stat(directory);
    if (!status) {
        return status.error();
    }
    if (!*status || (*status)->kind != ssh::FileStatus::Kind::kDirectory) {
        return Error(Reason::kTargetNotFound, "there is no directory " + base::printable(directory) +
                                                  " on the host; create it with the owner and mode it should have, or "
                                                  "correct the path in the spec");
    }
    std::vector<std::string> places{path};
    auto real = resolve(*host_, directory);
    if (!real) {
        return real.error();
    }
    places.push_back((*real == "/" ? "" : *real) + "/" + nameOf(path));
    if (file.kind == FileInPlace::Kind::kForeignLink) {
        auto target = resolve(*host_, path);
        if (!target) {
            return target.error();
        }
        places.push_back(*target);
    }
    for (const std::string& place : places) {
        if (const auto why = whyDenied(place)) {
            return Error(Reason::kInvalidSpec, base::printable(path) + " leads to " + base::printable(place) +
                                                   " on the host: " + *why +
                                                   "; give a path where nginx keeps its certificates");
        }
    }
    return std::nullopt;
}

/// What is at the two paths now, as a version.
Contents Transaction::inPlace() const {
    Contents contents;
    if (const auto& status = site_.certificate.status) {
        contents.certificate = FileSpec{site_.certificate.bytes.reveal(), status->mode & 0777,
                                        ssh::Owner{status->uid, status->gid}, site_.layout.certificatePath};
    }
    if (const auto& status = site_.privateKey.status) {
        contents.privateKey = FileSpec{site_.privateKey.bytes.reveal(), (status->mode & kMostKeyMode) | kOwnerMayRead,
                                       ssh::Owner{status->uid, status->gid}, site_.layout.privateKeyPath};
    }
    return contents;
}

/// Makes both paths links through `live`. Each of them gives the same bytes as before at every moment: what is there is
/// copied to a version, `live` made to lead to it, and only then is each file replaced by its link.
MaybeError Transaction::adopt() {
    const auto isOurs = [](const FileInPlace& file) { return file.kind == FileInPlace::Kind::kOurs; };
    if (isOurs(site_.certificate) && isOurs(site_.privateKey) && site_.live) {
        return std::nullopt;
    }
    if (!site_.live) {
        // They lead nowhere as long as there is no `live`, which is what was at these paths before.
        if (auto error = linkPaths(true)) {
            return error;
        }
    }
    const Contents contents = inPlace();
    if (contents.certificate || contents.privateKey) {
        const std::string unreadable =
            "unreadable-" + base::toHex(base::sha256(contents.certificate ? contents.certificate->bytes : ""));
        auto same = site_.live ? room_->holds(*site_.live, contents) : Expected<bool>(false);
        if (!same) {
            return same.error();
        }
        auto version = *same ? Expected<std::string>(*site_.live)
                             : room_->stage(site_.leaf ? site_.leaf->fingerprintSHA256 : unreadable, contents, keep());
        if (!version) {
            return std::move(version.error()).in("keeping what is there as the first version");
        }
        if (auto error = adoptVersion(*version)) {
            return error;
        }
    }
    return linkPaths(false);
}

MaybeError Transaction::adoptVersion(const std::string& base) {
    if (site_.live == base) {
        return std::nullopt;
    }
    // `previous` first: after a cut-off transaction it says what to go back to, which now is what is there.
    if (auto error = errorOf(room_->point(site_.layout.previous(), base))) {
        return error;
    }
    site_.previous = base;
    if (auto error = errorOf(room_->point(site_.layout.live(), base))) {
        return error;
    }
    site_.live = base;
    return std::nullopt;
}

MaybeError Transaction::linkPaths(bool onlyMissing) {
    const auto link = [&](FileInPlace& file, const std::string& path, const std::string& target) -> MaybeError {
        if (file.kind == FileInPlace::Kind::kOurs || (onlyMissing && file.status)) {
            return std::nullopt;
        }
        file.kind = FileInPlace::Kind::kOurs;
        return errorOf(room_->point(path, target));
    };
    auto error = link(site_.certificate, site_.layout.certificatePath, site_.layout.certificateLink);
    return error ? error : link(site_.privateKey, site_.layout.privateKeyPath, site_.layout.privateKeyLink);
}

Contents Transaction::wantedContents() const {
    Contents contents = inPlace();
    FileSpec certificate = contents.certificate.value_or(FileSpec{{}, kDefaultCertificateMode, {}, {}});
    FileSpec privateKey = contents.privateKey.value_or(FileSpec{{}, kMostKeyMode, {}, {}});
    certificate.bytes = in_.wanted.chainPem;
    privateKey.bytes = in_.wanted.keyPem.reveal();
    contents.certificate = std::move(certificate);
    contents.privateKey = std::move(privateKey);
    return contents;
}

MaybeError Transaction::stageWanted() {
    const Contents contents = wantedContents();
    auto isLive = site_.live ? room_->holds(*site_.live, contents) : Expected<bool>(false);
    if (!isLive) {
        return isLive.error();
    }
    if (*isLive) {
        target_ = *site_.live;
        return errorOf(room_->narrow(target_, contents));
    }
    if (auto error = isUnproven() ? stepBack() : std::nullopt) {
        return error;
    }
    if (!site_.pending) {
        // From here on there may be files that only the next pass removes, should this one be cut off.
        if (auto error = errorOf(room_->point(site_.layout.pending(), kStaging))) {
            return error;
        }
    }
    auto version = room_->stage(in_.wanted.leaf.fingerprintSHA256, contents, keep());
    if (!version) {
        return std::move(version.error()).in("staging the new pair");
    }
    target_ = std::move(*version);
    return std::nullopt;
}

/// Whether what is live was put there by a transaction that was cut off before it was proven.
bool Transaction::isUnproven() const {
    return site_.interrupted && site_.live && site_.live == site_.pending;
}

/// The last pair that was proven; "" where there is none.
Expected<std::string> Transaction::lastProven() {
    auto live = site_.live && !isUnproven() ? host_->lstat(site_.layout.version(*site_.live))
                                            : Expected<std::optional<ssh::FileStatus>>(std::nullopt);
    if (!live) {
        return base::unexpected(live.error());
    }
    if (*live) {
        return *site_.live;
    }
    auto whole = site_.previous ? room_->isComplete(*site_.previous) : Expected<bool>(false);
    if (!whole) {
        return base::unexpected(whole.error());
    }
    return *whole ? *site_.previous : std::string();
}

/// Leaves a pair that was never proven, and that is not the wanted one any more, before anything else is done: then
/// `live` is proven again, and `pending` is free to name the next one.
MaybeError Transaction::stepBack() {
    auto version = lastProven();
    if (!version) {
        return version.error();
    }
    auto error =
        errorOf(version->empty() ? room_->unlink(site_.layout.live()) : room_->point(site_.layout.live(), *version));
    site_.live = version->empty() ? std::nullopt : std::optional(*version);
    return error;
}

MaybeError Transaction::chooseBack() {
    auto version = lastProven();
    if (!version) {
        return version.error();
    }
    backVersion_ = std::move(*version);
    back_ = backVersion_.empty() ? Back::kNothing : backVersion_ == target_ ? Back::kStay : Back::kVersion;
    if (back_ != Back::kVersion) {
        return std::nullopt;
    }
    const std::string file = site_.layout.version(backVersion_) + "/" + site_.layout.certificateName;
    auto status = host_->lstat(file);
    if (!status) {
        return status.error();
    }
    if (!*status) {  // a certificate's file was missing when this version was kept
        backLeaf_.reset();
        return std::nullopt;
    }
    auto bytes = host_->readFile(file, certificate::kMostPemBytes);
    if (!bytes) {
        return bytes.error();
    }
    const auto certificates = certificate::readCertificates(bytes->reveal());
    backLeaf_ = certificates ? std::optional(certificates->front()) : std::nullopt;
    return std::nullopt;
}

/// Says on the disk what is going on, then switches.
MaybeError Transaction::mark() {
    if (site_.live == target_) {
        return std::nullopt;
    }
    if (back_ == Back::kVersion) {
        if (auto error = errorOf(room_->point(site_.layout.previous(), backVersion_))) {
            return error;
        }
        site_.previous = backVersion_;
    }
    if (auto error = errorOf(room_->point(site_.layout.pending(), target_))) {
        return error;
    }
    switching_ = true;
    if (auto error = errorOf(room_->point(site_.layout.live(), target_))) {
        return std::move(*error).in("switching to the new pair");
    }
    site_.live = target_;
    return std::nullopt;
}

Expected<ssh::CommandResult> Transaction::command(const std::vector<std::string>& arguments,
                                                  const CallContext& context) {
    host_->setContext(context.within(kTimeOfCommand, in_.clock));
    auto result = host_->run(arguments);
    host_->setContext(context);
    return result;
}

MaybeError Transaction::test() {
    const auto result = command(in_.spec.testCommand, context_);
    if (!result) {
        return Error(result.error()).in("testing the configuration");
    }
    if (result->ok()) {
        return std::nullopt;
    }
    return Error(Reason::kConfigTestFailed,
                 shown(in_.spec.testCommand) + " with the new pair in place failed: " + failureWords(*result) +
                     (didNotStart(*result) ? "; give the program's full path in testCommand" : ""));
}

MaybeError Transaction::reload() {
    const auto result = command(in_.spec.reloadCommand, context_);
    if (!result) {
        return Error(result.error()).in("telling nginx to reload");
    }
    if (result->ok()) {
        return std::nullopt;
    }
    lastReloadStarted_ = !didNotStart(*result);
    return Error(Reason::kReloadFailed, shown(in_.spec.reloadCommand) + " failed: " + failureWords(*result) +
                                            (lastReloadStarted_ ? "; see whether nginx runs, and its error log"
                                                                : "; give the program's full path in reloadCommand"));
}

std::string placeName(const probe::Place& place) {
    const bool v6 = place.address.find(':') != std::string::npos;
    return (v6 ? "[" + place.address + "]" : place.address) + ":" + std::to_string(place.port) +
           (place.serverName.empty() ? "" : " (" + place.serverName + ")");
}

MaybeError Transaction::prove() {
    if (!in_.watch) {
        return std::nullopt;
    }
    const std::string wanted = in_.wanted.leaf.fingerprintSHA256;
    proof_ = watchUntil(
        *in_.watch, [&](const certificate::CertificateInfo& leaf) { return leaf.fingerprintSHA256 == wanted; },
        context_);
    if (proof_.proven) {
        return std::nullopt;
    }
    const std::string place = placeName(in_.watch->place);
    if (context_.over(in_.clock)) {
        return Error(Reason::kUnreachable,
                     "the time for this deployment was over before a handshake with " + place + " could prove it");
    }
    if (!proof_.last) {
        return Error(Reason::kUnreachable,
                     "no handshake with " + place + " came about after the reload: " +
                         (proof_.error ? proof_.error->message() : std::string("no answer")) +
                         "; see whether nginx listens there, and that probe.address and probe.port are right");
    }
    const std::string got =
        proof_.expected > 0
            ? std::to_string(proof_.expected) + " of " + std::to_string(proof_.expected + proof_.others) +
                  " handshakes got " + brief(wanted) + ", the last one " + brief(proof_.last->fingerprintSHA256)
            : "clients get " + brief(proof_.last->fingerprintSHA256) + " instead of " + brief(wanted);
    return Error(Reason::kServedCertificateDiffers,
                 place + ": after the reload " + got +
                     "; see whether another server block or a proxy in front answers, and whether nginx reads " +
                     site_.layout.certificatePath);
}

// --- How it ends ---

Outcome Transaction::unchanged() {
    Outcome outcome;
    outcome.after.looked = true;
    outcome.after.deployed = Held::of(in_.wanted.leaf);
    if (in_.watch) {
        outcome.after.probe = ProbeState::kServed;
        outcome.after.served = old_->leaf;
    }
    return outcome;
}

Outcome Transaction::succeeded() {
    Outcome outcome;
    outcome.changed = true;
    outcome.after.looked = true;
    outcome.after.deployed = Held::of(in_.wanted.leaf);
    probeInto(outcome.after);
    if (auto error = conclude()) {
        outcome.after.interrupted = true;
        outcome.error = withTail(*error, "the new pair is in force and proven all the same; the next pass tidies up");
    }
    return outcome;
}

/// Removes what is not needed any more, and then the mark. Only the mark counts: a version that stays is no harm.
MaybeError Transaction::conclude() {
    if (auto error = insist([&] { return room_->prune(keep()); })) {
        base::logWarning("versions that are not needed any more could not be removed",
                         {{"endpoint", in_.endpoint}, {"error", error->message()}});
    }
    for (const std::string& warning : room_->warnings()) {
        base::logWarning(warning, {{"endpoint", in_.endpoint}});
    }
    if (auto error = insist([&] { return room_->unlink(site_.layout.pending()); })) {
        return std::move(*error).in("removing the mark of the transaction");
    }
    return std::nullopt;
}

/// Nothing was switched yet.
Outcome Transaction::abandoned(Error cause) {
    if (changed_ && !site_.interrupted && cause.reason() != Reason::kUnreachable) {
        if (auto error = conclude()) {
            base::logWarning("a deployment that was given up could not be tidied up",
                             {{"endpoint", in_.endpoint}, {"error", error->message()}});
        }
    }
    return failed(std::move(cause));
}

/// The configuration test failed, or could not be made. Nothing was reloaded.
Outcome Transaction::refused(Error cause) {
    if (back_ == Back::kVersion) {
        return takenBack(cause, false);
    }
    if (back_ == Back::kStay) {
        return kept(std::move(cause), "the pair was in place already and stays; no reload was made");
    }
    if (auto error = insist([&] { return room_->unlink(site_.layout.live()); })) {
        return stuck(cause, *error);
    }
    site_.live.reset();
    if (auto error = conclude()) {
        cause = withTail(cause, error->message());
    }
    Outcome outcome = failed(withTail(cause,
                                      "there was no pair before, and the new one was taken away again; no "
                                      "reload was made"));
    outcome.rolledBack = true;
    return outcome;
}

/// Nothing gets better by going back: the new pair stays. Without a probe only the mark can tell the next pass that
/// nginx may not have taken it yet.
Outcome Transaction::kept(Error cause, const std::string& tail) {
    if (auto error = in_.watch ? conclude() : std::nullopt) {
        cause = withTail(cause, error->message());
    }
    return failed(withTail(cause, tail));
}

Outcome Transaction::takenBack(const Error& cause, bool reloadAgain) {
    if (auto error = insist([&] { return room_->point(site_.layout.live(), backVersion_); })) {
        return stuck(cause, *error);
    }
    site_.live = backVersion_;
    std::string more = "no reload was made";
    if (reloadAgain) {
        more = reloadOld();
        more += confirmOld();
    } else if (cause.reason() == Reason::kConfigTestFailed) {
        more = testOld(cause);
    }
    if (auto error = conclude()) {
        base::logWarning("the mark of a transaction that was taken back stays until the next pass",
                         {{"endpoint", in_.endpoint}, {"error", error->message()}});
    }
    Outcome outcome = failed(withTail(cause, "the pair that was in force before is in place again; " + more));
    outcome.rolledBack = true;
    return outcome;
}

/// Going back did not work either. The marks stay, so that the next pass goes on from here.
Outcome Transaction::stuck(const Error& cause, const Error& why) {
    return failed(withTail(
        cause,
        "switching back failed too (" + why.message() + "): " + site_.layout.live() +
            " may still lead to the new pair, which nginx would take at its next reload or start; the next pass "
            "goes on from there" +
            (back_ == Back::kVersion ? ", and the pair of before is kept in " + site_.layout.version(backVersion_)
                                     : std::string())));
}

/// Whether the new pair is the reason: with the old one back in place, the host's configuration should be fine.
std::string Transaction::testOld(const Error& cause) {
    std::optional<ssh::CommandResult> result;
    insist([&]() -> Expected<void> {
        auto tested = command(in_.spec.testCommand, *grace_);
        if (!tested) {
            return base::unexpected(tested.error());
        }
        result = std::move(*tested);
        return {};
    });
    if (!result || result->ok()) {
        return "no reload was made";
    }
    const std::string words = failureWords(*result);
    const bool said = cause.message().find(words) != std::string::npos;
    return "no reload was made; the host's configuration fails without the new certificate too" +
           (said ? std::string() : ": " + words);
}

std::string Transaction::reloadOld() {
    std::optional<ssh::CommandResult> result;
    const auto error = insist([&]() -> Expected<void> {
        auto reloaded = command(in_.spec.reloadCommand, *grace_);
        if (!reloaded) {
            return base::unexpected(reloaded.error());
        }
        result = std::move(*reloaded);
        return {};
    });
    if (error) {
        return "telling nginx to reload it failed: " + error->message();
    }
    return result->ok() ? "nginx was told to reload it" : "telling nginx to reload it failed: " + failureWords(*result);
}

std::string Transaction::confirmOld() {
    if (!in_.watch || !old_) {
        return "";
    }
    const std::string wanted = in_.wanted.leaf.fingerprintSHA256;
    const auto isOld = [&](const certificate::CertificateInfo& leaf) {
        const bool fromDisk = backLeaf_ && leaf.fingerprintSHA256 == backLeaf_->fingerprintSHA256;
        // What was served before need not be what is on the disk: a proxy in front has a certificate of its own.
        const bool asBefore =
            leaf.fingerprintSHA256 == old_->leaf.fingerprintSHA256 && leaf.fingerprintSHA256 != wanted;
        return fromDisk || asBefore;
    };
    proof_ = watchUntil(*in_.watch, isOld, *grace_);
    if (proof_.proven) {
        return ", and clients are served " + brief(proof_.last->fingerprintSHA256) + " again";
    }
    return proof_.last ? ", but clients still get " + brief(proof_.last->fingerprintSHA256)
                       : ", but no handshake comes about: " +
                             (proof_.error ? proof_.error->message() : std::string("no answer"));
}

Outcome Transaction::failed(Error cause) {
    Outcome outcome;
    outcome.changed = changed_;
    if (host_) {
        observeAgain(outcome.after);
    }
    if (proof_.last || proof_.error) {
        probeInto(outcome.after);
    } else if (in_.watch && host_) {
        outcome.after.probe = old_ ? ProbeState::kServed : ProbeState::kFailed;
        outcome.after.served = old_ ? std::optional(old_->leaf) : std::nullopt;
        outcome.after.probeError = old_ ? std::nullopt : std::optional(old_.error());
    }
    for (const std::string& warning : room_ ? room_->warnings() : std::vector<std::string>()) {
        cause = withTail(cause, warning);
    }
    outcome.error = std::move(cause);
    return outcome;
}

void Transaction::probeInto(Observation& observation) const {
    if (!in_.watch) {
        return;
    }
    observation.probe = proof_.error ? ProbeState::kFailed : ProbeState::kServed;
    observation.served = proof_.error ? std::nullopt : proof_.last;
    observation.probeError = proof_.error;
}

/// After a failure the host itself is asked what state it is in.
void Transaction::observeAgain(Observation& after) {
    std::optional<Site> site;
    insist([&]() -> Expected<void> {
        auto seen = inspect(*host_, in_.spec.certificatePath, in_.spec.privateKeyPath, in_.wanted, in_.clock.wallNow());
        if (!seen) {
            return base::unexpected(seen.error());
        }
        site = std::move(*seen);
        return {};
    });
    if (!site) {
        return;
    }
    after.looked = true;
    after.deployed = site->leaf ? std::optional(Held::of(*site->leaf)) : std::nullopt;
    after.faults = std::move(site->faults);
    after.interrupted = site->interrupted;
}

MaybeError Transaction::insist(const std::function<Expected<void>()>& deed) {
    if (!grace_) {
        grace_ = CallContext{in_.clock.steadyNow() + kTimeToSwitchBack, {}};
    }
    host_->setContext(*grace_);
    auto done = deed();
    if (done || done.error().reason() != Reason::kUnreachable) {
        return errorOf(done);
    }
    auto again = in_.login(*grace_);
    if (!again) {
        return done.error();
    }
    host_ = std::move(*again);
    host_->setContext(*grace_);
    if (room_) {  // none where already the first look was cut off
        room_->use(*host_);
    }
    return errorOf(deed());
}

std::vector<std::string> Transaction::keep() const {
    std::vector<std::string> versions;
    for (const auto& version : {site_.live, site_.previous}) {
        if (version) {
            versions.push_back(*version);
        }
    }
    return versions;
}

}  // namespace

std::string failureWords(const ssh::CommandResult& result) {
    std::vector<std::string> grave;
    std::vector<std::string> others;
    for (const std::string& line : base::split(result.output, '\n')) {
        const std::string words(base::trim(line));
        if (!words.empty()) {
            const bool emergency = words.find("[emerg]") != std::string::npos;
            (emergency ? grave : others).push_back(words);
        }
    }
    grave.insert(grave.end(), others.begin(), others.end());
    if (!grave.empty()) {
        return base::printable(base::join(grave, "; "));
    }
    if (!result.signal.empty()) {
        return "ended by the signal " + base::printable(result.signal, 20) + " without a word";
    }
    return result.exitStatus < 0 ? "the server reported no exit status"
                                 : "exit status " + std::to_string(result.exitStatus) + " without a word";
}

Outcome runTransaction(const TransactionInput& input, const CallContext& context) {
    return Transaction(input, context).run();
}

}  // namespace certbinder::targets::nginx
