#include "base/random.h"

#include <openssl/rand.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <random>
#include <stdexcept>

namespace certbinder::base {
namespace {

class SystemRandom final : public Random {
  public:
    double uniform() override {
        const std::scoped_lock lock(mutex_);
        return std::uniform_real_distribution<double>(0.0, 1.0)(engine_);
    }

  private:
    std::mutex mutex_;
    std::mt19937_64 engine_{std::random_device{}()};
};

}  // namespace

Random& systemRandom() {
    static SystemRandom random;
    return random;
}

std::string uuid() {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw std::runtime_error("the system's random generator gave no bytes");
    }
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
    constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        text += kHex[bytes[i] >> 4U];
        text += kHex[bytes[i] & 0x0fU];
    }
    return text;
}

}  // namespace certbinder::base
