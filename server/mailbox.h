#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace parley::server {

// A bounded queue of commands or events between two threads. It is taken whole, once per loop
// turn, and only after a wake-up, so its lock is never met in the packet path.
template <class T>
class Mailbox {
 public:
  explicit Mailbox(std::size_t limit) : limit_(limit) {}

  // False when the box is full: nothing was stored and the refusal is counted.
  [[nodiscard]] bool put(T item) {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= limit_) {
      ++refused_;
      return false;
    }
    items_.push_back(std::move(item));
    return true;
  }
  // Swaps the content into `into`, which is cleared first; both keep their memory.
  void take(std::vector<T>& into) {
    into.clear();
    const std::lock_guard lock(mutex_);
    items_.swap(into);
  }
  [[nodiscard]] std::uint64_t refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<T> items_;
  std::size_t limit_;
  std::uint64_t refused_ = 0;
};

}  // namespace parley::server
