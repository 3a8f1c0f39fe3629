#include "support/fake_remote_host.h"

#include <algorithm>
#include <deque>

#include "base/text.h"

namespace certbinder::test {

using base::Expected;
using base::Reason;
using base::unexpected;
using ssh::FileStatus;
using ssh::Owner;
using Kind = ssh::FileStatus::Kind;

namespace {

constexpr int kMostLinks = 40;  // Linux's own limit
constexpr std::uint32_t kRead = 4;
constexpr std::uint32_t kWrite = 2;
constexpr std::uint32_t kSearch = 1;

tl::unexpected<base::Error> missing() {
    return unexpected(Reason::kInternalError, "no such file");
}

tl::unexpected<base::Error> denied() {
    return unexpected(Reason::kPermissionDenied, "permission denied");
}

tl::unexpected<base::Error> failure(const char* words) {
    return unexpected(Reason::kInternalError, words);
}

tl::unexpected<base::Error> lost() {
    return unexpected(Reason::kUnreachable, "the connection was lost");
}

bool isMissing(const base::Error& error) {
    return error.reason() == Reason::kInternalError && error.bareMessage() == "no such file";
}

std::string octal(std::uint32_t mode) {
    std::string digits = "0000";
    for (std::size_t i = 4; i-- > 0; mode >>= 3) {
        digits[i] = static_cast<char>('0' + (mode & 7));
    }
    return digits;
}

std::string parentPath(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string joined(const std::string& directory, const std::string& name) {
    return directory == "/" ? "/" + name : directory + "/" + name;
}

bool isBelow(const std::string& path, const std::string& directory) {
    const std::string prefix = directory == "/" ? "/" : directory + "/";
    return path.size() > prefix.size() && path.compare(0, prefix.size(), prefix) == 0;
}

void prepend(std::deque<std::string>& pending, const std::string& path) {
    const auto parts = base::split(path, '/');
    pending.insert(pending.begin(), parts.begin(), parts.end());
    pending.erase(std::remove(pending.begin(), pending.end(), ""), pending.end());
}

constexpr Owner kRoot{};

}  // namespace

// --- The file system ---

FakeMachine::FakeMachine() {
    nodes_["/"] = {Kind::kDirectory, 0755, kRoot, ""};
}

bool FakeMachine::may(const Node& node, std::uint32_t bit, Owner who) const {
    if (who.uid == 0) {
        return true;
    }
    const int shift = node.owner.uid == who.uid ? 6 : node.owner.gid == who.gid ? 3 : 0;
    return ((node.mode >> shift) & bit) != 0;
}

bool FakeMachine::hasChildren(const std::string& path) const {
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& entry) { return isBelow(entry.first, path); });
}

Expected<FakeMachine::Place> FakeMachine::find(const std::string& path, Last last, Owner who) const {
    if (path.empty() || path.front() != '/') {
        return failure("paths are absolute");
    }
    std::deque<std::string> pending;
    prepend(pending, path);
    std::string at = "/";
    int links = 0;
    while (!pending.empty()) {
        const std::string name = pending.front();
        pending.pop_front();
        const Node& directory = nodes_.at(at);
        if (directory.kind != Kind::kDirectory) {
            return missing();  // ENOTDIR, which sftp-server reports like this
        }
        if (!may(directory, kSearch, who)) {
            return denied();
        }
        if (name == "." || name == "..") {
            at = name == ".." && at != "/" ? parentPath(at) : at;
            continue;
        }
        const std::string next = joined(at, name);
        const auto found = nodes_.find(next);
        if (found == nodes_.end()) {
            return pending.empty() ? Expected<Place>(Place{next, nullptr}) : Expected<Place>(missing());
        }
        const bool followed = !pending.empty() || last == Last::kFollow;
        if (found->second.kind != Kind::kLink || !followed) {
            at = next;
            if (found->second.kind == Kind::kLink) {
                return Place{at, &found->second};
            }
            continue;
        }
        if (++links > kMostLinks) {
            return missing();  // ELOOP, likewise
        }
        at = found->second.bytes.front() == '/' ? "/" : at;
        prepend(pending, found->second.bytes);
    }
    return Place{at, &nodes_.at(at)};
}

Expected<FakeMachine::Place> FakeMachine::parentOf(const std::string& path, Last last, Owner who) const {
    auto place = find(path, last, who);
    if (place && !may(nodes_.at(parentPath(place->path)), kWrite, who)) {
        return denied();
    }
    return place;
}

