#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "rtp/forwarder.h"
#include "rtp/packet_info.h"
#include "rtp/types.h"

namespace parley::rtp {

// Which packet went out under which number, for one subscription; the bytes lie once per encoding
// in History. Answers a NACK (RFC 4585, section 6.2.1) with what to send again in an RTX packet
// (RFC 4588), within limits: once per round trip, six times, and never more than a fifth of what
// the slot sends, but for what begin_anew() allows.
//
// Nothing is kept per packet but a bit. As long as a source goes on and none of its packets is left
// out, all its numbers differ from those given out by the same amounts, so these are kept once per
// stretch; 64 stretches are two seconds even when something of each picture is left out.
class SentLog {
 public:
  static constexpr std::size_t kMaxStretches = 64;
  static constexpr std::size_t kMaxResent = 128;  // whose limits are remembered
  static constexpr std::uint8_t kMaxResends = 6;
  static constexpr Duration kDefaultRtt{100'000};
  static constexpr std::int64_t kBudgetDivisor = 5;           // 20 %
  static constexpr std::int64_t kBudgetMaxBytes = 64 * 1024;  // saved up at most
  static constexpr std::int64_t kBudgetStartBytes = 16 * 1024;
  static constexpr std::int64_t kMaxPacketBytes = 1'500;  // has to be saved up for each

  // What has to be added to the numbers of a source, each in its own width.
  struct Shift {
    std::int64_t seq = 0;
    std::uint32_t timestamp = 0;
    std::uint16_t frame_number = 0;
    std::uint16_t picture_id = 0;
    std::uint8_t tl0_picture_index = 0;
    std::uint8_t key_index = 0;
    LayerLimit limit;
    friend bool operator==(const Shift&, const Shift&) = default;
  };
  struct Resend {
    ExtSeq seq;  // given out
    Source source;
    Shift shift;
    // It was sent again before, and that was lost too: two copies, so that a third round trip,
    // which freezes the picture, becomes half as likely.
    bool twice = false;
    // In the History of that encoding.
    [[nodiscard]] ExtSeq source_seq() const noexcept { return ExtSeq{seq.value - shift.seq}; }
    // For the packet that was found there.
    [[nodiscard]] Rewrite rewrite(const PacketInfo& packet) const noexcept;
  };
  struct Counters {
    std::uint64_t resent = 0;
    std::uint64_t unknown = 0;    // never sent, or too long ago
    std::uint64_t too_soon = 0;   // asked again within a round trip
    std::uint64_t too_often = 0;  // sent kMaxResends times already
    std::uint64_t needless = 0;   // of before begin_anew()
    std::uint64_t over_budget = 0;
    // Refused for good, though it may be needed.
    [[nodiscard]] std::uint64_t never() const noexcept { return too_often + over_budget; }
  };

  // Remembers the last `packets`, rounded up to a power of two, 64 at least.
  explicit SentLog(std::size_t packets);

  void on_sent(const Rewrite& rewrite, Source source, const PacketInfo& packet,
               std::size_t bytes) noexcept;
  // With this packet a decoder can start, and what lies before it is given up: of a larger layer,
  // much is lost on a way that has become too narrow for it. To send that again would fill the way
  // and use up what is allowed; now at least kBudgetStartBytes are.
  void begin_anew(ExtSeq first) noexcept;
  // What to send again for a lost packet, if anything. `rtt`: nothing while unknown.
  [[nodiscard]] std::optional<Resend> on_nack(Seq lost, Time now,
                                              std::optional<Duration> rtt) noexcept;
  // The receiver's transport-wide feedback tells that a packet was lost, or one in which it was
  // sent again (`resent`): what to send again, if that was the only one or the last of all of them.
  // He need not ask then, and it does not matter that his asking may be lost, too.
  [[nodiscard]] std::optional<Resend> on_lost(Seq lost, bool resent) noexcept;
  // It was.
  void on_resent(ExtSeq seq, Time now, std::size_t bytes) noexcept;

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  // Memory behind it.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sent_.capacity() * sizeof(std::uint64_t);
  }

 private:
  struct Stretch {
    ExtSeq first;  // given out; it reaches to the next stretch
    Source source;
    Shift shift;
  };
  // One that was sent again, at the place of its number's low bits.
  struct Resent {
    std::uint32_t seq = 0;  // low 32 bits
    std::uint16_t at_ms = 0;
    std::uint8_t times = 0;
    std::uint8_t lost = 0;  // as feedback tells
  };
  [[nodiscard]] const Stretch* stretch_of(ExtSeq seq) const noexcept;
  struct Sent {
    ExtSeq seq;
    const Stretch* stretch = nullptr;  // never none
    Resent* before = nullptr;          // none when it was not sent again yet
  };
  // Nothing, and counted, when it is not known any more.
  [[nodiscard]] std::optional<Sent> find(Seq seq) noexcept;
  [[nodiscard]] std::optional<Resend> within_limits(const Sent& sent) noexcept;
  void begin_stretch(const Stretch& stretch) noexcept;
  // False when there is no place for it.
  [[nodiscard]] bool insert_stretch(Stretch stretch) noexcept;
  void make_room_behind(std::size_t at) noexcept;
  void advance_to(ExtSeq seq) noexcept;
  [[nodiscard]] bool in_window(ExtSeq seq) const noexcept;
  [[nodiscard]] bool was_sent(ExtSeq seq) const noexcept;
  void mark_sent(ExtSeq seq, bool sent) noexcept;
  [[nodiscard]] Resent& resent(ExtSeq seq) noexcept {
    return resent_[static_cast<std::size_t>(seq.value) % kMaxResent];
  }

  std::optional<ExtSeq> highest_;
  std::optional<ExtSeq> first_;  // what lies before it is given up
  std::int64_t budget_bytes_ = kBudgetStartBytes;
  std::size_t newest_ = 0;  // of stretches_, a ring
  std::size_t count_ = 0;
  std::vector<std::uint64_t> sent_;  // a bit for each of the last packets, a ring
  Counters counters_;
  std::array<Stretch, kMaxStretches> stretches_{};
  std::array<Resent, kMaxResent> resent_{};
};

}  // namespace parley::rtp
