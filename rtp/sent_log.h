#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "rtp/forwarder.h"
#include "rtp/types.h"

namespace parley::rtp {

// Which packet went out under which number, for one subscription: numbers only, the bytes lie once
// per encoding in History. Answers a NACK (RFC 4585, section 6.2.1) with what to send again in an
// RTX packet (RFC 4588), within limits: once per round trip, three times, and never more than a
// fifth of what the slot sends.
class SentLog {
 public:
  static constexpr std::uint8_t kMaxResends = 3;
  static constexpr Duration kDefaultRtt{100'000};
  static constexpr std::int64_t kBudgetDivisor = 5;           // 20 %
  static constexpr std::int64_t kBudgetMaxBytes = 64 * 1024;  // saved up at most
  static constexpr std::int64_t kBudgetStartBytes = 16 * 1024;

  struct Resend {
    Source source;
    ExtSeq source_seq;  // in that encoding's History
    Rewrite rewrite;
  };
  struct Counters {
    std::uint64_t resent = 0;
    std::uint64_t unknown = 0;    // never sent, or too long ago
    std::uint64_t too_soon = 0;   // asked again within a round trip
    std::uint64_t too_often = 0;  // sent three times already
    std::uint64_t over_budget = 0;
  };

  explicit SentLog(std::size_t packets);  // rounded up to a power of two

  void on_sent(const Rewrite& rewrite, Source source, ExtSeq source_seq,
               std::size_t bytes) noexcept;
  // Fills `out` in the order of `lost`; what does not fit is not counted as sent. `rtt`: nothing
  // while unknown.
  [[nodiscard]] std::size_t on_nack(std::span<const Seq> lost, Time now,
                                    std::optional<Duration> rtt, std::span<Resend> out) noexcept;

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  // There is one for each of the last packets of each slot, so it is as small as can be: numbers
  // are kept by their low bits, and told apart by how far they can be from the highest.
  struct Entry {
    std::uint32_t seq = 0;         // given out; low 32 bits
    std::uint32_t source_seq = 0;  // low 32 bits
    std::uint32_t track = 0;
    RtpTimestamp timestamp;
    Vp8Numbers vp8;
    std::uint32_t resent_ms = 0;  // when it was last sent again
    std::uint16_t frame_number = 0;
    std::uint16_t bytes = 0;
    std::uint8_t encoding = 0;
    std::uint8_t resends = 0;
    bool marker = false;
    bool used = false;
  };
  static_assert(sizeof(Entry) == 32);
  [[nodiscard]] Resend resend_of(const Entry& entry, ExtSeq seq) const noexcept;
  [[nodiscard]] ExtSeq unwrap(Seq seq) const noexcept;
  [[nodiscard]] Entry& slot(ExtSeq seq) noexcept {
    return ring_[static_cast<std::size_t>(seq.value) & (ring_.size() - 1)];
  }

  std::vector<Entry> ring_;
  std::optional<ExtSeq> highest_;
  ExtSeq source_highest_;  // of the packet sent last
  std::int64_t budget_bytes_ = kBudgetStartBytes;
  Counters counters_;
};

}  // namespace parley::rtp
