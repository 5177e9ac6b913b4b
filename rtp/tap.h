#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/byte_ring.h"
#include "rtp/extensions.h"
#include "rtp/types.h"

namespace parley::rtp {

// A ring of copied bytes from one worker to the recorder: one producer thread, one consumer
// thread, no lock. A full ring drops the record and counts it; nobody ever waits. After a drop the
// producer drops on until the next key frame (it asks for one), so that what the consumer sees
// decodes again.
class Tap {
 public:
  enum class Kind : std::uint8_t {
    Rtp,           // `bytes` is one RTP packet: gapless numbers over what we dropped, key-gated
    SenderReport,  // no bytes; `ntp` and `timestamp` are the publisher's, in the tap's numbering
    Muted,         // the publisher or the server muted the track: silence is no fault
    Unmuted,
    Ended,  // the track is gone; nothing follows
  };
  struct Record {
    Kind kind = Kind::Rtp;
    Codec codec = Codec::Opus;
    Time arrival{};            // when the packet reached the server
    NtpTime ntp{};             // SenderReport only: the publisher's clock
    RtpTimestamp timestamp{};  // SenderReport only
    ConstBytes bytes{};        // valid until pop()
  };

  explicit Tap(std::size_t capacity_bytes);
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  // Producer. False when the ring was full: the record is dropped and counted.
  [[nodiscard]] bool push(const Record& record) noexcept;
  // Producer: true once after the consumer asked (decoder state lost, new segment wanted).
  [[nodiscard]] bool take_key_frame_request() noexcept;

  // Consumer. The oldest record, if any; pop() frees it.
  [[nodiscard]] std::optional<Record> front() noexcept;
  void pop() noexcept;
  void request_key_frame() noexcept;

  // Either side.
  [[nodiscard]] std::uint64_t overflows() const noexcept;

 private:
  struct Head;  // what a record is beside its bytes
  ByteRing ring_;
  alignas(64) std::atomic<std::uint64_t> overflows_{0};
  std::atomic<bool> key_frame_wanted_{false};
};

// The header extensions of its packets: what a picture does not say of itself.
[[nodiscard]] constexpr ExtensionMap tap_extensions() noexcept {
  ExtensionMap extensions;
  extensions.set(Extension::VideoOrientation, 1);
  return extensions;
}

}  // namespace parley::rtp
