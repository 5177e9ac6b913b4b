#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/bandwidth.h"
#include "rtp/twcc.h"
#include "rtp/types.h"

namespace parley::rtp {

// What went out to one receiver under which transport-wide number
// (draft-holmer-rmcat-transport-wide-cc-extensions-01), so that his feedback can be read. Sixteen
// bytes for each of the last kWindow packets.
class TransportLog {
 public:
  static constexpr std::size_t kWindow = 1'024;

  // Of the next packet.
  [[nodiscard]] Seq next() const noexcept { return Seq{static_cast<std::uint16_t>(next_)}; }
  // What to remember of a packet beside its size: the stream it went out on, 0 for padding, and the
  // number in it of the media that it carries.
  struct Content {
    Ssrc ssrc;
    Seq seq;
    [[nodiscard]] bool is_padding() const noexcept { return ssrc == Ssrc{}; }
  };
  // It was sent, with so many bytes on the wire.
  void on_sent(Time now, std::size_t bytes, Content content) noexcept;

  // What a feedback tells of packets that none before has told of as received, in the order of
  // their numbers; as many as there is room for. Numbers never given out, or too long ago, are
  // passed over.
  [[nodiscard]] std::span<PacketResult> read(const TwccFeedback& feedback,
                                             std::span<PacketResult> into) noexcept;
  // When the first packet was sent of which no feedback has told though there was time; nothing
  // when none waits.
  [[nodiscard]] std::optional<Time> unanswered_since() const noexcept { return unanswered_; }

 private:
  // Feedback on a number given out so many packets ago is still an answer.
  static constexpr std::uint16_t kAnswered = 16'384;
  struct Entry {
    std::uint32_t sent_us = 0;  // low bits
    std::uint16_t bytes = 0;    // 0: never sent, or told of
    std::uint16_t number = 0;
    Content content;  // none once it was told to be lost
  };
  [[nodiscard]] Entry& at(std::uint16_t number) noexcept { return entries_[number % kWindow]; }
  [[nodiscard]] Duration unwrap(Duration arrival) noexcept;

  std::uint32_t next_ = 1;
  Time last_sent_{};
  std::optional<Time> unanswered_;
  std::optional<Duration> last_arrival_;
  std::array<Entry, kWindow> entries_{};
};

}  // namespace parley::rtp
