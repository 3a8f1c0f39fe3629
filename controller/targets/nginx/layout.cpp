#include "targets/nginx/layout.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace certbinder::targets::nginx {

namespace {

constexpr std::string_view kUnreadable = "unreadable-";
constexpr std::size_t kDigestDigits = 64;
constexpr std::size_t kMostCounterDigits = 4;

bool isHexDigit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

std::string relativeOrAbsolute(const std::string& target, const std::string& path) {
    const std::string directory = directoryOf(path);
    const std::string prefix = directory == "/" ? "/" : directory + "/";
    return target.compare(0, prefix.size(), prefix) == 0 ? target.substr(prefix.size()) : target;
}

}  // namespace

Layout Layout::of(const std::string& certificatePath, const std::string& privateKeyPath, Room room) {
    Layout layout;
    layout.certificatePath = certificatePath;
    layout.privateKeyPath = privateKeyPath;
    layout.home = directoryOf(certificatePath);
    layout.certificateName = nameOf(certificatePath);
    layout.privateKeyName = nameOf(privateKeyPath);
    if (layout.privateKeyName == layout.certificateName) {  // of two directories, which become one here
        layout.privateKeyName = "key-" + layout.privateKeyName;
    }
    layout.room = (layout.home == "/" ? "/" : layout.home + "/") + std::string(kRoomName);
    if (room == Room::kOwn) {
        layout.room += "/" + layout.certificateName;
    }
    layout.certificateLink = relativeOrAbsolute(layout.live() + "/" + layout.certificateName, certificatePath);
    // Only a key in the very same directory gets a relative link: ones that climb (`../`) break where a directory on
    // the way is a link itself.
    const std::string privateKeyTarget = layout.live() + "/" + layout.privateKeyName;
    layout.privateKeyLink = directoryOf(privateKeyPath) == layout.home
                                ? relativeOrAbsolute(privateKeyTarget, privateKeyPath)
                                : privateKeyTarget;
    return layout;
}

std::string directoryOf(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string nameOf(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string temporaryOf(const std::string& path) {
    // A leading dot keeps it out of the `*.pem` and `*.conf` that nginx's include may be given.
    const std::string directory = directoryOf(path);
    return (directory == "/" ? "/" : directory + "/") + "." + nameOf(path) + ".certbinder-new";
}

bool isVersionName(std::string_view name) {
    if (name.substr(0, kUnreadable.size()) == kUnreadable) {
        name.remove_prefix(kUnreadable.size());
    }
    if (name.size() < kDigestDigits || !std::all_of(name.begin(), name.begin() + kDigestDigits, isHexDigit)) {
        return false;
    }
    name.remove_prefix(kDigestDigits);
    if (name.empty()) {
        return true;
    }
    return name.front() == '-' && name.size() >= 2 && name.size() <= 1 + kMostCounterDigits &&
           std::all_of(name.begin() + 1, name.end(), isDigit);
}

bool isNormalised(std::string_view path) {
    if (path.size() < 2 || path.front() != '/' || path.find('\0') != std::string_view::npos) {
        return false;
    }
    const std::vector<std::string> parts = base::split(path.substr(1), '/');
    return std::none_of(parts.begin(), parts.end(),
                        [](const std::string& part) { return part.empty() || part == "." || part == ".."; });
}

}  // namespace certbinder::targets::nginx
