#pragma once

#include <mutex>

namespace certbinder::base {

/// Data together with the lock that protects it: without the lock there is no way to the data.
template <typename T>
class Guarded {
  public:
    class Lock {
      public:
        T* operator->() { return data_; }
        T& operator*() { return *data_; }
        /// For waiting on a condition variable while holding the data.
        std::unique_lock<std::mutex>& mutex() { return lock_; }

      private:
        friend class Guarded;
        Lock(std::mutex& mutex, T& data) : lock_(mutex), data_(&data) {}
        std::unique_lock<std::mutex> lock_;
        T* data_;
    };

    Guarded() = default;
    explicit Guarded(T data) : data_(std::move(data)) {}

    Lock lock() { return Lock(mutex_, data_); }

  private:
    std::mutex mutex_;
    T data_;
};

}  // namespace certbinder::base
