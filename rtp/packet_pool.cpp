#include "rtp/packet_pool.h"

#include <cassert>
#include <limits>
#include <utility>

namespace parley::rtp {

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      index_(other.index_),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    pool_ = std::exchange(other.pool_, nullptr);
    index_ = other.index_;
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Buffer::resize(std::size_t size) noexcept {
  assert(pool_ != nullptr && size <= kCapacity);
  size_ = static_cast<std::uint32_t>(size);
}

void Buffer::reset() noexcept {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->give_back(index_);
  size_ = 0;
}

Bytes Buffer::bytes() noexcept { return pool_ ? pool_->slot(index_).first(size_) : Bytes{}; }
ConstBytes Buffer::bytes() const noexcept {
  return pool_ ? ConstBytes{pool_->slot(index_).first(size_)} : ConstBytes{};
}
Bytes Buffer::storage() noexcept { return pool_ ? pool_->slot(index_) : Bytes{}; }

PacketPool::PacketPool(std::size_t packets)
    : capacity_(packets),
      // Not cleared: a page is only touched when its slots are used.
      slab_(std::make_unique_for_overwrite<std::uint8_t[]>(packets * Buffer::kCapacity)) {
  assert(packets <= std::numeric_limits<std::uint32_t>::max());
  free_.reserve(packets);
  for (std::size_t i = packets; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
}

PacketPool::~PacketPool() { assert(free_.size() == capacity_ && "a Buffer outlives its pool"); }

Buffer PacketPool::take() noexcept {
  if (free_.empty()) {
    ++exhausted_;
    return {};
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return Buffer(this, index);
}

Bytes PacketPool::slot(std::uint32_t index) noexcept {
  return {slab_.get() + std::size_t{index} * Buffer::kCapacity, Buffer::kCapacity};
}

void PacketPool::give_back(std::uint32_t index) noexcept {
  assert(free_.size() < capacity_);
  free_.push_back(index);  // within the reserved capacity: never allocates
}

}  // namespace parley::rtp
