#include "rtp/tap.h"

#include <array>
#include <cstring>

namespace parley::rtp {

struct Tap::Head {
  Kind kind = Kind::Rtp;
  Codec codec = Codec::Opus;
  RtpTimestamp timestamp{};
  Time arrival{};
  NtpTime ntp{};
};

Tap::Tap(std::size_t capacity_bytes) : ring_(capacity_bytes) {}

bool Tap::push(const Record& record) noexcept {
  const Head head{record.kind, record.codec, record.timestamp, record.arrival, record.ntp};
  std::array<std::uint8_t, sizeof head> bytes;
  std::memcpy(bytes.data(), &head, sizeof head);
  if (ring_.push(bytes, record.bytes)) return true;
  overflows_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

std::optional<Tap::Record> Tap::front() noexcept {
  const auto record = ring_.front();
  if (!record) return std::nullopt;
  Head head;
  std::memcpy(&head, record->data(), sizeof head);
  return Record{head.kind, head.codec,     head.arrival,
                head.ntp,  head.timestamp, record->subspan(sizeof head)};
}

void Tap::pop() noexcept { ring_.pop(); }

bool Tap::take_key_frame_request() noexcept {
  // A plain look first: the exchange would take the cache line from the consumer every time.
  return key_frame_wanted_.load(std::memory_order_relaxed) &&
         key_frame_wanted_.exchange(false, std::memory_order_relaxed);
}

void Tap::request_key_frame() noexcept { key_frame_wanted_.store(true, std::memory_order_relaxed); }

std::uint64_t Tap::overflows() const noexcept { return overflows_.load(std::memory_order_relaxed); }

}  // namespace parley::rtp
