#include "support/real_sshd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/unique_fd.h"

extern char** environ;

namespace certbinder::test {

namespace {

std::vector<char*> argumentPointers(const std::vector<std::string>& arguments) {
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

std::uint16_t freePort() {
    const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw std::runtime_error("no free port");
    }
    return ntohs(address.sin_port);
}

bool accepts(std::uint16_t port) {
    const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::vector<pid_t> childrenOf(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& task : std::filesystem::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(task.path().filename().c_str());
        const std::string stat = pid > 0 ? readText("/proc/" + std::to_string(pid) + "/stat") : "";
        const auto name = stat.rfind(')');
        if (name != std::string::npos && name + 4 < stat.size() && std::atoi(stat.c_str() + name + 4) == parent) {
            children.push_back(pid);
        }
    }
    return children;
}

void killTree(pid_t root) {
    const auto children = childrenOf(root);
    ::kill(root, SIGKILL);
    for (const pid_t child : children) {
        killTree(child);
    }
}

}  // namespace

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

bool runProgram(const std::vector<std::string>& arguments) {
    auto pointers = argumentPointers(arguments);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    return failed == 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "certbinder-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary directory");
    }
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string readText(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void writeText(const std::string& path, const std::string& text, mode_t mode) {
    const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw std::runtime_error("cannot write " + path);
    }
}

RealSshd::RealSshd(const Options& options) : hostKeyTypes_(options.hostKeyTypes) {
    const passwd* account = ::getpwuid(::getuid());
    user_ = account == nullptr ? "root" : account->pw_name;
    if (!runProgram({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", directory_.file("user")})) {
        throw std::runtime_error("ssh-keygen failed");
    }
    for (const std::string& type : hostKeyTypes_) {
        if (!runProgram({"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "", "-f", directory_.file("host_" + type)})) {
            throw std::runtime_error("ssh-keygen failed for " + type);
        }
    }
    authorize(readText(directory_.file("user.pub")));
    start(options);
}

RealSshd::~RealSshd() {
    kill();
}

void RealSshd::start(const Options& options) {
    port_ = freePort();
    std::string text = "Port " + std::to_string(port_) +
                       "\nListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
                       "PidFile none\nLogLevel DEBUG3\nMaxStartups 200\nUseDNS no\nPrintMotd no\n"
                       // bash below sshd reads ~/.bashrc unless SHLVL says that it is not the first shell, and what a
                       // person starts there (it may take seconds, or wait for a lock) is no part of a test.
                       "SetEnv SHLVL=1\n"
                       "AuthorizedKeysFile " +
                       directory_.file("authorized_keys") + "\n";
    for (const std::string& type : hostKeyTypes_) {
        text += "HostKey " + directory_.file("host_" + type) + "\n";
    }
    if (options.sftp) {
        text += "Subsystem sftp internal-sftp\n";
    }
    for (const std::string& line : options.configuration) {
        text += line + "\n";
    }
    writeText(directory_.file("sshd_config"), text);
    if (::getuid() == 0) {
        // sshd's privilege separation directory, which the service's start-up would make.
        ::mkdir("/run/sshd", 0755);
    }
    const std::vector<std::string> arguments = {"/usr/sbin/sshd",      "-D", "-f", directory_.file("sshd_config"), "-E",
                                                directory_.file("log")};
    auto pointers = argumentPointers(arguments);
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() == parent) {
            ::execv(pointers[0], pointers.data());
        }
        ::_exit(127);
    }
    if (!eventually([&] { return accepts(port_); })) {
        const std::string words = log();
        kill();
        throw std::runtime_error("sshd did not come up: " + words);
    }
}

void RealSshd::kill() {
    if (process_ > 0) {
        killTree(process_);
        ::waitpid(process_, nullptr, 0);
        process_ = -1;
    }
}

void RealSshd::authorize(const std::string& publicKeyLine) {
    const std::string path = directory_.file("authorized_keys");
    writeText(path, readText(path) + publicKeyLine + "\n");
}

std::string RealSshd::hostKey(const std::string& type) const {
    std::istringstream line(readText(directory_.file("host_" + type + ".pub")));
    std::string algorithm;
    std::string key;
    line >> algorithm >> key;
    return algorithm + " " + key;
}

std::string RealSshd::knownHosts() const {
    std::string text;
    for (const std::string& type : hostKeyTypes_) {
        text += "[127.0.0.1]:" + std::to_string(port_) + " " + hostKey(type) + "\n";
    }
    return text;
}

ssh::Credentials RealSshd::credentials() const {
    ssh::Credentials credentials;
    credentials.emplace("ssh-privatekey", base::SecretBytes(userKey()));
    credentials.emplace("known_hosts", base::SecretBytes(knownHosts()));
    return credentials;
}

ssh::Login RealSshd::login(const ssh::Credentials& credentials) const {
    return {"127.0.0.1", port_, user_, &credentials};
}

}  // namespace certbinder::test
