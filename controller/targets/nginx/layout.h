#pragma once

#include <string>
#include <string_view>

namespace certbinder::targets::nginx {

/// The directory beside the certificate that holds its versions.
inline constexpr std::string_view kRoomName = ".certbinder";

/// Which directory holds a pair's versions. The first pair of a directory lives in `.certbinder`, further ones in
/// `.certbinder/<name of the certificate>`, so that each pair has a `live` of its own.
enum class Room { kShared, kOwn };

/// Where everything of one pair is on a host. `certificatePath` and `privateKeyPath` are links through `live`, which is
/// a link to the directory of one version: one rename of `live` switches both. All paths are absolute.
struct Layout {
    std::string certificatePath;
    std::string privateKeyPath;
    std::string home;  ///< the directory that certificatePath is in
    std::string room;
    std::string certificateName;  ///< in the directory of a version
    std::string privateKeyName;   ///< likewise
    std::string certificateLink;  ///< what certificatePath says as a link
    std::string privateKeyLink;   ///< what privateKeyPath says as a link

    static Layout of(const std::string& certificatePath, const std::string& privateKeyPath, Room room);

    std::string live() const { return room + "/live"; }          ///< -> the version in force
    std::string previous() const { return room + "/previous"; }  ///< -> the version to go back to
    /// -> the version being brought into force; there from before it is staged until it was proven, or taken back.
    std::string pending() const { return room + "/pending"; }
    std::string version(const std::string& name) const { return room + "/" + name; }
};

/// The directory that a normalised absolute path is in, and the name in it.
std::string directoryOf(const std::string& path);
std::string nameOf(const std::string& path);

/// Where a link is made before it is renamed to `path`, in the same directory.
std::string temporaryOf(const std::string& path);

/// Whether a name is one that versions get: a SHA-256 in hexadecimal, alone, behind `unreadable-`, or before `-2`,
/// `-3`…. Nothing else in a room is ever removed.
bool isVersionName(std::string_view name);

/// Whether a path is absolute and normalised: no `.`, `..`, doubled or trailing slashes.
bool isNormalised(std::string_view path);

}  // namespace certbinder::targets::nginx
