#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

// Records of bytes from one thread to another: one producer, one consumer, no lock, and nobody ever
// waits. A record lies in one piece.
class ByteRing {
 public:
  explicit ByteRing(std::size_t capacity_bytes);  // at least 4 KiB
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;

  // Producer: one record, made of two parts. False, and nothing happens, when there is no room.
  [[nodiscard]] bool push(ConstBytes head, ConstBytes body) noexcept;

  // Consumer. The oldest record, if any, valid until pop(), which frees it.
  [[nodiscard]] std::optional<ConstBytes> front() noexcept;
  void pop() noexcept;

 private:
  struct Frame;  // what lies before a record
  std::size_t capacity_;
  std::unique_ptr<std::uint8_t[]> ring_;          // touched only as it is used
  alignas(64) std::atomic<std::size_t> head_{0};  // written by the producer
  alignas(64) std::atomic<std::size_t> tail_{0};  // written by the consumer
};

}  // namespace parley::rtp