FileStatus FakeMachine::statusOf(const Node& node) const {
    FileStatus status;
    status.kind = node.kind;
    status.mode = node.mode;
    status.uid = node.owner.uid;
    status.gid = node.owner.gid;
    status.size = node.bytes.size();
    return status;
}

void FakeMachine::makeParents(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const auto place = find(path.substr(0, slash), Last::kFollow, kRoot);
        if (place && place->node == nullptr) {
            nodes_[place->path] = {Kind::kDirectory, 0755, kRoot, ""};
        }
    }
}

void FakeMachine::put(const std::string& path, std::string_view bytes, std::uint32_t mode, Owner owner) {
    const std::lock_guard lock(mutex_);
    makeParents(path);
    nodes_[find(path, Last::kFollow, kRoot).value().path] = {Kind::kFile, mode, owner, std::string(bytes)};
}

void FakeMachine::putDirectory(const std::string& path, std::uint32_t mode, Owner owner) {
    const std::lock_guard lock(mutex_);
    makeParents(path);
    nodes_[find(path, Last::kFollow, kRoot).value().path] = {Kind::kDirectory, mode, owner, ""};
}

void FakeMachine::putLink(const std::string& target, const std::string& path) {
    const std::lock_guard lock(mutex_);
    makeParents(path);
    nodes_[find(path, Last::kItself, kRoot).value().path] = {Kind::kLink, 0777, kRoot, target};
}

void FakeMachine::erase(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto place = find(path, Last::kItself, kRoot);
    for (auto it = nodes_.begin(); place && it != nodes_.end();) {
        it = it->first == place->path || isBelow(it->first, place->path) ? nodes_.erase(it) : std::next(it);
    }
}

std::optional<std::string> FakeMachine::contents(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto place = find(path, Last::kFollow, kRoot);
    if (!place || place->node == nullptr || place->node->kind != Kind::kFile) {
        return std::nullopt;
    }
    return place->node->bytes;
}

std::optional<FileStatus> FakeMachine::status(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto place = find(path, Last::kFollow, kRoot);
    return place && place->node != nullptr ? std::optional(statusOf(*place->node)) : std::nullopt;
}

std::optional<FileStatus> FakeMachine::linkStatus(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto place = find(path, Last::kItself, kRoot);
    return place && place->node != nullptr ? std::optional(statusOf(*place->node)) : std::nullopt;
}

std::optional<std::string> FakeMachine::linkTarget(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto place = find(path, Last::kItself, kRoot);
    if (!place || place->node == nullptr || place->node->kind != Kind::kLink) {
        return std::nullopt;
    }
    return place->node->bytes;
}

std::optional<Owner> FakeMachine::owner(const std::string& path) const {
    const auto found = status(path);
    return found ? std::optional(Owner{found->uid, found->gid}) : std::nullopt;
}

bool FakeMachine::exists(const std::string& path) const {
    return status(path).has_value();
}

std::vector<std::string> FakeMachine::tree() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& [path, node] : nodes_) {
        if (path == "/") {
            continue;
        }
        const std::string mark = node.kind == Kind::kDirectory ? "/"
                                 : node.kind == Kind::kLink    ? " -> " + node.bytes
                                                               : "";
        lines.push_back(path + mark);
    }
    return lines;
}

void FakeMachine::addUser(const std::string& name, Owner ids) {
    const std::lock_guard lock(mutex_);
    users_[name] = ids;
}

void FakeMachine::onCommand(CommandHandler handler) {
    const std::lock_guard lock(mutex_);
    commands_ = std::move(handler);
}

// --- Operations and faults ---

std::vector<std::string> FakeMachine::journal() const {
    const std::lock_guard lock(mutex_);
    return journal_;
}

void FakeMachine::clearJournal() {
    const std::lock_guard lock(mutex_);
    journal_.clear();
    operations_ = 0;
    loseConnectionAt_.reset();
    loseAnswerAt_.reset();
}

std::size_t FakeMachine::operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
}

void FakeMachine::loseConnectionAfter(std::size_t count) {
    const std::lock_guard lock(mutex_);
    loseConnectionAt_ = operations_ + count + 1;
}

void FakeMachine::loseAnswerOf(std::size_t number) {
    const std::lock_guard lock(mutex_);
    loseAnswerAt_ = operations_ + number;
}

void FakeMachine::recover() {
    const std::lock_guard lock(mutex_);
    down_ = false;
    ++generation_;
    loseConnectionAt_.reset();
    loseAnswerAt_.reset();
}

void FakeMachine::interpose(std::function<std::optional<base::Error>(const std::string&)> judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
}

void FakeMachine::observe(std::function<void(const FakeMachine&)> observer) {
    const std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
}

