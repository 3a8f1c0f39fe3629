#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/expected.h"
#include "base/secret_bytes.h"

namespace certbinder::kube {

/// A small file that somebody else replaces from time to time, as the kubelet does by switching a link: read by its
/// path again after each interval. Not thread-safe; the clock must outlive it.
class RereadFile {
  public:
    RereadFile(std::string path, std::chrono::seconds every, const base::Clock& clock)
        : path_(std::move(path)), every_(every), clock_(&clock) {}

    /// The bytes; the same object while they are unchanged. Where the file cannot be read, or is empty, the last good
    /// ones; an error (kInvalidSpec, with the path) only where there never were any.
    base::Expected<std::shared_ptr<const base::SecretBytes>> current();

    /// The next current() reads, however young the last reading is.
    void forget() { readAt_.reset(); }

    const std::string& path() const { return path_; }

  private:
    std::string path_;
    std::chrono::seconds every_;
    const base::Clock* clock_;
    std::optional<base::SteadyTime> readAt_;
    std::shared_ptr<const base::SecretBytes> bytes_;
};

/// A file of at most 1 MiB. kInvalidSpec with path and reason.
base::Expected<base::SecretBytes> readSmallFile(const std::string& path);

}  // namespace certbinder::kube
