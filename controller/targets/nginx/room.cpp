#include "targets/nginx/room.h"

#include <algorithm>

#include "base/text.h"
#include "certificate/bundle.h"
#include "targets/nginx/site.h"

namespace certbinder::targets::nginx {

using base::Expected;
using base::Reason;
using base::unexpected;
using ssh::FileStatus;

namespace {

constexpr std::uint32_t kDirectoryMode = 0755;
constexpr int kMostTwins = 99;  // versions of one certificate that were tampered with and are in use: two at most

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Expected<void> RoomKeeper::open() {
    const std::string shared = Layout::of(layout_.certificatePath, layout_.privateKeyPath, Room::kShared).room;
    std::vector<std::string> directories{shared};
    if (layout_.room != shared) {
        directories.push_back(layout_.room);
    }
    for (const std::string& directory : directories) {
        auto status = host_->lstat(directory);
        if (!status) {
            return unexpected(status.error());
        }
        if (!*status) {
            if (auto made = host_->createDirectory(directory, kDirectoryMode); !made) {
                return made;
            }
        } else if ((*status)->kind != FileStatus::Kind::kDirectory) {
            return unexpected(Reason::kInternalError,
                              directory + " is in the way: it is not a directory; remove or rename it on the host");
        }
    }
    return {};
}

Expected<std::string> RoomKeeper::stage(const std::string& name, const Contents& contents,
                                        const std::vector<std::string>& keep) {
    for (int twin = 1; twin <= kMostTwins; ++twin) {
        const std::string version = twin == 1 ? name : name + "-" + std::to_string(twin);
        const std::string directory = layout_.version(version);
        auto state = compare(directory, contents);
        if (!state) {
            return unexpected(state.error());
        }
        if (*state == State::kSame) {
            auto narrowed = narrow(version, contents);
            return narrowed ? Expected<std::string>(version) : unexpected(narrowed.error());
        }
        if (*state == State::kOther) {
            if (contains(keep, version)) {
                continue;
            }
            if (auto removed = remove(version); !removed) {
                return unexpected(removed.error());
            }
        }
        auto written = write(directory, contents);
        return written ? Expected<std::string>(version) : unexpected(written.error());
    }
    return unexpected(Reason::kInternalError, "too many versions of this certificate in " + layout_.room +
                                                  "; remove those that are not in use on the host");
}

Expected<bool> RoomKeeper::isSame(const std::string& path, const std::optional<FileSpec>& file) {
    auto status = host_->lstat(path);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status || !file) {
        return !*status && !file;
    }
    if ((*status)->kind != FileStatus::Kind::kFile || (*status)->size != file->bytes.size()) {
        return false;
    }
    auto bytes = host_->readFile(path, certificate::kMostPemBytes);
    if (!bytes) {
        return unexpected(bytes.error());
    }
    return bytes->reveal() == file->bytes;
}

Expected<RoomKeeper::State> RoomKeeper::compare(const std::string& directory, const Contents& contents) {
    auto status = host_->lstat(directory);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status) {
        return State::kAbsent;
    }
    if ((*status)->kind != FileStatus::Kind::kDirectory) {
        return State::kOther;
    }
    auto certificate = isSame(directory + "/" + layout_.certificateName, contents.certificate);
    auto privateKey = certificate && *certificate
                          ? isSame(directory + "/" + layout_.privateKeyName, contents.privateKey)
                          : std::move(certificate);
    if (!privateKey) {
        return unexpected(privateKey.error());
    }
    return *privateKey ? State::kSame : State::kOther;
}

Expected<bool> RoomKeeper::holds(const std::string& version, const Contents& contents) {
    auto state = compare(layout_.version(version), contents);
    return state ? Expected<bool>(*state == State::kSame) : unexpected(state.error());
}

Expected<void> RoomKeeper::write(const std::string& directory, const Contents& contents) {
    if (auto made = host_->createDirectory(directory, kDirectoryMode); !made) {
        return made;
    }
    if (contents.certificate) {
        if (auto done = writeFile(directory + "/" + layout_.certificateName, *contents.certificate); !done) {
            return done;
        }
    }
    return contents.privateKey ? writeFile(directory + "/" + layout_.privateKeyName, *contents.privateKey)
                               : Expected<void>();
}