Expected<void> FakeMachine::reachable(std::size_t generation) const {
    if (down_ || generation != generation_) {
        return lost();
    }
    return {};
}

Expected<FakeMachine::Ticket> FakeMachine::begin(std::size_t generation, const std::string& operation) {
    if (auto up = reachable(generation); !up) {
        return unexpected(up.error());
    }
    ++operations_;
    if (loseConnectionAt_ && operations_ >= *loseConnectionAt_) {
        down_ = true;
        return lost();
    }
    if (judge_) {
        if (auto verdict = judge_(operation)) {
            return unexpected(*verdict);
        }
    }
    return Ticket{!loseAnswerAt_ || operations_ < *loseAnswerAt_};
}

Expected<void> FakeMachine::finish(const Ticket& ticket) {
    if (!ticket.answered) {
        const std::lock_guard lock(mutex_);
        down_ = true;
    }
    std::function<void(const FakeMachine&)> observer;
    {
        const std::lock_guard lock(mutex_);
        observer = observer_;
    }
    if (observer) {
        observer(*this);
    }
    if (!ticket.answered) {
        return lost();
    }
    return {};
}

Expected<void> FakeMachine::perform(std::size_t generation, const std::string& operation,
                                    const std::function<Expected<void>()>& change) {
    Ticket ticket;
    {
        const std::lock_guard lock(mutex_);
        auto begun = begin(generation, operation);
        if (!begun) {
            return unexpected(begun.error());
        }
        ticket = *begun;
        auto changed = change();
        if (!changed && ticket.answered) {
            return changed;
        }
        if (changed) {
            journal_.push_back(operation);
        }
    }
    return finish(ticket);
}

// --- A session ---

FakeRemoteHost::FakeRemoteHost(std::shared_ptr<FakeMachine> machine, Owner who)
    : machine_(std::move(machine)), who_(who) {
    const std::lock_guard lock(machine_->mutex_);
    generation_ = machine_->generation_;
}

void FakeRemoteHost::setContext(const base::CallContext& context) {
    context_ = context;
}

Expected<void> FakeRemoteHost::ready() const {
    if (context_.over()) {
        return unexpected(Reason::kUnreachable, "the time for the call was over");
    }
    return machine_->reachable(generation_);
}

Expected<void> FakeRemoteHost::perform(const std::string& operation, const std::function<Expected<void>()>& change) {
    if (context_.over()) {
        return unexpected(Reason::kUnreachable, "the time for the call was over");
    }
    return machine_->perform(generation_, operation, change);
}

Expected<std::optional<FileStatus>> FakeRemoteHost::look(const std::string& path, FakeMachine::Last last) const {
    const std::lock_guard lock(machine_->mutex_);
    if (auto up = ready(); !up) {
        return unexpected(up.error());
    }
    const auto place = machine_->find(path, last, who_);
    if (!place && !isMissing(place.error())) {
        return unexpected(place.error());
    }
    if (!place || place->node == nullptr) {
        return std::optional<FileStatus>();
    }
    return std::optional(machine_->statusOf(*place->node));
}

Expected<std::optional<FileStatus>> FakeRemoteHost::stat(const std::string& path) {
    return look(path, FakeMachine::Last::kFollow);
}

Expected<std::optional<FileStatus>> FakeRemoteHost::lstat(const std::string& path) {
    return look(path, FakeMachine::Last::kItself);
}

Expected<std::string> FakeRemoteHost::readLink(const std::string& path) {
    const std::lock_guard lock(machine_->mutex_);
    if (auto up = ready(); !up) {
        return unexpected(up.error());
    }
    const auto place = machine_->find(path, FakeMachine::Last::kItself, who_);
    if (!place) {
        return unexpected(place.error());
    }
    if (place->node == nullptr) {
        return missing();
    }
    if (place->node->kind != Kind::kLink) {
        return failure("not a link");
    }
    return place->node->bytes;
}

Expected<base::SecretBytes> FakeRemoteHost::readFile(const std::string& path, std::size_t mostBytes) {
    const std::lock_guard lock(machine_->mutex_);
    if (auto up = ready(); !up) {
        return unexpected(up.error());
    }
    const auto place = machine_->find(path, FakeMachine::Last::kFollow, who_);
    if (!place) {
        return unexpected(place.error());
    }
    if (place->node == nullptr) {
        return missing();
    }
    if (place->node->kind != Kind::kFile) {
        return failure("not a file");
    }
    if (!machine_->may(*place->node, kRead, who_)) {
        return denied();
    }
    if (place->node->bytes.size() > mostBytes) {
        return failure("the file is larger than expected");
    }
    return base::SecretBytes(place->node->bytes);
}

