#include "rtp/byte_ring.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace parley::rtp {

// One that does not fit before the end of the ring begins at its start, and what is left there is
// skipped.
struct ByteRing::Frame {
  std::uint32_t total = 0;  // bytes in the ring, this and padding included; 0: go on at its start
  std::uint32_t size = 0;   // of the record
};

namespace {

constexpr std::size_t kAlign = 8;
constexpr std::size_t kMinCapacity = 4'096;

constexpr std::size_t aligned(std::size_t size) noexcept {
  return (size + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

ByteRing::ByteRing(std::size_t capacity_bytes)
    : capacity_(aligned(std::max(capacity_bytes, kMinCapacity))),
      ring_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity_)) {
  static_assert(sizeof(Frame) == kAlign, "what is left at the end always holds one");
}

bool ByteRing::push(ConstBytes head, ConstBytes body) noexcept {
  const std::size_t size = head.size() + body.size();
  const std::size_t at = head_.load(std::memory_order_relaxed);
  const std::size_t used = at - tail_.load(std::memory_order_acquire);
  const std::size_t total = aligned(sizeof(Frame) + size);
  const std::size_t offset = at % capacity_;
  const std::size_t to_end = capacity_ - offset;
  const std::size_t skipped = to_end < total ? to_end : 0;
  if (total > capacity_ || skipped + total > capacity_ - used) return false;
  if (skipped > 0) {
    const Frame skip;
    std::memcpy(&ring_[offset], &skip, sizeof skip);
  }
  std::uint8_t* out = &ring_[skipped > 0 ? 0 : offset];
  const Frame frame{static_cast<std::uint32_t>(total), static_cast<std::uint32_t>(size)};
  std::memcpy(out, &frame, sizeof frame);
  out += sizeof frame;
  if (!head.empty()) std::memcpy(out, head.data(), head.size());
  if (!body.empty()) std::memcpy(out + head.size(), body.data(), body.size());
  head_.store(at + skipped + total, std::memory_order_release);
  return true;
}

std::optional<ConstBytes> ByteRing::front() noexcept {
  std::size_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_.load(std::memory_order_acquire)) return std::nullopt;
  Frame frame;
  std::size_t offset = tail % capacity_;
  std::memcpy(&frame, &ring_[offset], sizeof frame);
  if (frame.total == 0) {  // the record behind the skip was published together with it
    tail += capacity_ - offset;
    tail_.store(tail, std::memory_order_release);
    offset = 0;
    std::memcpy(&frame, ring_.get(), sizeof frame);
  }
  return ConstBytes{&ring_[offset] + sizeof frame, frame.size};
}

void ByteRing::pop() noexcept {
  const bool any = front().has_value();  // moves on to the record, should a skip lie before it
  assert(any);
  if (!any) return;
  const std::size_t tail = tail_.load(std::memory_order_relaxed);
  Frame frame;
  std::memcpy(&frame, &ring_[tail % capacity_], sizeof frame);
  tail_.store(tail + frame.total, std::memory_order_release);
}

}  // namespace parley::rtp
