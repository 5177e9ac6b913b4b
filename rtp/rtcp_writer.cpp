#include "rtp/rtcp_writer.h"

#include <cassert>

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kFeedbackHeaderSize = 12;  // with the two SSRCs

void write_block(Writer& writer, const ReportBlock& block) noexcept {
  writer.u32(block.ssrc.value);
  writer.u8(block.fraction_lost);
  writer.u24(static_cast<std::uint32_t>(block.cumulative_lost));
  writer.u32(block.highest_seq);
  writer.u32(block.jitter);
  writer.u32(block.last_sender_report);
  writer.u32(block.delay_since_last);
}

// How many of `missing`, from the first on, one NACK item holds, and the item.
std::size_t pack(std::span<const Seq> missing, NackItem& item) noexcept {
  item = {missing[0], 0};
  std::size_t count = 1;
  for (; count < missing.size(); ++count) {
    const auto ahead = static_cast<std::uint16_t>(missing[count].value - item.first.value);
    if (ahead > 16) break;
    if (ahead == 0) continue;  // said twice
    item.following = static_cast<std::uint16_t>(item.following | 1U << (ahead - 1));
  }
  return count;
}

}  // namespace

Bytes RtcpWriter::begin(std::uint8_t count, std::uint8_t type, std::size_t size) noexcept {
  assert(size % 4 == 0);
  if (size > out_.size() - size_ || size > 0xffff) return {};
  const Bytes packet = out_.subspan(size_, size);
  packet[0] = static_cast<std::uint8_t>(0x80 | count);
  packet[1] = type;
  store16(packet, 2, static_cast<std::uint16_t>(size / 4 - 1));
  size_ += size;
  return packet;
}

bool RtcpWriter::sender_report(const SenderInfo& info,
                               std::span<const ReportBlock> blocks) noexcept {
  if (blocks.size() > kMaxBlocks) return false;
  const Bytes packet = begin(static_cast<std::uint8_t>(blocks.size()), kRtcpSenderReport,
                             kHeaderSize + 24 + blocks.size() * ReportBlock::kWireSize);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(info.sender.value);
  writer.u64(info.ntp.value);
  writer.u32(info.timestamp.value);
  writer.u32(info.packets_sent);
  writer.u32(info.octets_sent);
  for (const ReportBlock& block : blocks) write_block(writer, block);
  return true;
}

bool RtcpWriter::receiver_report(Ssrc sender, std::span<const ReportBlock> blocks) noexcept {
  if (blocks.size() > kMaxBlocks) return false;
  const Bytes packet = begin(static_cast<std::uint8_t>(blocks.size()), kRtcpReceiverReport,
                             kHeaderSize + 4 + blocks.size() * ReportBlock::kWireSize);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(sender.value);
  for (const ReportBlock& block : blocks) write_block(writer, block);
  return true;
}

bool RtcpWriter::cname(Ssrc source, std::string_view cname) noexcept {
  if (cname.size() > kMaxCname) return false;
  const std::size_t chunk = 4 + 2 + cname.size();
  const std::size_t padding = 4 - chunk % 4;  // never 0: a zero byte ends the items
  const Bytes packet = begin(1, kRtcpSourceDescription, kHeaderSize + chunk + padding);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(source.value);
  writer.u8(1);  // CNAME
  writer.u8(static_cast<std::uint8_t>(cname.size()));
  writer.bytes(ConstBytes(reinterpret_cast<const std::uint8_t*>(cname.data()), cname.size()));
  writer.zeros(padding);
  return true;
}

bool RtcpWriter::bye(std::span<const Ssrc> sources) noexcept {
  if (sources.empty() || sources.size() > kMaxBlocks) return false;
  const Bytes packet =
      begin(static_cast<std::uint8_t>(sources.size()), kRtcpBye, kHeaderSize + 4 * sources.size());
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  for (const Ssrc source : sources) writer.u32(source.value);
  return true;
}

bool RtcpWriter::nack(Ssrc sender, Ssrc media, std::span<const Seq> missing) noexcept {
  if (missing.empty()) return false;
  NackItem item;
  std::size_t items = 0;
  for (std::size_t i = 0; i < missing.size(); ++items) i += pack(missing.subspan(i), item);

  const Bytes packet =
      begin(1, kRtcpTransportFeedback, kFeedbackHeaderSize + items * NackItem::kWireSize);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(sender.value);
  writer.u32(media.value);
  for (std::size_t i = 0; i < missing.size();) {
    i += pack(missing.subspan(i), item);
    writer.u16(item.first.value);
    writer.u16(item.following);
  }
  return true;
}

bool RtcpWriter::pli(Ssrc sender, Ssrc media) noexcept {
  const Bytes packet = begin(1, kRtcpPayloadFeedback, kFeedbackHeaderSize);
  if (packet.empty()) return false;
  store32(packet, 4, sender.value);
  store32(packet, 8, media.value);
  return true;
}

bool RtcpWriter::fir(Ssrc sender, Ssrc media, std::uint8_t number) noexcept {
  const Bytes packet = begin(4, kRtcpPayloadFeedback, kFeedbackHeaderSize + FirItem::kWireSize);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(sender.value);
  writer.u32(0);  // unused: the item names the source
  writer.u32(media.value);
  writer.u8(number);
  writer.u24(0);
  return true;
}

// |     BT=5      |   reserved    |         block length          |
// |                 SSRC_1 (SSRC of first receiver)               |
// |                         last RR (LRR)                         |
// |                   delay since last RR (DLRR)                  |
bool RtcpWriter::reference_delays(Ssrc sender, std::span<const ReferenceDelay> delays) noexcept {
  constexpr std::uint8_t kDelayBlock = 5;
  if (delays.empty()) return false;
  const std::size_t blocks = delays.size() * ReferenceDelay::kWireSize;
  const Bytes packet = begin(0, kRtcpExtendedReport, kHeaderSize + 4 + 4 + blocks);
  if (packet.empty()) return false;
  Writer writer(packet.subspan(kHeaderSize));
  writer.u32(sender.value);
  writer.u8(kDelayBlock);
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(blocks / 4));
  for (const ReferenceDelay& delay : delays) {
    writer.u32(delay.receiver.value);
    writer.u32(delay.last_reference);
    writer.u32(delay.delay_since_last);
  }
  return true;
}

void RtcpWriter::advance(std::size_t size) noexcept {
  assert(size <= out_.size() - size_);
  size_ += size;
}

}  // namespace parley::rtp
