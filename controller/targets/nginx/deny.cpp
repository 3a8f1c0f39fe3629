#include "targets/nginx/deny.h"

#include <algorithm>
#include <array>
#include <deque>
#include <string_view>

#include "base/text.h"
#include "targets/nginx/layout.h"

namespace certbinder::targets::nginx {

using base::Reason;

namespace {

constexpr int kMostLinks = 40;  // as Linux follows them, path_resolution(7)

constexpr std::array<std::string_view, 33> kDeniedFiles{
    "/etc/passwd",        "/etc/passwd-",     "/etc/shadow",      "/etc/shadow-",       "/etc/group",
    "/etc/group-",        "/etc/gshadow",     "/etc/gshadow-",    "/etc/sudoers",       "/etc/doas.conf",
    "/etc/crontab",       "/etc/anacrontab",  "/etc/fstab",       "/etc/ld.so.preload", "/etc/ld.so.conf",
    "/etc/ld.so.cache",   "/etc/hosts",       "/etc/hosts.allow", "/etc/hosts.deny",    "/etc/resolv.conf",
    "/etc/nsswitch.conf", "/etc/environment", "/etc/profile",     "/etc/bash.bashrc",   "/etc/bashrc",
    "/etc/rc.local",      "/etc/login.defs",  "/etc/securetty",   "/etc/shells",        "/etc/subuid",
    "/etc/subgid",        "/etc/inittab",     "/etc/sysctl.conf"};

constexpr std::array<std::string_view, 38> kDeniedDirectories{"/proc/",
                                                              "/sys/",
                                                              "/dev/",
                                                              "/boot/",
                                                              "/run/systemd/",
                                                              "/bin/",
                                                              "/sbin/",
                                                              "/lib/",
                                                              "/lib32/",
                                                              "/lib64/",
                                                              "/usr/bin/",
                                                              "/usr/sbin/",
                                                              "/usr/lib/",
                                                              "/usr/lib64/",
                                                              "/usr/libexec/",
                                                              "/usr/local/bin/",
                                                              "/usr/local/sbin/",
                                                              "/usr/local/lib/",
                                                              "/etc/ssh/",
                                                              "/etc/pam.d/",
                                                              "/etc/polkit-1/",
                                                              "/etc/dbus-1/",
                                                              "/etc/security/",
                                                              "/etc/sudoers.d/",
                                                              "/etc/profile.d/",
                                                              "/etc/init.d/",
                                                              "/etc/systemd/",
                                                              "/etc/udev/",
                                                              "/etc/modprobe.d/",
                                                              "/etc/modules-load.d/",
                                                              "/etc/sysctl.d/",
                                                              "/etc/selinux/",
                                                              "/etc/apparmor.d/",
                                                              "/etc/ld.so.conf.d/",
                                                              "/etc/apt/",
                                                              "/etc/yum.repos.d/",
                                                              "/etc/logrotate.d/",
                                                              "/var/spool/cron/"};

bool startsWith(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

bool isInCronDirectory(std::string_view path) {  // cron.d, cron.daily, cron.hourly, …
    return startsWith(path, "/etc/cron.");
}

}  // namespace

std::optional<std::string> whyDenied(const std::string& path) {
    if (std::find(kDeniedFiles.begin(), kDeniedFiles.end(), path) != kDeniedFiles.end()) {
        return "the file belongs to the system";
    }
    const auto holds = [&](std::string_view directory) { return startsWith(path, directory); };
    const auto directory = std::find_if(kDeniedDirectories.begin(), kDeniedDirectories.end(), holds);
    if (directory != kDeniedDirectories.end()) {
        return "everything below " + std::string(*directory) + " belongs to the system";
    }
    if (isInCronDirectory(path)) {
        return "cron runs what is there";
    }
    const std::vector<std::string> parts = base::split(path, '/');
    if (std::find(parts.begin(), parts.end(), ".ssh") != parts.end()) {
        return "a .ssh directory decides who may log in";
    }
    if (startsWith(parts.back(), "authorized_keys")) {
        return "a file of that name decides who may log in";
    }
    return std::nullopt;
}

std::optional<base::Error> checkPath(const std::string& field, const std::string& path) {
    const std::string shown = field + " " + base::printable(path, 200) + ": ";
    if (!isNormalised(path)) {
        return base::Error(Reason::kInvalidSpec, shown +
                                                     "the path must be absolute and name a file plainly, without "
                                                     "`.`, `..`, doubled or trailing slashes");
    }
    if (const auto why = whyDenied(path)) {
        return base::Error(Reason::kInvalidSpec,
                           shown + *why + " and is never written; give a path where nginx keeps its certificates");
    }
    const std::vector<std::string> parts = base::split(path, '/');
    if (std::find(parts.begin(), parts.end(), kRoomName) != parts.end()) {
        return base::Error(Reason::kInvalidSpec,
                           shown +
                               "directories named .certbinder hold the versions of certificates; give the path "
                               "that nginx's configuration names, outside of them");
    }
    const std::string& name = parts.back();
    if (name == "live" || name == "previous" || name == "pending" || isVersionName(name)) {
        return base::Error(Reason::kInvalidSpec,
                           shown + "the name `" + name +
                               "` has a meaning of its own among the versions of certificates; choose another one");
    }
    return std::nullopt;
}

base::Expected<std::string> resolve(ssh::RemoteHost& host, const std::string& path) {
    std::deque<std::string> pending;
    const auto prepend = [&](const std::string& more) {
        const std::vector<std::string> parts = base::split(more, '/');
        pending.insert(pending.begin(), parts.begin(), parts.end());
    };
    prepend(path);
    std::string at;  // without the slash at the end; "" is the root
    int links = 0;
    while (!pending.empty()) {
        const std::string part = pending.front();
        pending.pop_front();
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            at = at.substr(0, at.empty() ? 0 : at.rfind('/'));
            continue;
        }
        const std::string next = at + "/" + part;
        auto status = host.lstat(next);
        if (!status) {
            return base::unexpected(status.error());
        }
        if (!*status || (*status)->kind != ssh::FileStatus::Kind::kLink) {
            at = next;
            continue;
        }
        if (++links > kMostLinks) {
            return base::unexpected(Reason::kInvalidSpec,
                                    base::printable(path) + ": the links on the way go in a circle");
        }
        auto target = host.readLink(next);
        if (!target) {
            return base::unexpected(target.error());
        }
        at = !target->empty() && target->front() == '/' ? "" : at;
        prepend(*target);
    }
    return at.empty() ? std::string("/") : at;
}

}  // namespace certbinder::targets::nginx
