#include "document/path.h"

#include <algorithm>

#include "base/text.h"

namespace certbinder::document {
namespace {

constexpr std::size_t kMostNameBytes = 80;

bool isPlainWord(std::string_view name) {
    return !name.empty() && name.size() <= kMostNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

}  // namespace

std::string fieldPath(std::string_view parent, std::string_view name) {
    std::string path(parent);
    if (!isPlainWord(name)) {
        return path + "[" + base::printable(name, kMostNameBytes) + "]";
    }
    if (!path.empty()) {
        path += '.';
    }
    path += name;
    return path;
}

std::string itemPath(std::string_view parent, std::size_t index) {
    return std::string(parent) + "[" + std::to_string(index) + "]";
}

}  // namespace certbinder::document
