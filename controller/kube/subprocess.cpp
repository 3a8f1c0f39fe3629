#include "kube/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "base/unique_fd.h"

namespace certbinder::kube {
namespace {

using base::Reason;
using base::UniqueFd;

constexpr std::size_t kMostErrors = 4096;

std::string systemMessage(int code) {
    return std::generic_category().message(code);
}

struct Pipe {
    UniqueFd reading;
    UniqueFd writing;
};

std::optional<Pipe> makePipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return std::nullopt;
    }
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// posix_spawn's two bags of settings, which have to be given back.
class SpawnSettings {
  public:
    SpawnSettings(int output, int errors) {
        ::posix_spawn_file_actions_init(&files_);
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
        ::posix_spawn_file_actions_adddup2(&files_, errors, STDERR_FILENO);
        ::posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);  // libraries' sockets among them
        sigset_t none;
        sigset_t all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);  // so that what it starts ends with it
        ::posix_spawnattr_setflags(&attributes_,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&files_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    const posix_spawn_file_actions_t* files() const { return &files_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

  private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        result.push_back(text.data());
    }
    result.push_back(nullptr);
    return result;
}

/// A running child; killed with its group and reaped when this goes, unless it was reaped before.
class Child {
  public:
    // Not glibc's pidfd_open(): its header forgets extern "C", so that the call does not link from C++.
    explicit Child(pid_t pid) : pid_(pid), handle_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!reaped_) {
            ::kill(-pid_, SIGKILL);  // not after reaping: the number may be another's by then
            reap();
        }
    }

    int handle() const { return handle_.get(); }

    int reap() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        reaped_ = true;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    pid_t pid_;
    UniqueFd handle_;
    bool reaped_ = false;
};

/// Reads what is there; false at the end.
bool readSome(int fd, const std::function<void(std::string_view)>& take) {
    std::array<char, 8192> buffer{};
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
        take({buffer.data(), static_cast<std::size_t>(got)});
    }
    explicit_bzero(buffer.data(), buffer.size());
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/// Follows the child until it has ended and what it wrote is read.
base::Expected<void> follow(Child& child, Pipe& output, Pipe& errors, std::size_t mostOutput,
                            const base::CallContext& context, ProcessResult& result) {
    const UniqueFd wakeUp(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const std::stop_callback onStop(context.stop, [&] { ::eventfd_write(wakeUp.get(), 1); });
    bool running = true;
    // A grandchild may keep the pipes open: with the child's end it is enough that nothing more is there at once.
    while (running || output.reading || errors.reading) {
        std::array<pollfd, 4> waits{{{running ? wakeUp.get() : -1, POLLIN, 0},
                                     {running ? child.handle() : -1, POLLIN, 0},
                                     {output.reading ? output.reading.get() : -1, POLLIN, 0},
                                     {errors.reading ? errors.reading.get() : -1, POLLIN, 0}}};
        const auto left = running ? context.left().count() : 0;
        const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (ready < 0 && errno != EINTR) {
            return base::unexpected(Reason::kInternalError, "cannot wait for it: " + systemMessage(errno));
        }
        if (context.over() && running) {
            return base::unexpected(Reason::kUnreachable, context.stop.stop_requested()
                                                              ? "it was stopped"
                                                              : "it did not end in time and was killed");
        }
        if (ready <= 0) {
            if (!running) {
                break;
            }
            continue;
        }
        if (waits[2].revents != 0 &&
            !readSome(output.reading.get(), [&](auto piece) { result.output.append(piece); })) {
            output.reading.reset();
        }
        if (waits[3].revents != 0 && !readSome(errors.reading.get(), [&](std::string_view piece) {
                result.errors += piece.substr(0, kMostErrors - result.errors.size());
            })) {
            errors.reading.reset();
        }
        if (result.output.size() > mostOutput) {
            return base::unexpected(Reason::kCredentialsInvalid,
                                    "it wrote more than " + std::to_string(mostOutput) + " bytes and was killed");
        }
        if (waits[1].revents != 0) {
            running = false;
        }
    }
    result.exitCode = child.reap();
    return {};
}

}  // namespace

base::Expected<ProcessResult> runProcess(const std::vector<std::string>& arguments,
                                         const std::vector<std::string>& environment, std::size_t mostOutput,
                                         const base::CallContext& context) {
    std::optional<Pipe> output = makePipe();
    std::optional<Pipe> errors = makePipe();
    if (!output || !errors || arguments.empty()) {
        return base::unexpected(Reason::kInternalError, "no pipe could be made for the program");
    }
    const SpawnSettings settings(output->writing.get(), errors->writing.get());
    std::vector<std::string> argumentTexts = arguments;
    std::vector<std::string> environmentTexts = environment;
    pid_t pid = 0;
    const int failed = ::posix_spawnp(&pid, arguments.front().c_str(), settings.files(), settings.attributes(),
                                      pointers(argumentTexts).data(), pointers(environmentTexts).data());
    if (failed != 0) {
        return base::unexpected(failed == ENOENT ? Reason::kCredentialsNotFound : Reason::kInternalError,
                                "it cannot be started: " + systemMessage(failed));
    }
    output->writing.reset();
    errors->writing.reset();
    ProcessResult result;
    Child child(pid);
    if (child.handle() < 0) {
        return base::unexpected(Reason::kInternalError, "cannot wait for it: " + systemMessage(errno));
    }
    if (base::Expected<void> done = follow(child, *output, *errors, mostOutput, context, result); !done) {
        return base::unexpected(std::move(done.error()));
    }
    return result;
}

}  // namespace certbinder::kube
