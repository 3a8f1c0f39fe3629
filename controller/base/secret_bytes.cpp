#include "base/secret_bytes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace certbinder::base {

SecretBytes::SecretBytes(std::string_view plain) {
    append(plain);
}

SecretBytes::~SecretBytes() {
    wipe();
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::move(other.data_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
        wipe();
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
}

SecretBytes SecretBytes::take(std::string& plain) {
    SecretBytes taken{std::string_view(plain)};
    base::wipe(plain);
    return taken;
}

void SecretBytes::append(std::string_view more) {
    if (more.empty()) {
        return;
    }
    if (size_ + more.size() > capacity_) {
        reserve(std::max(size_ + more.size(), capacity_ * 2));
    }
    std::memcpy(data_.get() + size_, more.data(), more.size());
    size_ += more.size();
}

void SecretBytes::clear() {
    wipe();
    data_.reset();
    size_ = 0;
    capacity_ = 0;
}

SecretBytes SecretBytes::ofSize(std::size_t size) {
    SecretBytes bytes;
    if (size > 0) {
        bytes.reserve(size);
        std::memset(bytes.data_.get(), 0, size);
        bytes.size_ = size;
    }
    return bytes;
}

void SecretBytes::shrink(std::size_t size) {
    if (size < size_) {
        OPENSSL_cleanse(data_.get() + size, size_ - size);
        size_ = size;
    }
}

bool SecretBytes::sameAs(const SecretBytes& other) const {
    return size_ == other.size_ && (size_ == 0 || CRYPTO_memcmp(data_.get(), other.data_.get(), size_) == 0);
}

void SecretBytes::reserve(std::size_t capacity) {
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (size_ > 0) {
        std::memcpy(larger.get(), data_.get(), size_);
    }
    wipe();
    data_ = std::move(larger);
    capacity_ = capacity;
}

void SecretBytes::wipe() noexcept {
    if (data_) {
        OPENSSL_cleanse(data_.get(), capacity_);
    }
}

void wipe(std::string& plain) noexcept {
    // Only what the string owns may be written: up to its capacity, after growing its size to it, which cannot
    // allocate.
    plain.resize(plain.capacity());
    OPENSSL_cleanse(plain.data(), plain.size());
    plain.clear();
}

}  // namespace certbinder::base
