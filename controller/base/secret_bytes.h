#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace certbinder::base {

/// Bytes that must not be seen: private keys, passwords, tokens, and whatever may contain them. Wiped when destroyed,
/// moved from or outgrown; cannot be printed, formatted, logged or compared by accident, since no operator exists for
/// it, and is copied only by asking for a `clone()`. Not thread-safe; a const one may be shared between threads.
class SecretBytes {
  public:
    SecretBytes() = default;
    explicit SecretBytes(std::string_view plain);
    ~SecretBytes();

    SecretBytes(SecretBytes&& other) noexcept;
    SecretBytes& operator=(SecretBytes&& other) noexcept;
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;

    /// Takes the bytes of a string and wipes the string, its spare capacity and small-string buffer included.
    static SecretBytes take(std::string& plain);

    SecretBytes clone() const { return SecretBytes(reveal()); }

    /// The bytes, valid until this object changes. Every use is a place to look at in a review.
    std::string_view reveal() const { return {data_.get(), size_}; }

    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }

    /// Adds bytes; wipes the old storage when it has to grow.
    void append(std::string_view more);
    void clear();

    /// Writes into the bytes in place (for decoders); `size` bytes, zeroed.
    static SecretBytes ofSize(std::size_t size);
    char* mutableData() { return data_.get(); }
    /// Keeps the first `size` bytes, which must not be more than there are.
    void shrink(std::size_t size);

    /// Whether both hold the same bytes, in a time that depends on the length alone.
    bool sameAs(const SecretBytes& other) const;

  private:
    void reserve(std::size_t capacity);
    void wipe() noexcept;

    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

/// Wipes a string that held a secret on its way into or out of a library.
void wipe(std::string& plain) noexcept;

}  // namespace certbinder::base