Expected<std::vector<std::string>> FakeRemoteHost::list(const std::string& path) {
    const std::lock_guard lock(machine_->mutex_);
    if (auto up = ready(); !up) {
        return unexpected(up.error());
    }
    const auto place = machine_->find(path, FakeMachine::Last::kFollow, who_);
    if (!place) {
        return unexpected(place.error());
    }
    if (place->node == nullptr || place->node->kind != Kind::kDirectory) {
        return missing();
    }
    if (!machine_->may(*place->node, kRead, who_)) {
        return denied();
    }
    std::vector<std::string> names;
    for (const auto& [child, node] : machine_->nodes_) {
        if (child != "/" && parentPath(child) == place->path) {
            names.push_back(child.substr(child.rfind('/') + 1));
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

Expected<void> FakeRemoteHost::createDirectory(const std::string& path, std::uint32_t mode) {
    return perform("createDirectory " + octal(mode) + " " + path, [&]() -> Expected<void> {
        const auto place = machine_->parentOf(path, FakeMachine::Last::kItself, who_);
        if (!place) {
            return unexpected(place.error());
        }
        if (place->node != nullptr) {
            return failure("something is already there");
        }
        machine_->nodes_[place->path] = {Kind::kDirectory, mode, who_, ""};
        return {};
    });
}

Expected<void> FakeRemoteHost::createFile(const std::string& path, std::string_view bytes, std::uint32_t mode) {
    return perform("createFile " + octal(mode) + " " + path, [&]() -> Expected<void> {
        // O_EXCL does not follow a link at the end, a dangling one included.
        const auto place = machine_->parentOf(path, FakeMachine::Last::kItself, who_);
        if (!place) {
            return unexpected(place.error());
        }
        if (place->node != nullptr) {
            return failure("something is already there");
        }
        machine_->nodes_[place->path] = {Kind::kFile, mode, who_, std::string(bytes)};
        return {};
    });
}

Expected<void> FakeRemoteHost::setOwner(const std::string& path, Owner owner) {
    const std::string ids = std::to_string(owner.uid) + ":" + std::to_string(owner.gid);
    return perform("setOwner " + ids + " " + path, [&]() -> Expected<void> {
        const auto place = machine_->find(path, FakeMachine::Last::kFollow, who_);
        if (!place) {
            return unexpected(place.error());
        }
        if (place->node == nullptr) {
            return missing();
        }
        const bool same = place->node->owner.uid == owner.uid && place->node->owner.gid == owner.gid;
        if (who_.uid != 0 && !(same && owner.uid == who_.uid)) {
            return denied();
        }
        machine_->nodes_[place->path].owner = owner;
        return {};
    });
}

Expected<void> FakeRemoteHost::setMode(const std::string& path, std::uint32_t mode) {
    return perform("setMode " + octal(mode) + " " + path, [&]() -> Expected<void> {
        const auto place = machine_->find(path, FakeMachine::Last::kFollow, who_);
        if (!place) {
            return unexpected(place.error());
        }
        if (place->node == nullptr) {
            return missing();
        }
        if (who_.uid != 0 && who_.uid != place->node->owner.uid) {
            return denied();
        }
        machine_->nodes_[place->path].mode = mode;
        return {};
    });
}

Expected<void> FakeRemoteHost::createLink(const std::string& target, const std::string& path) {
    return perform("createLink " + target + " " + path, [&]() -> Expected<void> {
        const auto place = machine_->parentOf(path, FakeMachine::Last::kItself, who_);
        if (!place) {
            return unexpected(place.error());
        }
        if (target.empty()) {
            return missing();
        }
        if (place->node != nullptr) {
            return failure("something is already there");
        }
        machine_->nodes_[place->path] = {Kind::kLink, 0777, who_, target};
        return {};
    });
}

Expected<void> FakeRemoteHost::rename(const std::string& from, const std::string& to) {
    return perform("rename " + from + " " + to, [&]() -> Expected<void> {
        const auto source = machine_->parentOf(from, FakeMachine::Last::kItself, who_);
        if (!source) {
            return unexpected(source.error());
        }
        const auto target = machine_->parentOf(to, FakeMachine::Last::kItself, who_);
        if (!target) {
            return unexpected(target.error());
        }
        if (source->node == nullptr) {
            return missing();
        }
        if (source->path == target->path) {
            return {};
        }
        const bool directory = source->node->kind == Kind::kDirectory;
        if (target->node != nullptr && (target->node->kind == Kind::kDirectory) != directory) {
            return failure(directory ? "not a directory" : "is a directory");
        }
        if (isBelow(target->path, source->path) || machine_->hasChildren(target->path)) {
            return failure("the directory is not empty");
        }
        std::map<std::string, FakeMachine::Node> moved;
        auto& nodes = machine_->nodes_;
        const std::string was = source->path;
        const std::string becomes = target->path;
        for (auto it = nodes.begin(); it != nodes.end();) {
            if (it->first == was || isBelow(it->first, was)) {
                moved[becomes + it->first.substr(was.size())] = std::move(it->second);
                it = nodes.erase(it);
            } else {
                ++it;
            }
        }
        nodes.erase(becomes);
        nodes.merge(moved);
        return {};
    });
}

Expected<void> FakeRemoteHost::remove(const std::string& path, bool directory) {
    return perform((directory ? "removeDirectory " : "removeFile ") + path, [&]() -> Expected<void> {
        const auto place = machine_->parentOf(path, FakeMachine::Last::kItself, who_);
        if (!place) {
            return isMissing(place.error()) ? Expected<void>() : unexpected(place.error());
        }
        if (place->node == nullptr) {
            return {};
        }
        if ((place->node->kind == Kind::kDirectory) != directory) {
            return failure(directory ? "not a directory" : "is a directory");
        }
        if (machine_->hasChildren(place->path)) {
            return failure("the directory is not empty");
        }
        machine_->nodes_.erase(place->path);
        return {};
    });
}

Expected<void> FakeRemoteHost::removeFile(const std::string& path) {
    return remove(path, false);
}

Expected<void> FakeRemoteHost::removeDirectory(const std::string& path) {
    return remove(path, true);
}

Expected<ssh::CommandResult> FakeRemoteHost::run(const std::vector<std::string>& command) {
    const std::string operation = "run " + base::join(command, " ");
    FakeMachine::Ticket ticket;
    FakeMachine::CommandHandler handler;
    {
        const std::lock_guard lock(machine_->mutex_);
        if (auto up = ready(); !up) {
            return unexpected(up.error());
        }
        auto begun = machine_->begin(generation_, operation);
        if (!begun) {
            return unexpected(begun.error());
        }
        ticket = *begun;
        machine_->journal_.push_back(operation);
        handler = machine_->commands_;
    }
    ssh::CommandResult unknown;
    unknown.exitStatus = 127;
    unknown.output = "sh: 1: " + (command.empty() ? std::string() : command.front()) + ": not found\n";
    auto result = handler ? handler(*machine_, command) : Expected<ssh::CommandResult>(unknown);
    if (auto finished = machine_->finish(ticket); !finished) {
        return unexpected(finished.error());
    }
    return result;
}

// --- Logins ---

namespace {

std::string hostPort(const std::string& address, std::uint16_t port) {
    return address + ":" + std::to_string(port);
}

}  // namespace

void FakeConnector::add(const std::string& address, std::uint16_t port, std::shared_ptr<FakeMachine> machine) {
    const std::lock_guard lock(mutex_);
    machines_[hostPort(address, port)] = std::move(machine);
}

void FakeConnector::refuse(const std::string& address, std::uint16_t port, std::optional<base::Error> error) {
    const std::lock_guard lock(mutex_);
    refusals_.erase(hostPort(address, port));
    if (error) {
        refusals_.emplace(hostPort(address, port), std::move(*error));
    }
}

std::vector<std::string> FakeConnector::logins() const {
    const std::lock_guard lock(mutex_);
    return logins_;
}

Expected<std::unique_ptr<ssh::RemoteHost>> FakeConnector::connect(const ssh::Login& login,
                                                                  const base::CallContext& context) {
    const std::lock_guard lock(mutex_);
    const std::string place = hostPort(login.address, login.port);
    logins_.push_back(login.user + "@" + place);
    if (const auto refused = refusals_.find(place); refused != refusals_.end()) {
        return unexpected(refused->second);
    }
    const auto found = machines_.find(place);
    if (found == machines_.end() || context.over()) {
        return unexpected(Reason::kUnreachable, place + ": no connection");
    }
    Owner who;
    {
        const std::lock_guard machineLock(found->second->mutex_);
        if (found->second->down_) {
            return unexpected(Reason::kUnreachable, place + ": no connection");
        }
        const auto user = found->second->users_.find(login.user);
        who = user == found->second->users_.end() ? Owner{} : user->second;
    }
    auto host = std::make_unique<FakeRemoteHost>(found->second, who);
    host->setContext(context);
    return std::unique_ptr<ssh::RemoteHost>(std::move(host));
}

}  // namespace certbinder::test
