#include "rtp/rtcp_reader.h"

#include <algorithm>
#include <limits>

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

using Parsed = std::optional<RtcpMessage>;

constexpr std::size_t kHeaderSize = 4;
constexpr std::uint32_t kRembName = 0x52454d42;  // "REMB"

WireList<ReportBlock> report_blocks(Reader& reader, std::size_t count) noexcept {
  return WireList<ReportBlock>(reader.take(count * ReportBlock::kWireSize));
}

// |                         SSRC of sender                        |
// |              NTP timestamp, most significant word             |
// |             NTP timestamp, least significant word             |
// |                         RTP timestamp                         |
// |                     sender's packet count                     |
// |                      sender's octet count                     |
// |                    report blocks (RC times)                   |
Parsed sender_report(ConstBytes body, std::size_t count) noexcept {
  Reader reader(body);
  SenderReport report;
  report.sender = Ssrc{reader.u32()};
  report.ntp = NtpTime{reader.u64()};
  report.timestamp = RtpTimestamp{reader.u32()};
  report.packets_sent = reader.u32();
  report.octets_sent = reader.u32();
  report.blocks = report_blocks(reader, count);
  if (!reader.ok()) return std::nullopt;
  return report;
}

Parsed receiver_report(ConstBytes body, std::size_t count) noexcept {
  Reader reader(body);
  ReceiverReport report;
  report.sender = Ssrc{reader.u32()};
  report.blocks = report_blocks(reader, count);
  if (!reader.ok()) return std::nullopt;
  return report;
}

// A reason may follow the sources; nobody needs it.
Parsed bye(ConstBytes body, std::size_t count) noexcept {
  Reader reader(body);
  const Bye message{WireList<WireSsrc>(reader.take(count * WireSsrc::kWireSize))};
  if (!reader.ok()) return std::nullopt;
  return message;
}

// |                  SSRC of packet sender                        |
// |                  SSRC of media source                         |
// |            feedback control information (FCI)                 |
Parsed transport_feedback(ConstBytes body, std::size_t format) noexcept {
  constexpr std::size_t kNack = 1;
  constexpr std::size_t kTransportCc = 15;
  Reader reader(body);
  const Ssrc sender{reader.u32()};
  const Ssrc media{reader.u32()};
  if (!reader.ok()) return std::nullopt;
  if (format == kTransportCc) return TransportCc{sender, media, reader.rest()};
  if (format != kNack) return std::nullopt;
  const WireList<NackItem> items(reader.rest());
  if (items.empty()) return std::nullopt;
  return Nack{sender, media, items};
}

// |  'R' 'E' 'M' 'B'                                              |
// |  num SSRC     | BR exp (6)|  BR mantissa (18)                 |
// |  SSRCs                                                        |
Parsed remb(Ssrc sender, Reader& reader) noexcept {
  const std::uint32_t name = reader.u32();
  const std::size_t count = reader.u8();
  const std::uint32_t rate = reader.u24();
  const WireList<WireSsrc> sources(reader.take(count * WireSsrc::kWireSize));
  if (!reader.ok() || name != kRembName) return std::nullopt;
  const std::uint32_t exponent = rate >> 18;
  const std::int64_t mantissa = rate & 0x3ffffU;
  constexpr std::uint32_t kMaxShift = 45;  // 18 bits of mantissa stay within 63
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::int64_t bps = exponent > kMaxShift ? kMost : mantissa << exponent;
  return Remb{sender, Bitrate{mantissa == 0 ? 0 : bps}, sources};
}

Parsed payload_feedback(ConstBytes body, std::size_t format) noexcept {
  constexpr std::size_t kPli = 1;
  constexpr std::size_t kFir = 4;
  constexpr std::size_t kApplication = 15;
  Reader reader(body);
  const Ssrc sender{reader.u32()};
  const Ssrc media{reader.u32()};
  if (!reader.ok()) return std::nullopt;
  if (format == kPli) return Pli{sender, media};
  if (format == kApplication) return remb(sender, reader);
  if (format != kFir) return std::nullopt;
  const WireList<FirItem> items(reader.rest());
  if (items.empty()) return std::nullopt;
  return Fir{sender, items};
}

constexpr std::uint8_t kReferenceTimeBlock = 4;

// Of the blocks of an extended report: what stands in the one of this type.
std::optional<ConstBytes> block_of(ConstBytes body, std::uint8_t type) noexcept {
  Reader reader(body);
  reader.skip(4);  // the sender
  while (reader.ok() && !reader.rest().empty()) {
    const std::uint8_t kind = reader.u8();
    reader.skip(1);
    const ConstBytes content = reader.take(std::size_t{4} * reader.u16());
    if (reader.ok() && kind == type) return content;
  }
  return std::nullopt;
}

