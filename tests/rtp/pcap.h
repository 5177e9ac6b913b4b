#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "rtp/types.h"

namespace parley::rtp {

// One UDP payload of a capture and when it was sent.
struct CapturedPacket {
  Time at{};
  std::vector<std::uint8_t> bytes;
};

// Reads a little-endian pcapng file of Ethernet, IPv4, UDP, as text2pcap writes it; what is
// anything else is left out. Nothing at all if the file is not there. For tests: the bytes of our
// own captures are trusted as to form, cut-off blocks end the reading.
inline std::vector<CapturedPacket> read_pcap(const std::filesystem::path& path) {
  constexpr std::uint32_t kInterface = 1;
  constexpr std::uint32_t kEnhancedPacket = 6;
  constexpr std::uint16_t kResolutionOption = 9;
  constexpr std::size_t kUdpPayloadAt = 14 + 20 + 8;

  std::ifstream in(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  const std::vector<std::uint8_t> file(text.begin(), text.end());
  const auto le16 = [&](std::size_t at) {
    return static_cast<std::uint16_t>(file[at] | file[at + 1] << 8);
  };
  const auto le32 = [&](std::size_t at) {
    return std::uint32_t{le16(at)} | std::uint32_t{le16(at + 2)} << 16;
  };

  std::vector<CapturedPacket> packets;
  std::uint64_t ticks_per_us = 1;
  Duration lost_minutes{};
  std::size_t size = 0;
  for (std::size_t at = 0; at + 12 <= file.size(); at += size) {
    const std::uint32_t type = le32(at);
    size = le32(at + 4);
    if (size < 12 || size > file.size() - at) break;
    for (std::size_t option = at + 16; type == kInterface && option + 8 < at + size;) {
      if (le16(option) == kResolutionOption) {
        for (int digits = file[option + 4]; digits > 6; --digits) ticks_per_us *= 10;
      }
      option += 4 + (std::size_t{le16(option + 2)} + 3) / 4 * 4;
    }
    if (type != kEnhancedPacket || size < 32 + kUdpPayloadAt) continue;
    const std::uint64_t ticks = std::uint64_t{le32(at + 12)} << 32 | le32(at + 16);
    const std::span<const std::uint8_t> frame(file.data() + at + 28, le32(at + 20));
    const bool udp = frame.size() >= kUdpPayloadAt && frame[12] == 0x08 && frame[13] == 0 &&
                     frame[14] == 0x45 && frame[23] == 17;
    if (!udp) continue;
    const auto udp_size = static_cast<std::size_t>(frame[38] << 8 | frame[39]);
    if (udp_size < 8 || udp_size - 8 > frame.size() - kUdpPayloadAt) continue;
    const auto payload = frame.subspan(kUdpPayloadAt, udp_size - 8);
    Time when = Time{Duration{static_cast<std::int64_t>(ticks / ticks_per_us)}} + lost_minutes;
    // The log that the captures come from had no date: a minute's end throws its clock back.
    if (!packets.empty() && when < packets.back().at - std::chrono::seconds(30)) {
      lost_minutes += std::chrono::minutes(1);
      when += std::chrono::minutes(1);
    }
    packets.push_back({when, {payload.begin(), payload.end()}});
  }
  return packets;
}

// One of our own captures of Chromium, by the name of its file in tests/data/rtp.
inline std::vector<CapturedPacket> read_test_pcap(const std::string& name) {
  return read_pcap(std::filesystem::path(PARLEY_TEST_DATA) / "rtp" / name);
}

}  // namespace parley::rtp
