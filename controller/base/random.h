#pragma once

#include <string>

namespace certbinder::base {

/// Chance, handed in so that tests choose it. Thread-safe.
class Random {
  public:
    virtual ~Random() = default;
    /// Uniform in [0, 1).
    virtual double uniform() = 0;
};

/// A source seeded by the system; lives as long as the process.
Random& systemRandom();

/// A random (version 4) UUID from the cryptographic generator, for nonces and request ids (RFC 9562).
std::string uuid();

}  // namespace certbinder::base
