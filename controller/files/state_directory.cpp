#include "files/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "api/codec.h"
#include "base/log.h"
#include "base/time_text.h"
#include "document/json.h"

namespace certbinder::files {
namespace {

namespace fs = std::filesystem;
using base::Reason;

base::Error failure(const std::string& what, const std::string& path, const std::string& why) {
    return {Reason::kInvalidSpec,
            what + " " + path + ": " + why + "; name a directory that can be written by --state-dir"};
}

bool writeAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

document::Value encode(const api::ObjectKey& key, const StoredBinding& stored) {
    document::Value metadata;
    metadata.set("namespace", key.ns);
    metadata.set("name", key.name);
    metadata.set("generation", stored.generation);
    metadata.set("creationTimestamp", base::formatTime(stored.creationTimestamp));
    document::Value object;
    object.set("apiVersion", api::kGroupVersion);
    object.set("kind", api::kKind);
    object.set("metadata", std::move(metadata));
    object.set("specSHA256", stored.specDigest);
    object.set("status", api::encodeStatus(stored.status));
    return object;
}

}  // namespace

base::Expected<StateDirectory> StateDirectory::open(const std::string& path, Access access) {
    if (access == Access::kShared) {
        return StateDirectory(path, base::UniqueFd());
    }
    std::error_code error;
    fs::create_directories(fs::path(path) / "status", error);
    if (error) {
        return base::unexpected(failure("cannot make the state directory", path, error.message()));
    }
    const std::string lockPath = path + "/lock";
    base::UniqueFd lock(::open(lockPath.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock) {
        return base::unexpected(failure("cannot open", lockPath, std::generic_category().message(errno)));
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return base::unexpected(Reason::kInvalidSpec,
                                "another certbinder works with the state directory " + path +
                                    "; wait for it or stop it, or give this one a --state-dir of its own");
    }
    return StateDirectory(path, std::move(lock));
}

std::string StateDirectory::fileOf(const api::ObjectKey& key) const {
    // Both parts are DNS names by the schema, so they hold no slash and no "..".
    return path_ + "/status/" + key.ns + "/" + key.name + ".json";
}

std::optional<StoredBinding> StateDirectory::load(const api::ObjectKey& key) const {
    const std::string file = fileOf(key);
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
        return std::nullopt;
    }
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    const auto object = document::parseJson(text);
    if (!object) {
        base::logWarning("a stored status cannot be read and is made anew",
                         {{"file", file}, {"error", object.error().message()}});
        return std::nullopt;
    }
    const api::Metadata metadata = api::decodeMetadata((*object)["metadata"]);
    if (!metadata.creationTimestamp || metadata.generation < 1 || metadata.key != key) {
        base::logWarning("a stored status is none and is made anew", {{"file", file}});
        return std::nullopt;
    }
    return StoredBinding{metadata.generation, (*object)["specSHA256"].asString(), *metadata.creationTimestamp,
                         api::decodeStatus((*object)["status"])};
}

void StateDirectory::remove(const api::ObjectKey& key) const {
    std::error_code ignored;
    fs::remove(fileOf(key), ignored);
}

base::Expected<void> StateDirectory::save(const api::ObjectKey& key, const StoredBinding& stored) const {
    const std::string file = fileOf(key);
    const std::string fresh = file + ".new";
    std::error_code error;
    fs::create_directories(fs::path(file).parent_path(), error);
    const base::UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        return base::unexpected(failure("cannot write", fresh, std::generic_category().message(errno)));
    }
    if (!writeAll(fd.get(), document::toJson(encode(key, stored), 2) + "\n") || ::fsync(fd.get()) != 0 ||
        ::rename(fresh.c_str(), file.c_str()) != 0) {
        return base::unexpected(failure("cannot write", file, std::generic_category().message(errno)));
    }
    return {};
}

std::string defaultStateDirectory() {
    if (::geteuid() == 0) {
        return "/var/lib/certbinder";
    }
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
        return std::string(state) + "/certbinder";
    }
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr ? home : ".") + "/.local/state/certbinder";
}

}  // namespace certbinder::files
