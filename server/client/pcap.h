#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <tl/expected.hpp>

#include "rtp/types.h"

namespace parley::client {

enum class PcapError : std::uint8_t { CannotRead, NotPcap, UnknownLinkType, Truncated, TooLarge };

// The payload of one UDP datagram of a capture.
struct CapturedDatagram {
  rtp::Duration at{};  // since the first packet of the capture
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::vector<std::uint8_t> payload;
};

// All UDP over IPv4 in a capture file, classic (draft-ietf-opsawg-pcap) or pcapng
// (draft-ietf-opsawg-pcapng): both byte orders, Ethernet or raw IP. Anything else in it is left
// out. Captures over 64 MiB are refused.
[[nodiscard]] tl::expected<std::vector<CapturedDatagram>, PcapError> parse_pcap(
    rtp::ConstBytes file);
[[nodiscard]] tl::expected<std::vector<CapturedDatagram>, PcapError> read_pcap(
    const std::filesystem::path& path);

}  // namespace parley::client
