#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rtp/types.h"

namespace parley::server {

// The payload protocol identifiers of WebRTC (RFC 8831, section 8).
enum class DataPpid : std::uint32_t {
  Control = 50,  // DCEP
  Text = 51,
  Binary = 53,
  EmptyText = 56,  // SCTP has no empty messages: one byte stands for none
  EmptyBinary = 57,
};

// How a channel's messages are delivered. At most one of the limits is set.
struct Delivery {
  bool ordered = true;
  std::optional<std::uint32_t> max_retransmits;
  std::optional<std::uint32_t> max_lifetime_ms;
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

// The message with which a peer opens a channel (RFC 8832, section 5.1).
struct ChannelOpen {
  static constexpr std::size_t kMaxLabel = 128;  // bytes of each; longer ones are refused
  Delivery delivery;
  std::uint16_t priority = 0;
  std::string label;
  std::string protocol;
  friend bool operator==(const ChannelOpen&, const ChannelOpen&) = default;
};

// Nothing for anything else: another type, a length that is not what follows, an unknown kind of
// channel, names that are too long.
[[nodiscard]] std::optional<ChannelOpen> read_channel_open(rtp::ConstBytes message);
[[nodiscard]] std::vector<std::uint8_t> write_channel_open(const ChannelOpen& open);
// RFC 8832, section 5.2: one byte.
[[nodiscard]] bool is_channel_ack(rtp::ConstBytes message) noexcept;
[[nodiscard]] std::vector<std::uint8_t> write_channel_ack();

}  // namespace parley::server
