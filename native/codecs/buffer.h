// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace otelcodecs {

/// Numbers or bytes that grow, in memory from malloc that is handed on without a copy. What is reserved is not set to
/// zero, as a vector's would be.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  ~Buffer() { free(data_); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  /// Where to write next, with room for `more`. Moves what is there.
  T* Reserve(size_t more) {
    if (capacity_ - size_ < more) Grow(size_ + more);
    return data_ + size_;
  }
  /// What was written since `Reserve`, up to `end`.
  void WroteTo(const T* end) { size_ = static_cast<size_t>(end - data_); }

  void Push(T value) {
    *Reserve(1) = value;
    size_++;
  }
  void Append(const T* from, size_t count) {
    if (count == 0) return;
    memcpy(Reserve(count), from, count * sizeof(T));
    size_ += count;
  }
  void Append(std::span<const T> more) { Append(more.data(), more.size()); }
  /// Makes room for `count` values at `at`, which are not set.
  void Open(size_t at, size_t count) {
    Reserve(count);
    memmove(data_ + at + count, data_ + at, (size_ - at) * sizeof(T));
    size_ += count;
  }

  /// Gives back what is reserved and not used.
  void Fit() {
    if (size_ == capacity_ || size_ == 0) return;
    if (void* fitting = realloc(data_, size_ * sizeof(T)); fitting != nullptr) data_ = static_cast<T*>(fitting);
    capacity_ = size_;
  }

  size_t size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<const T> all() const { return {data_, size_}; }

  /// Gives the memory to a caller that frees it; null where nothing was ever written.
  T* Release() {
    size_ = capacity_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  void Grow(size_t needed) {
    const size_t capacity = std::max({needed, capacity_ * 2, size_t{64}});
    void* grown = capacity > SIZE_MAX / sizeof(T) ? nullptr : realloc(data_, capacity * sizeof(T));
    // Everything here is bounded by a small multiple of a request that was taken in.
    if (grown == nullptr) std::abort();
    data_ = static_cast<T*>(grown);
    capacity_ = capacity;
  }

  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace otelcodecs
