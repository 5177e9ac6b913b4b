#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/byte_ring.h"
#include "rtp/types.h"

namespace parley::server {

// The way of one track from the worker that receives it to another worker of the daemon. Each
// packet crosses once, as a copy in a bounded ring, whoever watches there; wishes for key frames
// cross the other way. The two workers' threads share nothing else. A full ring drops the packet,
// which is counted there and is a loss like any other here.
//
//   home:  relay->push(record);  wake relay->to()          at the end of the turn
//          relay->take_wishes()                            when woken
//   far:   while (auto record = relay->front()) {...; relay->pop(); }
//          relay->want_key_frame(encoding);  wake relay->from()
class Relay {
 public:
  // Some 400 packets of either kind, a key frame's burst and more.
  static constexpr std::size_t kVideoBytes = 512 * 1024;
  static constexpr std::size_t kAudioBytes = 64 * 1024;

  enum class Kind : std::uint8_t {
    Rtp,  // `bytes` is one RTP packet as it came from the publisher, retransmissions unwrapped
    Restarted,  // the encoding's numbers begin anew
    Paused,     // the publisher has stopped the encoding
  };
  struct Record {
    Kind kind = Kind::Rtp;
    std::uint8_t encoding = 0;
    rtp::ExtSeq seq{};                   // in the home track's counting
    rtp::Time arrival{};                 // at the home worker
    std::optional<rtp::Time> capture{};  // on the server's time line
    rtp::ConstBytes bytes{};             // valid until pop()
  };

  // `from` and `to` are the workers' numbers.
  Relay(std::size_t from, std::size_t to, std::size_t capacity_bytes)
      : from_(from), to_(to), ring_(capacity_bytes) {}

  [[nodiscard]] std::size_t from() const noexcept { return from_; }
  [[nodiscard]] std::size_t to() const noexcept { return to_; }

  // ---- home
  [[nodiscard]] bool push(const Record& record) noexcept;
  // While nobody watches nothing needs to cross.
  [[nodiscard]] bool watched() const noexcept { return watched_.load(std::memory_order_relaxed); }
  // Encodings of which a key frame was asked for since the last call, as bits.
  [[nodiscard]] std::uint8_t take_wishes() noexcept {
    return wishes_.load(std::memory_order_relaxed) == 0
               ? std::uint8_t{0}
               : wishes_.exchange(0, std::memory_order_relaxed);
  }

  // ---- far
  [[nodiscard]] std::optional<Record> front() noexcept;
  void pop() noexcept { ring_.pop(); }
  void set_watched(bool watched) noexcept { watched_.store(watched, std::memory_order_relaxed); }
  void want_key_frame(std::size_t encoding) noexcept {
    wishes_.fetch_or(static_cast<std::uint8_t>(1U << encoding), std::memory_order_relaxed);
  }

 private:
  struct Head;  // what a record is beside its bytes
  std::size_t from_;
  std::size_t to_;
  rtp::ByteRing ring_;
  alignas(64) std::atomic<bool> watched_{false};
  std::atomic<std::uint8_t> wishes_{0};
};

}  // namespace parley::server
