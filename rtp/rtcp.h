#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "rtp/bytes.h"
#include "rtp/types.h"

namespace parley::rtp {

// The RTCP messages as values and views (RFC 3550, section 6; RFC 3611; RFC 4585; RFC 5104).
// RtcpReader makes them out of a datagram, RtcpWriter puts them on the wire. Views point into the
// datagram.

inline constexpr std::uint8_t kRtcpSenderReport = 200;
inline constexpr std::uint8_t kRtcpReceiverReport = 201;
inline constexpr std::uint8_t kRtcpSourceDescription = 202;
inline constexpr std::uint8_t kRtcpBye = 203;
inline constexpr std::uint8_t kRtcpTransportFeedback = 205;
inline constexpr std::uint8_t kRtcpPayloadFeedback = 206;
inline constexpr std::uint8_t kRtcpExtendedReport = 207;

// Equal-sized entries, read where they lie. T has kWireSize and a static load(ConstBytes).
template <class T>
class WireList {
 public:
  WireList() = default;
  explicit WireList(ConstBytes bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() / T::kWireSize; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] auto operator[](std::size_t index) const noexcept {
    return T::load(bytes_.subspan(index * T::kWireSize, T::kWireSize));
  }

  class Iterator {
   public:
    Iterator(const WireList* list, std::size_t index) noexcept : list_(list), index_(index) {}
    [[nodiscard]] auto operator*() const noexcept { return (*list_)[index_]; }
    Iterator& operator++() noexcept {
      ++index_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.index_ == b.index_;
    }

   private:
    const WireList* list_;
    std::size_t index_;
  };
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, size()}; }

 private:
  ConstBytes bytes_{};
};

struct WireSsrc {
  static constexpr std::size_t kWireSize = 4;
  [[nodiscard]] static Ssrc load(ConstBytes b) noexcept { return Ssrc{load32(b, 0)}; }
};

//  |                 SSRC of the source reported on                |
//  | fraction lost |       cumulative number of packets lost       |
//  |           extended highest sequence number received           |
//  |                      interarrival jitter                      |
//  |                         last SR (LSR)                         |
//  |                   delay since last SR (DLSR)                  |
struct ReportBlock {
  static constexpr std::size_t kWireSize = 24;
  Ssrc ssrc{};
  std::uint8_t fraction_lost = 0;        // of 256
  std::int32_t cumulative_lost = 0;      // 24 bit, signed: duplicates make it negative
  std::uint32_t highest_seq = 0;         // 16 bits of cycles, 16 bits of the number
  std::uint32_t jitter = 0;              // in timestamp units
  std::uint32_t last_sender_report = 0;  // middle 32 bits of its NTP time; 0: none yet
  std::uint32_t delay_since_last = 0;    // in 1/65536 s
  [[nodiscard]] static ReportBlock load(ConstBytes b) noexcept;
  friend constexpr bool operator==(const ReportBlock&, const ReportBlock&) = default;
};

struct SenderReport {
  Ssrc sender{};
  NtpTime ntp{};
  RtpTimestamp timestamp{};
  std::uint32_t packets_sent = 0;
  std::uint32_t octets_sent = 0;
  WireList<ReportBlock> blocks{};
};

struct ReceiverReport {
  Ssrc sender{};
  WireList<ReportBlock> blocks{};
};

// One chunk of a source description that has a CNAME. Each chunk is a message of its own.
struct SourceDescription {
  Ssrc source{};
  std::string_view cname{};
};

struct Bye {
  WireList<WireSsrc> sources{};
};

// Generic NACK (RFC 4585, section 6.2.1): one number and the 16 that follow it.
struct NackItem {
  static constexpr std::size_t kWireSize = 4;
  Seq first{};
  std::uint16_t following = 0;  // bit i: first + i + 1 is missing too
  [[nodiscard]] static NackItem load(ConstBytes b) noexcept {
    return {Seq{load16(b, 0)}, load16(b, 2)};
  }
};

struct Nack {
  Ssrc sender{};
  Ssrc media{};
  WireList<NackItem> items{};

  // Calls `visit(Seq)` for each missing number, in the order of the wire.
  template <class F>
  void for_each_missing(F&& visit) const {
    for (const NackItem item : items) {
      visit(item.first);
      for (unsigned i = 0; i < 16; ++i) {
        if ((item.following >> i & 1U) == 0) continue;
        visit(Seq{static_cast<std::uint16_t>(item.first.value + i + 1)});
      }
    }
  }
};

// Picture loss indication (RFC 4585, section 6.3.1).
struct Pli {
  Ssrc sender{};
  Ssrc media{};
};

// Full intra request (RFC 5104, section 4.3.1). A repeated number is a repeated request.
struct FirItem {
  static constexpr std::size_t kWireSize = 8;
  Ssrc media{};
  std::uint8_t number = 0;
  [[nodiscard]] static FirItem load(ConstBytes b) noexcept { return {Ssrc{load32(b, 0)}, b[4]}; }
};

struct Fir {
  Ssrc sender{};
  WireList<FirItem> items{};
};

// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
struct Remb {
  Ssrc sender{};
  Bitrate bitrate{};
  WireList<WireSsrc> sources{};
};

// Transport-wide feedback; TwccFeedback::parse reads `feedback`.
struct TransportCc {
  Ssrc sender{};
  Ssrc media{};
  ConstBytes feedback{};
};

// The clock of a receiver that sends no media and would know his round trip (RFC 3611,
// section 4.4).
struct ReferenceTime {
  Ssrc receiver{};
  NtpTime ntp{};
};

// The answer to it (RFC 3611, section 4.5).
struct ReferenceDelay {
  static constexpr std::size_t kWireSize = 12;
  Ssrc receiver{};
  std::uint32_t last_reference = 0;    // middle 32 bits of its NTP time
  std::uint32_t delay_since_last = 0;  // in 1/65536 s
};

using RtcpMessage = std::variant<SenderReport, ReceiverReport, SourceDescription, Bye, Nack, Pli,
                                 Fir, Remb, TransportCc, ReferenceTime>;

}  // namespace parley::rtp
