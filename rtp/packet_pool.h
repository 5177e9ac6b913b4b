#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rtp/types.h"

namespace parley::rtp {

class PacketPool;

// One datagram slot, borrowed from a PacketPool and given back by the destructor. Move-only, never
// crosses threads, and must not outlive its pool.
class Buffer {
 public:
  static constexpr std::size_t kMaxDatagram = 1'500;
  // Slack behind the largest datagram: SRTP tag, RTX's number, larger extensions. 26 cache lines.
  static constexpr std::size_t kCapacity = 1'664;

  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { reset(); }

  // How many of the kCapacity bytes are the datagram. They are not cleared.
  void resize(std::size_t size) noexcept;
  // Gives the slot back at once.
  void reset() noexcept;

  // False for a moved-from Buffer and for what an exhausted pool hands out.
  [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }
  [[nodiscard]] Bytes bytes() noexcept;  // size() of them
  [[nodiscard]] ConstBytes bytes() const noexcept;
  [[nodiscard]] Bytes storage() noexcept;  // all kCapacity of them
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class PacketPool;
  Buffer(PacketPool* pool, std::uint32_t index) noexcept : pool_(pool), index_(index) {}

  PacketPool* pool_ = nullptr;
  std::uint32_t index_ = 0;
  std::uint32_t size_ = 0;
};

// All datagram slots of one worker in one slab. It never grows: an exhausted pool hands out an
// empty Buffer, which the caller counts as a drop. Memory is touched only as slots are used, the
// lately used first, so a quiet worker stays small and in cache.
class PacketPool {
 public:
  explicit PacketPool(std::size_t packets);
  ~PacketPool();  // every Buffer must be back
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  [[nodiscard]] Buffer take() noexcept;

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t available() const noexcept { return free_.size(); }
  [[nodiscard]] std::uint64_t exhausted() const noexcept { return exhausted_; }

 private:
  friend class Buffer;
  [[nodiscard]] Bytes slot(std::uint32_t index) noexcept;
  void give_back(std::uint32_t index) noexcept;

  std::size_t capacity_;
  std::unique_ptr<std::uint8_t[]> slab_;
  std::vector<std::uint32_t> free_;  // used as a stack; capacity reserved once
  std::uint64_t exhausted_ = 0;
};

}  // namespace parley::rtp
