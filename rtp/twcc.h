#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/bytes.h"
#include "rtp/sequence.h"
#include "rtp/types.h"

namespace parley::rtp {

// Transport-wide congestion control feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01): the receiver says for each transport-wide
// number whether and when its packet arrived.

// Receiver side. Notes arrivals and makes feedback packets. It keeps a bounded window of the last
// kWindow numbers; one instance per peer, over all its SSRCs.
class TwccRecorder {
 public:
  static constexpr std::size_t kWindow = 2048;
  static constexpr std::size_t kMinSize = 32;  // `out` of build() must have at least this

  // Marks all as never seen: no number that belongs into a place has these low bits.
  TwccRecorder() noexcept { arrivals_[0].seq = 1; }

  // The number out of the header extension. A duplicate keeps its first arrival.
  void on_packet(Seq seq, Time arrival) noexcept;

  // Something arrived that no feedback has told yet.
  [[nodiscard]] bool pending() const noexcept { return pending_; }
  // Writes one RTCP packet with what is pending and returns its size; 0 when nothing is or `out` is
  // too small. What does not fit, or is too far apart in time for one packet, stays pending: call
  // until it says 0.
  [[nodiscard]] std::size_t build(Ssrc sender, Ssrc media, Bytes out) noexcept;

  // Packets that came too late for the window, or whose numbers were skipped by a jump beyond it.
  [[nodiscard]] std::uint64_t untold() const noexcept { return untold_; }

 private:
  // By their low bits: of a number that is all a window needs, of the time all that is ever told.
  struct Arrival {
    std::uint32_t seq = 0;
    std::uint32_t ticks = 0;  // of 250 us
  };
  struct Statuses;

  [[nodiscard]] const Arrival* find(ExtSeq seq) const noexcept;
  [[nodiscard]] Statuses gather(std::size_t room) const noexcept;

  SeqUnwrapper unwrapper_;
  ExtSeq next_{0};  // first number of the next feedback
  ExtSeq end_{0};   // one past the highest number seen
  bool started_ = false;
  bool pending_ = false;
  std::uint8_t feedback_count_ = 0;
  std::uint64_t untold_ = 0;
  std::array<Arrival, kWindow> arrivals_{};
};

struct TwccStatus {
  Seq seq{};
  bool received = false;
  Duration arrival{};  // on the receiver's clock, modulo 2^24 * 64 ms; only if received
};

// Says of up to 8191 packets in a row whether they arrived; the three formats are drawn above
// write_chunk in twcc_recorder.cpp.
struct TwccChunk {
  std::uint16_t bits = 0;

  [[nodiscard]] constexpr bool is_run() const noexcept { return (bits & 0x8000) == 0; }
  [[nodiscard]] constexpr bool is_pairs() const noexcept { return (bits & 0x4000) != 0; }
  [[nodiscard]] constexpr std::uint16_t capacity() const noexcept {
    if (is_run()) return bits & 0x1fff;
    return is_pairs() ? 7 : 14;
  }
  // A symbol is the size of its delta; 3 is reserved. `left`: how many are still to come out of the
  // chunk, this one included.
  [[nodiscard]] constexpr std::uint8_t symbol(unsigned left) const noexcept {
    if (is_run()) return bits >> 13 & 3;
    return static_cast<std::uint8_t>(is_pairs() ? bits >> 2 * (left - 1) & 3
                                                : bits >> (left - 1) & 1);
  }
};

// Sender side: a view of one feedback (the part behind the two SSRCs). All of it is checked before
// the first status comes out.
class TwccFeedback {
 public:
  // Browsers tell some hundred. A packet of 20 bytes could claim 65,535 and keep us busy.
  static constexpr std::size_t kMaxStatuses = 8192;
  static constexpr Duration kTick{250};  // of the deltas

  // Nothing when cut off, without statuses, or over the limit.
  [[nodiscard]] static std::optional<TwccFeedback> parse(ConstBytes feedback) noexcept;

  [[nodiscard]] Seq base_seq() const noexcept { return base_; }
  [[nodiscard]] std::size_t status_count() const noexcept { return status_count_; }
  [[nodiscard]] std::uint8_t feedback_count() const noexcept { return feedback_count_; }
  [[nodiscard]] Duration reference_time() const noexcept { return reference_; }

  class Cursor {
   public:
    [[nodiscard]] std::optional<TwccStatus> next() noexcept;

   private:
    friend class TwccFeedback;
    explicit Cursor(const TwccFeedback& feedback) noexcept
        : chunks_(feedback.chunks_),
          deltas_(feedback.deltas_),
          seq_(feedback.base_),
          left_(feedback.status_count_),
          clock_(feedback.reference_) {}
    [[nodiscard]] std::uint8_t next_symbol() noexcept;

    ConstBytes chunks_;
    ConstBytes deltas_;
    Seq seq_;
    std::size_t left_;
    Duration clock_;
    TwccChunk chunk_;
    std::uint16_t chunk_left_ = 0;
  };
  [[nodiscard]] Cursor statuses() const noexcept { return Cursor(*this); }

 private:
  TwccFeedback() = default;

  ConstBytes chunks_{};
  ConstBytes deltas_{};
  Seq base_{};
  std::uint16_t status_count_ = 0;
  Duration reference_{};
  std::uint8_t feedback_count_ = 0;
};

// Here because it runs for every packet that is told of.
inline std::uint8_t TwccFeedback::Cursor::next_symbol() noexcept {
  if (chunk_left_ == 0) {
    chunk_ = {load16(chunks_, 0)};
    chunks_ = chunks_.subspan(2);
    chunk_left_ = chunk_.capacity();
  }
  return chunk_.symbol(chunk_left_--);
}

inline std::optional<TwccStatus> TwccFeedback::Cursor::next() noexcept {
  constexpr std::uint8_t kSmallDelta = 1;
  if (left_ == 0) return std::nullopt;
  --left_;
  TwccStatus status{seq_, false, Duration{}};
  ++seq_.value;
  const std::uint8_t size = next_symbol();
  if (size == 0) return status;
  clock_ +=
      kTick * (size == kSmallDelta ? std::int64_t{deltas_[0]}
                                   : std::int64_t{static_cast<std::int16_t>(load16(deltas_, 0))});
  deltas_ = deltas_.subspan(size);
  status.received = true;
  status.arrival = clock_;
  return status;
}

}  // namespace parley::rtp
