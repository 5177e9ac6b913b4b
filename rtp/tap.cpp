#include "rtp/tap.h"

#include <cassert>
#include <cstring>

namespace parley::rtp {

// What lies before a record's bytes. Records are contiguous: one that does not fit before the end
// of the ring begins at its start, and what is left there is skipped.
struct Tap::Slot {
  std::uint32_t total = 0;  // bytes of the record in the ring, this header and padding included
  std::uint32_t size = 0;   // of `bytes`
  Kind kind = Kind::Rtp;
  Codec codec = Codec::Opus;
  bool skip = false;  // no record: go on at the ring's start
  RtpTimestamp timestamp{};
  Time arrival{};
  NtpTime ntp{};
};

namespace {

constexpr std::size_t kAlign = 8;
constexpr std::size_t kMinCapacity = 4'096;

constexpr std::size_t aligned(std::size_t size) noexcept {
  return (size + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

Tap::Tap(std::size_t capacity_bytes)
    : ring_(aligned(capacity_bytes < kMinCapacity ? kMinCapacity : capacity_bytes)) {}

bool Tap::push(const Record& record) noexcept {
  const std::size_t head = head_.load(std::memory_order_relaxed);
  const std::size_t used = head - tail_.load(std::memory_order_acquire);
  const std::size_t total = aligned(sizeof(Slot) + record.bytes.size());
  const std::size_t offset = head % ring_.size();
  const std::size_t to_end = ring_.size() - offset;
  const std::size_t skipped = to_end < total ? to_end : 0;
  if (total > ring_.size() || skipped + total > ring_.size() - used) {
    overflows_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (skipped >= sizeof(Slot)) {
    Slot skip;
    skip.skip = true;
    std::memcpy(&ring_[offset], &skip, sizeof skip);
  }
  std::uint8_t* at = &ring_[skipped > 0 ? 0 : offset];
  const Slot slot{static_cast<std::uint32_t>(total),
                  static_cast<std::uint32_t>(record.bytes.size()),
                  record.kind,
                  record.codec,
                  false,
                  record.timestamp,
                  record.arrival,
                  record.ntp};
  std::memcpy(at, &slot, sizeof slot);
  if (!record.bytes.empty()) {
    std::memcpy(at + sizeof slot, record.bytes.data(), record.bytes.size());
  }
  head_.store(head + skipped + total, std::memory_order_release);
  return true;
}

std::optional<Tap::Record> Tap::front() noexcept {
  std::size_t tail = tail_.load(std::memory_order_relaxed);
  const std::size_t head = head_.load(std::memory_order_acquire);
  if (tail == head) return std::nullopt;
  Slot slot;
  std::size_t offset = tail % ring_.size();
  const std::size_t to_end = ring_.size() - offset;
  slot.skip = to_end < sizeof slot;
  if (!slot.skip) std::memcpy(&slot, &ring_[offset], sizeof slot);
  if (slot.skip) {  // the record behind it was published together with it
    tail += to_end;
    tail_.store(tail, std::memory_order_release);
    offset = 0;
    std::memcpy(&slot, ring_.data(), sizeof slot);
  }
  return Record{slot.kind, slot.codec,     slot.arrival,
                slot.ntp,  slot.timestamp, ConstBytes{&ring_[offset] + sizeof slot, slot.size}};
}

void Tap::pop() noexcept {
  const bool any = front().has_value();  // moves on to the record, should a skip lie before it
  assert(any);
  if (!any) return;
  const std::size_t tail = tail_.load(std::memory_order_relaxed);
  Slot slot;
  std::memcpy(&slot, &ring_[tail % ring_.size()], sizeof slot);
  tail_.store(tail + slot.total, std::memory_order_release);
}

bool Tap::take_key_frame_request() noexcept {
  // A plain look first: the exchange would take the cache line from the consumer every time.
  return key_frame_wanted_.load(std::memory_order_relaxed) &&
         key_frame_wanted_.exchange(false, std::memory_order_relaxed);
}

void Tap::request_key_frame() noexcept { key_frame_wanted_.store(true, std::memory_order_relaxed); }

std::uint64_t Tap::overflows() const noexcept { return overflows_.load(std::memory_order_relaxed); }

}  // namespace parley::rtp
