#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "rtp/rtcp.h"
#include "rtp/types.h"

namespace parley::rtp {

// What a sender report says besides its blocks.
struct SenderInfo {
  Ssrc sender{};
  NtpTime ntp{};
  RtpTimestamp timestamp{};
  std::uint32_t packets_sent = 0;
  std::uint32_t octets_sent = 0;
};

// Puts RTCP packets one behind the other into a span: a compound datagram. Each verb writes a whole
// packet or nothing; false means that it did not fit (send what is there, begin anew) or that the
// arguments break the packet's own limits, which each verb names.
class RtcpWriter {
 public:
  static constexpr std::size_t kMaxBlocks = 31;  // also of BYE sources
  static constexpr std::size_t kMaxCname = 255;

  explicit RtcpWriter(Bytes out) noexcept : out_(out) {}

  bool sender_report(const SenderInfo& info, std::span<const ReportBlock> blocks = {}) noexcept;
  bool receiver_report(Ssrc sender, std::span<const ReportBlock> blocks) noexcept;
  bool cname(Ssrc source, std::string_view cname) noexcept;  // at most kMaxCname bytes
  bool bye(std::span<const Ssrc> sources) noexcept;          // 1..kMaxBlocks
  // `missing` not empty, each number newer than the one before it.
  bool nack(Ssrc sender, Ssrc media, std::span<const Seq> missing) noexcept;
  bool pli(Ssrc sender, Ssrc media) noexcept;
  bool fir(Ssrc sender, Ssrc media, std::uint8_t number) noexcept;
  bool reference_delays(Ssrc sender, std::span<const ReferenceDelay> delays) noexcept;  // not empty

  // Room for a packet that somebody else writes (TwccRecorder), and how much of it was used.
  [[nodiscard]] Bytes room() const noexcept { return out_.subspan(size_); }
  void advance(std::size_t size) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] Bytes written() const noexcept { return out_.first(size_); }

 private:
  // Writes the header and steps on, if a packet of `size` bytes fits; else an empty span.
  [[nodiscard]] Bytes begin(std::uint8_t count, std::uint8_t type, std::size_t size) noexcept;

  Bytes out_;
  std::size_t size_ = 0;
};

}  // namespace parley::rtp