// |     BT=4      |   reserved    |       block length = 2        |
// |              NTP timestamp, most significant word             |
// |             NTP timestamp, least significant word             |
Parsed reference_time(ConstBytes body) noexcept {
  const auto block = block_of(body, kReferenceTimeBlock);
  if (!block || block->size() != 8) return std::nullopt;
  return ReferenceTime{Ssrc{load32(body, 0)}, NtpTime{load64(*block, 0)}};
}

// Whether a message of this kind is one that we read: others are skipped, not malformed.
bool is_known(std::uint8_t type, std::size_t format, ConstBytes body) noexcept {
  switch (type) {
    case kRtcpSenderReport:
    case kRtcpReceiverReport:
    case kRtcpSourceDescription:
    case kRtcpBye:
      return true;
    case kRtcpTransportFeedback:
      return format == 1 || format == 15;
    case kRtcpPayloadFeedback:
      if (format != 15) return format == 1 || format == 4;
      return body.size() >= 12 && load32(body, 8) == kRembName;
    case kRtcpExtendedReport:
      return block_of(body, kReferenceTimeBlock).has_value();
    default:
      return false;  // a plain number, not an enum
  }
}

Parsed parse(std::uint8_t type, std::size_t count, ConstBytes body) noexcept {
  switch (type) {
    case kRtcpSenderReport:
      return sender_report(body, count);
    case kRtcpReceiverReport:
      return receiver_report(body, count);
    case kRtcpBye:
      return bye(body, count);
    case kRtcpTransportFeedback:
      return transport_feedback(body, count);
    case kRtcpPayloadFeedback:
      return payload_feedback(body, count);
    case kRtcpExtendedReport:
      return reference_time(body);
    default:
      return std::nullopt;
  }
}

// Finds the CNAME among the items of one chunk and steps over the chunk's padding. Chunks begin on
// word boundaries, so what is left of `reader` says where we are.
std::optional<std::string_view> read_items(Reader& reader) noexcept {
  constexpr std::uint8_t kCname = 1;
  std::optional<std::string_view> cname;
  for (std::uint8_t item = reader.u8(); item != 0; item = reader.u8()) {
    const ConstBytes text = reader.take(reader.u8());
    if (item != kCname || cname) continue;
    cname = std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
  }
  reader.skip((4 - reader.position() % 4) % 4);
  return cname;
}

}  // namespace

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |V=2|P| RC/FMT  |      PT       |      length in words - 1      |
std::optional<RtcpMessage> RtcpReader::next() noexcept {
  while (true) {
    if (auto chunk = next_chunk()) return chunk;
    if (rest_.empty()) return std::nullopt;

    const bool has_header = rest_.size() >= kHeaderSize && rest_[0] >> 6 == 2;
    const std::size_t size = has_header ? 4 * (std::size_t{load16(rest_, 2)} + 1) : 0;
    if (!has_header || size > rest_.size()) {
      ++malformed_;
      rest_ = {};
      return std::nullopt;
    }
    const ConstBytes packet = rest_.first(size);
    rest_ = rest_.subspan(size);

    const bool has_padding = (packet[0] & 0x20) != 0;
    const std::size_t padding = has_padding ? packet.back() : 0;
    if (padding > size - kHeaderSize || (has_padding && padding == 0)) {
      ++malformed_;
      continue;
    }
    const ConstBytes body = packet.subspan(kHeaderSize, size - kHeaderSize - padding);
    const std::uint8_t type = packet[1];
    const std::size_t count = packet[0] & 0x1f;
    if (!is_known(type, count, body)) continue;
    if (type == kRtcpSourceDescription) {
      chunks_ = body;
      chunk_count_ = static_cast<std::uint8_t>(count);
      continue;
    }
    if (auto message = parse(type, count, body)) return message;
    ++malformed_;
  }
}

// |                           SSRC/CSRC                           |
// |    CNAME=1    |     length    | user and domain name         ...
// |  other items ..., then at least one zero byte up to the next word
std::optional<RtcpMessage> RtcpReader::next_chunk() noexcept {
  while (chunk_count_ > 0) {
    --chunk_count_;
    Reader reader(chunks_);
    const Ssrc source{reader.u32()};
    const auto cname = read_items(reader);
    if (!reader.ok()) {
      ++malformed_;
      chunk_count_ = 0;
      return std::nullopt;
    }
    chunks_ = reader.rest();
    if (cname) return SourceDescription{source, *cname};
  }
  return std::nullopt;
}

}  // namespace parley::rtp