Expected<void> RoomKeeper::writeFile(const std::string& path, const FileSpec& file) {
    if (auto made = host_->createFile(path, file.bytes, file.mode); !made) {
        return made;
    }
    if (file.owner) {
        auto status = host_->lstat(path);
        if (!status) {
            return unexpected(status.error());
        }
        const bool same = *status && (*status)->uid == file.owner->uid && (*status)->gid == file.owner->gid;
        if (auto owned = same ? Expected<void>() : host_->setOwner(path, *file.owner); !owned) {
            const bool denied = owned.error().reason() == Reason::kPermissionDenied;
            return unexpected(std::move(owned.error())
                                  .in(denied ? "keeping the owner of the file in place (log in as root, or give that "
                                               "file to the user who logs in)"
                                             : "keeping the owner of the file in place"));
        }
    }
    return label(path, file.labelFrom);
}

Expected<void> RoomKeeper::narrow(const std::string& version, const Contents& contents) {
    if (!contents.privateKey) {
        return {};
    }
    const std::string path = layout_.version(version) + "/" + layout_.privateKeyName;
    auto status = host_->lstat(path);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status || ((*status)->mode & ~kMostKeyMode) == 0) {
        return {};
    }
    return host_->setMode(path, contents.privateKey->mode);
}

/// SFTP knows no labels, so this is the one thing of staging that takes a command. A label that cannot be set (a file
/// system without labels, say) is no reason to stop: the handshake shows whether nginx can read the file.
Expected<void> RoomKeeper::label(const std::string& path, const std::string& from) {
    if (from.empty()) {
        return {};
    }
    if (!hasSeLinux_) {
        auto enforce = host_->stat("/sys/fs/selinux/enforce");
        if (!enforce) {
            return unexpected(enforce.error());
        }
        hasSeLinux_ = enforce->has_value();
    }
    if (!*hasSeLinux_) {
        return {};
    }
    auto done = host_->run({"chcon", "--reference=" + from, "--", path});
    if (!done) {
        return unexpected(done.error());
    }
    if (!done->ok()) {
        warnings_.push_back("the SELinux label of " + from + " could not be given to " + path + ": " +
                            base::printable(base::trim(done->output), 200));
    }
    return {};
}

Expected<void> RoomKeeper::point(const std::string& link, const std::string& target) {
    auto status = host_->lstat(link);
    if (!status) {
        return unexpected(status.error());
    }
    if (*status && (*status)->kind == FileStatus::Kind::kLink) {
        auto says = host_->readLink(link);
        if (!says) {
            return unexpected(says.error());
        }
        if (*says == target) {
            return {};
        }
    }
    const std::string temporary = temporaryOf(link);
    auto leftOver = host_->lstat(temporary);
    if (!leftOver) {
        return unexpected(leftOver.error());
    }
    if (*leftOver) {
        if (auto removed = host_->removeFile(temporary); !removed) {
            return removed;
        }
    }
    if (auto made = host_->createLink(target, temporary); !made) {
        return made;
    }
    return host_->rename(temporary, link);
}

Expected<void> RoomKeeper::unlink(const std::string& link) {
    auto status = host_->lstat(link);
    if (!status) {
        return unexpected(status.error());
    }
    return *status ? host_->removeFile(link) : Expected<void>();
}

Expected<bool> RoomKeeper::isComplete(const std::string& version) {
    for (const std::string& name : {layout_.certificateName, layout_.privateKeyName}) {
        auto status = host_->lstat(layout_.version(version) + "/" + name);
        if (!status) {
            return unexpected(status.error());
        }
        if (!*status || (*status)->kind != FileStatus::Kind::kFile) {
            return false;
        }
    }
    return true;
}

Expected<void> RoomKeeper::remove(const std::string& version) {
    const std::string directory = layout_.version(version);
    auto status = host_->lstat(directory);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status || (*status)->kind != FileStatus::Kind::kDirectory) {
        return *status ? host_->removeFile(directory) : Expected<void>();
    }
    auto names = host_->list(directory);
    if (!names) {
        return unexpected(names.error());
    }
    for (const std::string& name : *names) {
        if (auto removed = host_->removeFile(directory + "/" + name); !removed) {
            return removed;
        }
    }
    return host_->removeDirectory(directory);
}

Expected<void> RoomKeeper::prune(const std::vector<std::string>& keep) {
    auto names = host_->list(layout_.room);
    if (!names) {
        return unexpected(names.error());
    }
    for (const std::string& name : *names) {
        if (isVersionName(name) && !contains(keep, name)) {
            if (auto removed = remove(name); !removed) {
                return removed;
            }
        }
    }
    for (const std::string& link :
         {layout_.live(), layout_.previous(), layout_.pending(), layout_.certificatePath, layout_.privateKeyPath}) {
        if (auto removed = unlink(temporaryOf(link)); !removed) {
            return removed;
        }
    }
    return {};
}

}  // namespace certbinder::targets::nginx
