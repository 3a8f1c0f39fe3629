#include "kube/reread_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace certbinder::kube {
namespace {

constexpr std::size_t kMostFileBytes = 1 << 20;

}  // namespace

base::Expected<base::SecretBytes> readSmallFile(const std::string& path) {
    const auto failed = [&](const std::string& why) {
        return base::unexpected(base::Reason::kInvalidSpec, "cannot read " + base::printable(path) + ": " + why);
    };
    const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        return failed(std::generic_category().message(errno));
    }
    base::SecretBytes bytes = base::SecretBytes::ofSize(kMostFileBytes + 1);
    std::size_t size = 0;
    while (size <= kMostFileBytes) {
        const ssize_t got = ::read(file.get(), bytes.mutableData() + size, bytes.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failed(std::generic_category().message(errno));
        }
        if (got == 0) {
            return base::SecretBytes(bytes.reveal().substr(0, size));
        }
        size += static_cast<std::size_t>(got);
    }
    return failed("it is larger than 1 MiB");
}

base::Expected<std::shared_ptr<const base::SecretBytes>> RereadFile::current() {
    const base::SteadyTime now = clock_->steadyNow();
    if (bytes_ && readAt_ && now - *readAt_ < every_) {
        return bytes_;
    }
    base::Expected<base::SecretBytes> read = readSmallFile(path_);
    if (read && base::trim(read->reveal()).empty()) {
        read = base::unexpected(base::Reason::kInvalidSpec, base::printable(path_) + " is empty");
    }
    if (!read && !bytes_) {
        return base::unexpected(std::move(read.error()));
    }
    readAt_ = now;
    if (!read) {
        base::logWarning("a file that is read again and again cannot be read; its last content stays in force",
                         {{"error", read.error().message()}});
    } else if (!bytes_ || !bytes_->sameAs(*read)) {
        bytes_ = std::make_shared<const base::SecretBytes>(std::move(*read));
    }
    return bytes_;
}

}  // namespace certbinder::kube
