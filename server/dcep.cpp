#include "server/dcep.h"

#include "rtp/bytes.h"

namespace parley::server {
namespace {

constexpr std::uint8_t kAck = 0x02;
constexpr std::uint8_t kOpen = 0x03;
constexpr std::size_t kOpenHeader = 12;
// Channel types (RFC 8832, section 8.2.2).
constexpr std::uint8_t kReliable = 0x00;
constexpr std::uint8_t kRetransmits = 0x01;
constexpr std::uint8_t kLifetime = 0x02;
constexpr std::uint8_t kUnordered = 0x80;

std::string text_of(rtp::ConstBytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

std::optional<ChannelOpen> read_channel_open(rtp::ConstBytes message) {
  if (message.size() < kOpenHeader || message[0] != kOpen) return std::nullopt;
  const std::size_t label_size = rtp::load16(message, 8);
  const std::size_t protocol_size = rtp::load16(message, 10);
  if (label_size > ChannelOpen::kMaxLabel || protocol_size > ChannelOpen::kMaxLabel ||
      message.size() != kOpenHeader + label_size + protocol_size) {
    return std::nullopt;
  }
  ChannelOpen open;
  const std::uint8_t type = message[1];
  const std::uint32_t parameter = rtp::load32(message, 4);
  open.delivery.ordered = (type & kUnordered) == 0;
  switch (type & ~kUnordered) {
    case kReliable:
      break;
    case kRetransmits:
      open.delivery.max_retransmits = parameter;
      break;
    case kLifetime:
      open.delivery.max_lifetime_ms = parameter;
      break;
    default:
      return std::nullopt;
  }
  open.priority = rtp::load16(message, 2);
  open.label = text_of(message.subspan(kOpenHeader, label_size));
  open.protocol = text_of(message.subspan(kOpenHeader + label_size));
  return open;
}

std::vector<std::uint8_t> write_channel_open(const ChannelOpen& open) {
  std::vector<std::uint8_t> out(kOpenHeader);
  const rtp::Bytes bytes(out);
  std::uint8_t type = kReliable;
  std::uint32_t parameter = 0;
  if (open.delivery.max_retransmits) {
    type = kRetransmits;
    parameter = *open.delivery.max_retransmits;
  } else if (open.delivery.max_lifetime_ms) {
    type = kLifetime;
    parameter = *open.delivery.max_lifetime_ms;
  }
  if (!open.delivery.ordered) type |= kUnordered;
  out[0] = kOpen;
  out[1] = type;
  rtp::store16(bytes, 2, open.priority);
  rtp::store32(bytes, 4, parameter);
  rtp::store16(bytes, 8, static_cast<std::uint16_t>(open.label.size()));
  rtp::store16(bytes, 10, static_cast<std::uint16_t>(open.protocol.size()));
  out.insert(out.end(), open.label.begin(), open.label.end());
  out.insert(out.end(), open.protocol.begin(), open.protocol.end());
  return out;
}

bool is_channel_ack(rtp::ConstBytes message) noexcept {
  return message.size() == 1 && message[0] == kAck;
}

std::vector<std::uint8_t> write_channel_ack() { return {kAck}; }

}  // namespace parley::server
