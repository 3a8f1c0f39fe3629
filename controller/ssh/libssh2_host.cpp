#include "ssh/libssh2_host.h"

#include <libssh2_sftp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "ssh/shell_quote.h"

namespace certbinder::ssh {

using base::Expected;
using base::Reason;
using base::SecretBytes;
using base::unexpected;

namespace {

constexpr std::size_t kMostOutput = std::size_t{16} * 1024;
constexpr std::size_t kLongestPath = 4096;
constexpr std::uint32_t kModeBits = 07777;

unsigned int lengthOf(std::string_view text) {
    return static_cast<unsigned int>(text.size());
}

/// The words for a status of SFTP version 3, which has few: most of errno arrives as "failure".
std::string wordsOf(unsigned long status) {
    switch (status) {
        case LIBSSH2_FX_NO_SUCH_FILE:
        case LIBSSH2_FX_NO_SUCH_PATH:
            return "no such file";
        case LIBSSH2_FX_PERMISSION_DENIED:
        case LIBSSH2_FX_WRITE_PROTECT:
            return "permission denied";
        case LIBSSH2_FX_BAD_MESSAGE:
            return "the server finds the request invalid (a name too long or of invalid characters)";
        case LIBSSH2_FX_OP_UNSUPPORTED:
            return "the server does not support it";
        case LIBSSH2_FX_FILE_ALREADY_EXISTS:
            return "something is already there";
        case LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM:
            return "no space left on device";
        case LIBSSH2_FX_QUOTA_EXCEEDED:
            return "the disk quota is exceeded";
        case LIBSSH2_FX_DIR_NOT_EMPTY:
            return "the directory is not empty";
        case LIBSSH2_FX_FAILURE:
            return "the server failed and does not say why (a full or read-only file system, or a wrong kind of file)";
        default:
            return "SFTP status " + std::to_string(status);
    }
}

FileStatus statusFrom(const LIBSSH2_SFTP_ATTRIBUTES& attributes) {
    FileStatus status;
    if ((attributes.flags & LIBSSH2_SFTP_ATTR_PERMISSIONS) != 0) {
        status.kind = LIBSSH2_SFTP_S_ISREG(attributes.permissions)   ? FileStatus::Kind::kFile
                      : LIBSSH2_SFTP_S_ISDIR(attributes.permissions) ? FileStatus::Kind::kDirectory
                      : LIBSSH2_SFTP_S_ISLNK(attributes.permissions) ? FileStatus::Kind::kLink
                                                                     : FileStatus::Kind::kOther;
        status.mode = static_cast<std::uint32_t>(attributes.permissions) & kModeBits;
    }
    status.uid = static_cast<std::uint32_t>(attributes.uid);
    status.gid = static_cast<std::uint32_t>(attributes.gid);
    status.size = attributes.filesize;
    return status;
}

/// An open SFTP file or directory. Closed by close(), which tells whether that went well, or when it goes.
class Handle {
  public:
    Handle(Libssh2Session& session, LIBSSH2_SFTP_HANDLE* handle) : session_(session), handle_(handle) {}
    ~Handle() { [[maybe_unused]] const auto ignored = close(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    LIBSSH2_SFTP_HANDLE* raw() { return handle_; }

    Expected<int> close() {
        LIBSSH2_SFTP_HANDLE* handle = std::exchange(handle_, nullptr);
        if (handle == nullptr || session_.broken()) {
            return 0;  // freed with the session
        }
        return session_.drive([&] { return libssh2_sftp_close_handle(handle); });
    }

  private:
    Libssh2Session& session_;
    LIBSSH2_SFTP_HANDLE* handle_;
};

class Channel {
  public:
    Channel(Libssh2Session& session, LIBSSH2_CHANNEL* channel) : session_(session), channel_(channel) {}
    ~Channel() {
        if (!session_.broken()) {
            [[maybe_unused]] const auto ignored = session_.drive([&] { return libssh2_channel_free(channel_); });
        }
    }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    LIBSSH2_CHANNEL* raw() { return channel_; }

  private:
    Libssh2Session& session_;
    LIBSSH2_CHANNEL* channel_;
};

class Libssh2Host final : public RemoteHost {
  public:
    explicit Libssh2Host(std::unique_ptr<Libssh2Session> session) : session_(std::move(session)) {}

    void setContext(const base::CallContext& context) override { session_->setContext(context); }

    Expected<std::optional<FileStatus>> stat(const std::string& path) override { return look(path, LIBSSH2_SFTP_STAT); }
    Expected<std::optional<FileStatus>> lstat(const std::string& path) override {
        return look(path, LIBSSH2_SFTP_LSTAT);
    }
    Expected<std::string> readLink(const std::string& path) override;
    Expected<SecretBytes> readFile(const std::string& path, std::size_t mostBytes) override;
    Expected<std::vector<std::string>> list(const std::string& path) override;
    Expected<void> createDirectory(const std::string& path, std::uint32_t mode) override;
    Expected<void> createFile(const std::string& path, std::string_view bytes, std::uint32_t mode) override;
    Expected<void> setOwner(const std::string& path, Owner owner) override;
    Expected<void> setMode(const std::string& path, std::uint32_t mode) override;
    Expected<void> createLink(const std::string& target, const std::string& path) override;
    Expected<void> rename(const std::string& from, const std::string& to) override;
    Expected<void> removeFile(const std::string& path) override;
    Expected<void> removeDirectory(const std::string& path) override;
    Expected<CommandResult> run(const std::vector<std::string>& command) override;

  private:
    Expected<void> startSftp();
    Expected<std::optional<FileStatus>> look(const std::string& path, int how);
    Expected<LIBSSH2_SFTP_HANDLE*> open(const std::string& path, unsigned long flags, long mode, int kind);
    Expected<void> fill(Handle& file, std::string_view bytes, std::uint32_t mode);
    Expected<void> change(const std::string& path, LIBSSH2_SFTP_ATTRIBUTES attributes);
    bool isFull(Handle& file);
    unsigned long sftpStatus() { return libssh2_sftp_last_error(sftp_); }
    bool isMissing() { return sftpStatus() == LIBSSH2_FX_NO_SUCH_FILE || sftpStatus() == LIBSSH2_FX_NO_SUCH_PATH; }
    base::Error sftpError(int error);
    base::Error creationError(const std::string& path);
    Expected<CommandResult> runLine(const std::string& line);
    Expected<void> collect(Channel& channel, CommandResult& result);
    base::Error channelError(const std::string& doing);

    /// One SFTP request: prepared, driven, and its failure put into words about `path`.
    template <typename Call>
    Expected<void> request(const std::string& doing, Call call) {
        if (auto started = startSftp(); !started) {
            return unexpected(std::move(started.error()).in(doing));
        }
        const auto result = session_->drive(call);
        if (!result) {
            return unexpected(base::Error(result.error()).in(doing));
        }
        return *result < 0 ? unexpected(sftpError(*result).in(doing)) : Expected<void>();
    }

    std::unique_ptr<Libssh2Session> session_;
    LIBSSH2_SFTP* sftp_ = nullptr;  // freed with the session
};

// --- SFTP ---

Expected<void> Libssh2Host::startSftp() {
    if (auto ready = session_->ready(); !ready || sftp_ != nullptr) {
        return ready;
    }
    const auto started = session_->drivePointer([&] { return libssh2_sftp_init(session_->raw()); });
    if (!started) {
        return unexpected(base::Error(started.error()).in("starting SFTP"));
    }
    if (*started == nullptr) {
        const std::string words = session_->lastError();
        session_->breakOff("SFTP could not be started");
        return unexpected(Reason::kInternalError,
                          "the server does not start SFTP, which files are installed by; its sshd_config needs "
                          "`Subsystem sftp internal-sftp` (" +
                              words + ")");
    }
    sftp_ = *started;
    return {};
}

base::Error Libssh2Host::sftpError(int error) {
    if (error != LIBSSH2_ERROR_SFTP_PROTOCOL) {
        return base::Error(Reason::kInternalError, session_->lastError());
    }
    const unsigned long status = sftpStatus();
    const bool denied = status == LIBSSH2_FX_PERMISSION_DENIED || status == LIBSSH2_FX_WRITE_PROTECT;
    return base::Error(denied ? Reason::kPermissionDenied : Reason::kInternalError, wordsOf(status));
}

Expected<std::optional<FileStatus>> Libssh2Host::look(const std::string& path, int how) {
    const std::string doing = "looking at " + base::printable(path);
    if (auto started = startSftp(); !started) {
        return unexpected(std::move(started.error()).in(doing));
    }
    LIBSSH2_SFTP_ATTRIBUTES attributes{};
    const auto result =
        session_->drive([&] { return libssh2_sftp_stat_ex(sftp_, path.c_str(), lengthOf(path), how, &attributes); });
    if (!result) {
        return unexpected(base::Error(result.error()).in(doing));
    }
    if (*result == 0) {
        return std::optional(statusFrom(attributes));
    }
    if (*result == LIBSSH2_ERROR_SFTP_PROTOCOL && isMissing()) {
        return std::optional<FileStatus>();
    }
    return unexpected(sftpError(*result).in(doing));
}

Expected<std::string> Libssh2Host::readLink(const std::string& path) {
    std::string target(kLongestPath, '\0');
    int length = 0;
    auto read = request("reading the link " + base::printable(path), [&] {
        length = libssh2_sftp_symlink_ex(sftp_, path.c_str(), lengthOf(path), target.data(), lengthOf(target),
                                         LIBSSH2_SFTP_READLINK);
        return length;
    });
    if (!read) {
        return unexpected(read.error());
    }
    target.resize(static_cast<std::size_t>(length));
    return target;
}

Expected<LIBSSH2_SFTP_HANDLE*> Libssh2Host::open(const std::string& path, unsigned long flags, long mode, int kind) {
    if (auto started = startSftp(); !started) {
        return unexpected(started.error());
    }
    auto handle = session_->drivePointer(
        [&] { return libssh2_sftp_open_ex(sftp_, path.c_str(), lengthOf(path), flags, mode, kind); });
    if (handle && *handle == nullptr) {
        return unexpected(sftpError(libssh2_session_last_errno(session_->raw())));
    }
    return handle;
}

Expected<SecretBytes> Libssh2Host::readFile(const std::string& path, std::size_t mostBytes) {
    const std::string doing = "reading " + base::printable(path);
    // A server that opens a pipe waits for its other end.
    const auto status = stat(path);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status) {
        return unexpected(base::Error(Reason::kInternalError, "no such file").in(doing));
    }
    if ((*status)->kind != FileStatus::Kind::kFile) {
        return unexpected(base::Error(Reason::kInternalError, "not a file").in(doing));
    }
    auto opened = open(path, LIBSSH2_FXF_READ, 0, LIBSSH2_SFTP_OPENFILE);
    if (!opened) {
        return unexpected(std::move(opened.error()).in(doing));
    }
    Handle file(*session_, *opened);
    SecretBytes bytes;
    SecretBytes piece = SecretBytes::ofSize(std::size_t{16} * 1024);
    while (true) {
        const auto count =
            session_->drive([&] { return libssh2_sftp_read(file.raw(), piece.mutableData(), piece.size()); });
        if (!count) {
            return unexpected(base::Error(count.error()).in(doing));
        }
        if (*count < 0) {
            return unexpected(sftpError(static_cast<int>(*count)).in(doing));
        }
        if (*count == 0) {
            return bytes;
        }
        bytes.append(piece.reveal().substr(0, static_cast<std::size_t>(*count)));
        if (bytes.size() > mostBytes) {
            return unexpected(base::Error(Reason::kInternalError,
                                          "it is larger than the " + std::to_string(mostBytes) + " bytes expected")
                                  .in(doing));
        }
    }
}

Expected<std::vector<std::string>> Libssh2Host::list(const std::string& path) {
    const std::string doing = "listing " + base::printable(path);
    auto opened = open(path, 0, 0, LIBSSH2_SFTP_OPENDIR);
    if (!opened) {
        return unexpected(std::move(opened.error()).in(doing));
    }
    Handle directory(*session_, *opened);
    std::vector<std::string> names;
    std::array<char, kLongestPath> name{};
    while (true) {
        LIBSSH2_SFTP_ATTRIBUTES attributes{};
        const auto length = session_->drive([&] {
            return libssh2_sftp_readdir_ex(directory.raw(), name.data(), name.size(), nullptr, 0, &attributes);
        });
        if (!length) {
            return unexpected(base::Error(length.error()).in(doing));
        }
        if (*length < 0) {
            return unexpected(sftpError(*length).in(doing));
        }
        if (*length == 0) {
            break;
        }
        const std::string_view found(name.data(), static_cast<std::size_t>(*length));
        if (found != "." && found != "..") {
            names.emplace_back(found);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

Expected<void> Libssh2Host::change(const std::string& path, LIBSSH2_SFTP_ATTRIBUTES attributes) {
    return request("changing " + base::printable(path), [&, this] {
        return libssh2_sftp_stat_ex(sftp_, path.c_str(), lengthOf(path), LIBSSH2_SFTP_SETSTAT, &attributes);
    });
}

Expected<void> Libssh2Host::setOwner(const std::string& path, Owner owner) {
    LIBSSH2_SFTP_ATTRIBUTES attributes{};
    attributes.flags = LIBSSH2_SFTP_ATTR_UIDGID;
    attributes.uid = owner.uid;
    attributes.gid = owner.gid;
    return change(path, attributes);
}

Expected<void> Libssh2Host::setMode(const std::string& path, std::uint32_t mode) {
    LIBSSH2_SFTP_ATTRIBUTES attributes{};
    attributes.flags = LIBSSH2_SFTP_ATTR_PERMISSIONS;
    attributes.permissions = mode & kModeBits;
    return change(path, attributes);
}

/// Why something could not be created: SFTP has no status for the most likely cause, so it is looked up.
base::Error Libssh2Host::creationError(const std::string& path) {
    base::Error error = sftpError(LIBSSH2_ERROR_SFTP_PROTOCOL);
    if (sftpStatus() == LIBSSH2_FX_FAILURE) {
        const auto there = lstat(path);
        if (there && *there) {
            return base::Error(Reason::kInternalError, "something is already there");
        }
    }
    return error;
}

Expected<void> Libssh2Host::createDirectory(const std::string& path, std::uint32_t mode) {
    const std::string doing = "creating the directory " + base::printable(path);
    auto made = request(doing, [&] {
        return libssh2_sftp_mkdir_ex(sftp_, path.c_str(), lengthOf(path), static_cast<long>(mode & kModeBits));
    });
    if (made) {
        return setMode(path, mode);  // whatever the server's umask is
    }
    if (made.error().reason() == Reason::kInternalError && !session_->broken() && sftp_ != nullptr) {
        return unexpected(creationError(path).in(doing));
    }
    return made;
}

bool Libssh2Host::isFull(Handle& file) {
    LIBSSH2_SFTP_STATVFS volume{};
    const auto asked = session_->drive([&] { return libssh2_sftp_fstatvfs(file.raw(), &volume); });
    return asked && *asked == 0 && volume.f_bavail == 0;
}

/// Mode, bytes and their way to the disk, in this order.
Expected<void> Libssh2Host::fill(Handle& file, std::string_view bytes, std::uint32_t mode) {
    LIBSSH2_SFTP_ATTRIBUTES attributes{};
    attributes.flags = LIBSSH2_SFTP_ATTR_PERMISSIONS;
    attributes.permissions = mode & kModeBits;
    const auto moded = session_->drive([&] { return libssh2_sftp_fstat_ex(file.raw(), &attributes, 1); });
    if (!moded || *moded != 0) {
        return moded ? unexpected(sftpError(*moded)) : unexpected(moded.error());
    }
    while (!bytes.empty()) {
        const auto count = session_->drive([&] { return libssh2_sftp_write(file.raw(), bytes.data(), bytes.size()); });
        if (!count) {
            return unexpected(count.error());
        }
        if (*count < 0) {
            base::Error error = sftpError(static_cast<int>(*count));
            return isFull(file) ? unexpected(Reason::kInternalError, "no space left on device") : unexpected(error);
        }
        bytes.remove_prefix(static_cast<std::size_t>(*count));
    }
    const auto synced = session_->drive([&] { return libssh2_sftp_fsync(file.raw()); });
    if (!synced) {
        return unexpected(synced.error());
    }
    // Servers other than OpenSSH may lack fsync@openssh.com; what close() reports is then all there is.
    if (*synced != 0 && sftpStatus() != LIBSSH2_FX_OP_UNSUPPORTED) {
        return unexpected(sftpError(*synced));
    }
    const auto closed = file.close();
    if (!closed || *closed != 0) {
        return closed ? unexpected(sftpError(*closed)) : unexpected(closed.error());
    }
    return {};
}

Expected<void> Libssh2Host::createFile(const std::string& path, std::string_view bytes, std::uint32_t mode) {
    const std::string doing = "creating " + base::printable(path);
    auto opened = open(path, LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_EXCL,
                       static_cast<long>(mode & kModeBits), LIBSSH2_SFTP_OPENFILE);
    if (!opened) {
        const bool ask = opened.error().reason() == Reason::kInternalError && !session_->broken();
        return unexpected((ask ? creationError(path) : opened.error()).in(doing));
    }
    Expected<void> filled;
    {
        Handle file(*session_, *opened);
        filled = fill(file, bytes, mode);
    }
    if (!filled) {
        // What is half written is this call's own, since the file did not exist.
        [[maybe_unused]] const auto removed = session_->broken() ? Expected<void>() : removeFile(path);
        return unexpected(std::move(filled.error()).in(doing));
    }
    return {};
}

Expected<void> Libssh2Host::createLink(const std::string& target, const std::string& path) {
    const std::string doing = "creating the link " + base::printable(path);
    const auto before = lstat(path);
    if (!before) {
        return unexpected(before.error());
    }
    if (*before) {
        return unexpected(base::Error(Reason::kInternalError, "something is already there").in(doing));
    }
    // The target comes first on the wire, as OpenSSH wants it (and the SFTP draft does not).
    const auto answered = session_->drive([&] {
        return libssh2_sftp_symlink_ex(sftp_, target.c_str(), lengthOf(target), const_cast<char*>(path.c_str()),
                                       lengthOf(path), LIBSSH2_SFTP_SYMLINK);
    });
    if (!answered) {
        return unexpected(base::Error(answered.error()).in(doing));
    }
    if (*answered == 0) {
        return {};
    }
    // libssh2 1.11.1 as Debian patches it was seen to report a failure for links that it had made, under a status that
    // changed from call to call. So its word is not taken: what is there tells.
    const auto made = readLink(path);
    if (made && *made == target) {
        return {};
    }
    if (session_->broken()) {
        return unexpected(made.error());
    }
    const auto parent = stat(path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)));
    if (parent && !*parent) {
        return unexpected(base::Error(Reason::kInternalError, "no such file").in(doing));
    }
    return unexpected(
        base::Error(Reason::kPermissionDenied, "permission denied, or a full or read-only file system").in(doing));
}

Expected<void> Libssh2Host::rename(const std::string& from, const std::string& to) {
    return request("renaming " + base::printable(from) + " to " + base::printable(to), [&] {
        return libssh2_sftp_posix_rename_ex(sftp_, from.c_str(), from.size(), to.c_str(), to.size());
    });
}

Expected<void> Libssh2Host::removeFile(const std::string& path) {
    auto removed = request("removing " + base::printable(path),
                           [&] { return libssh2_sftp_unlink_ex(sftp_, path.c_str(), lengthOf(path)); });
    const bool gone = !removed && !session_->broken() && sftp_ != nullptr && isMissing();
    return gone ? Expected<void>() : removed;
}

Expected<void> Libssh2Host::removeDirectory(const std::string& path) {
    auto removed = request("removing the directory " + base::printable(path),
                           [&] { return libssh2_sftp_rmdir_ex(sftp_, path.c_str(), lengthOf(path)); });
    const bool gone = !removed && !session_->broken() && sftp_ != nullptr && isMissing();
    return gone ? Expected<void>() : removed;
}

// --- Commands ---

base::Error Libssh2Host::channelError(const std::string& doing) {
    return base::Error(Reason::kInternalError, doing + ": " + session_->lastError());
}

Expected<void> Libssh2Host::collect(Channel& channel, CommandResult& result) {
    std::array<char, 8192> piece{};
    while (true) {
        const auto count =
            session_->drive([&] { return libssh2_channel_read_ex(channel.raw(), 0, piece.data(), piece.size()); });
        if (!count) {
            return unexpected(count.error());
        }
        if (*count < 0) {
            return unexpected(channelError("reading its output"));
        }
        if (*count == 0) {
            return {};
        }
        // What is beyond the limit is read and dropped, so that the command is not held up by a full pipe.
        const std::size_t room = kMostOutput - result.output.size();
        result.output.append(piece.data(), std::min(room, static_cast<std::size_t>(*count)));
    }
}

Expected<CommandResult> Libssh2Host::runLine(const std::string& line) {
    const auto opened = session_->drivePointer([&] {
        return libssh2_channel_open_ex(session_->raw(), "session", 7, LIBSSH2_CHANNEL_WINDOW_DEFAULT,
                                       LIBSSH2_CHANNEL_PACKET_DEFAULT, nullptr, 0);
    });
    if (!opened) {
        return unexpected(opened.error());
    }
    if (*opened == nullptr) {
        return unexpected(channelError("the server opens no channel"));
    }
    Channel channel(*session_, *opened);
    const auto step = [&](const char* doing, const auto& call) -> Expected<void> {
        const auto done = session_->drive(call);
        return !done ? unexpected(done.error()) : *done < 0 ? unexpected(channelError(doing)) : Expected<void>();
    };
    CommandResult result;
    Expected<void> ran = step("merging its output", [&] {
        return libssh2_channel_handle_extended_data2(channel.raw(), LIBSSH2_CHANNEL_EXTENDED_DATA_MERGE);
    });
    if (ran) {
        ran = step("the server does not run commands", [&] {
            return libssh2_channel_process_startup(channel.raw(), "exec", 4, line.c_str(), lengthOf(line));
        });
    }
    if (ran) {
        ran = step("closing its input", [&] { return libssh2_channel_send_eof(channel.raw()); });
    }
    if (ran) {
        ran = collect(channel, result);
    }
    if (ran) {
        ran = step("waiting for its end", [&] { return libssh2_channel_close(channel.raw()); });
    }
    if (!ran) {
        return unexpected(ran.error());
    }
    char* signal = nullptr;
    std::size_t length = 0;
    libssh2_channel_get_exit_signal(channel.raw(), &signal, &length, nullptr, nullptr, nullptr, nullptr);
    if (signal != nullptr) {
        result.signal.assign(signal, length);
        libssh2_free(session_->raw(), signal);
        return result;
    }
    result.exitStatus = libssh2_channel_get_exit_status(channel.raw());
    return result;
}

Expected<CommandResult> Libssh2Host::run(const std::vector<std::string>& command) {
    const auto line = shellCommand(command);
    if (!line) {
        return unexpected(line.error());
    }
    if (auto ready = session_->ready(); !ready) {
        return unexpected(std::move(ready.error()).in("running " + base::printable(*line, 200)));
    }
    auto result = runLine(*line);
    if (!result) {
        return unexpected(std::move(result.error()).in("running " + base::printable(*line, 200)));
    }
    return result;
}

}  // namespace

std::unique_ptr<RemoteHost> makeLibssh2Host(std::unique_ptr<Libssh2Session> session) {
    return std::make_unique<Libssh2Host>(std::move(session));
}

}  // namespace certbinder::ssh
