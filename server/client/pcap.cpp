#include "server/client/pcap.h"

#include <fstream>
#include <iterator>
#include <optional>

namespace parley::client {
namespace {

using rtp::ConstBytes;

constexpr std::size_t kMaxFile = 64u << 20;
// Some 35,000 years: what a file says about time must not overflow our sums.
constexpr std::uint64_t kMaxTimeUs = (std::uint64_t{1} << 60) - 1;
constexpr std::uint32_t kPcapMagic = 0xA1B2C3D4;
constexpr std::uint32_t kPcapNanoMagic = 0xA1B23C4D;
constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint32_t kInterfaceBlock = 1;
constexpr std::uint32_t kEnhancedPacketBlock = 6;
constexpr std::uint32_t kLinkEthernet = 1;
constexpr std::uint32_t kLinkRaw = 101;
constexpr std::uint32_t kLinkIpv4 = 228;

// Numbers in the file's own byte order. Callers have checked the size.
struct Words {
  ConstBytes bytes;
  bool big = false;

  [[nodiscard]] std::uint32_t at(std::size_t i) const noexcept {
    const auto b = [&](std::size_t k) { return std::uint32_t{bytes[i + (big ? k : 3 - k)]}; };
    return b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3);
  }
  [[nodiscard]] std::uint32_t half(std::size_t i) const noexcept {
    const auto b = [&](std::size_t k) { return std::uint32_t{bytes[i + (big ? k : 1 - k)]}; };
    return b(0) << 8 | b(1);
  }
};

bool known_link(std::uint32_t link) noexcept {
  return link == kLinkEthernet || link == kLinkRaw || link == kLinkIpv4;
}

std::uint32_t be16(ConstBytes b, std::size_t i) noexcept {
  return std::uint32_t{b[i]} << 8 | b[i + 1];
}

// The UDP payload of a captured frame; nothing for what is no whole, unfragmented UDP over IPv4.
std::optional<CapturedDatagram> udp_of(ConstBytes frame, std::uint32_t link) {
  if (link == kLinkEthernet) {
    if (frame.size() < 14 || be16(frame, 12) != 0x0800) return std::nullopt;
    frame = frame.subspan(14);
  }
  if (frame.size() < 20 || frame[0] >> 4 != 4 || frame[9] != 17) return std::nullopt;
  if ((be16(frame, 6) & 0x3FFF) != 0) return std::nullopt;  // a fragment
  const std::size_t header = 4 * std::size_t{frame[0] & 0x0FU};
  if (header < 20 || frame.size() < header + 8) return std::nullopt;
  const ConstBytes udp = frame.subspan(header);
  const std::size_t length = be16(udp, 4);
  if (length < 8 || udp.size() < length) return std::nullopt;
  CapturedDatagram datagram;
  datagram.source_port = static_cast<std::uint16_t>(be16(udp, 0));
  datagram.destination_port = static_cast<std::uint16_t>(be16(udp, 2));
  const ConstBytes payload = udp.subspan(8, length - 8);
  datagram.payload.assign(payload.begin(), payload.end());
  return datagram;
}

// Collects datagrams and sets the first one's time to zero. A clock that is set back goes on where
// it was: captures made from a log that leaves out the hour have that.
class Collector {
 public:
  void add(std::int64_t us, ConstBytes frame, std::uint32_t link) {
    if (!last_us_) shift_us_ = -us;
    if (last_us_ && us + kSetBackUs < *last_us_) shift_us_ += *last_us_ - us;
    last_us_ = us;
    auto datagram = udp_of(frame, link);
    if (!datagram) return;
    datagram->at = rtp::Duration(us + shift_us_);
    datagrams_.push_back(std::move(*datagram));
  }
  std::vector<CapturedDatagram> take() { return std::move(datagrams_); }

 private:
  static constexpr std::int64_t kSetBackUs = 1'000'000;  // less is packets out of order
  std::optional<std::int64_t> last_us_;
  std::int64_t shift_us_ = 0;
  std::vector<CapturedDatagram> datagrams_;
};

tl::expected<std::vector<CapturedDatagram>, PcapError> parse_classic(ConstBytes file, bool big,
                                                                     bool nano) {
  if (file.size() < 24) return tl::unexpected(PcapError::Truncated);
  const std::uint32_t link = Words{file, big}.at(20) & 0xFFFF;
  if (!known_link(link)) return tl::unexpected(PcapError::UnknownLinkType);
  Collector collector;
  for (ConstBytes rest = file.subspan(24); !rest.empty();) {
    if (rest.size() < 16) return tl::unexpected(PcapError::Truncated);
    const Words words{rest, big};
    const std::size_t size = words.at(8);
    if (rest.size() - 16 < size) return tl::unexpected(PcapError::Truncated);
    const std::int64_t us =
        std::int64_t{words.at(0)} * 1'000'000 + words.at(4) / (nano ? 1'000 : 1);
    collector.add(us, rest.subspan(16, size), link);
    rest = rest.subspan(16 + size);
  }
  return collector.take();
}

struct Interface {
  std::uint32_t link = 0;
  std::int64_t ticks_per_s = 1'000'000;
};

// if_tsresol is option 9: a power of ten, or of two if the top bit is set.
Interface read_interface(const Words& block, std::size_t body) {
  Interface interface { block.half(8), 1'000'000 };
  for (std::size_t at = 16; at + 4 <= 8 + body;) {
    const std::uint32_t code = block.half(at);
    const std::size_t size = block.half(at + 2);
    if (code == 0 || at + 4 + size > 8 + body) break;
    if (code == 9 && size == 1) {
      const std::uint32_t power = block.bytes[at + 4] & 0x7FU;
      interface.ticks_per_s = 1;
      const bool binary = (block.bytes[at + 4] & 0x80) != 0;
      for (std::uint32_t i = 0; i < power && interface.ticks_per_s < 1'000'000'000; ++i) {
        interface.ticks_per_s *= binary ? 2 : 10;
      }
    }
    at += 4 + ((size + 3) & ~std::size_t{3});
  }
  return interface;
}

tl::expected<std::vector<CapturedDatagram>, PcapError> parse_ng(ConstBytes file) {
  Collector collector;
  std::vector<Interface> interfaces;
  bool big = false;
  for (ConstBytes rest = file; !rest.empty();) {
    if (rest.size() < 12) return tl::unexpected(PcapError::Truncated);
    const bool section = Words{rest, true}.at(0) == kSectionHeader;
    if (section) {
      big = Words{rest, true}.at(8) == kByteOrderMagic;
      if (!big && Words{rest, false}.at(8) != kByteOrderMagic) {
        return tl::unexpected(PcapError::NotPcap);
      }
      interfaces.clear();
    }
    const Words block{rest, big};
    const std::size_t size = block.at(4);
    if (size < 12 || size % 4 != 0 || rest.size() < size) {
      return tl::unexpected(PcapError::Truncated);
    }
    const std::size_t body = size - 12;
    if (!section && block.at(0) == kInterfaceBlock) {
      if (body < 8) return tl::unexpected(PcapError::Truncated);
      interfaces.push_back(read_interface(block, body));
    } else if (!section && block.at(0) == kEnhancedPacketBlock) {
      if (body < 20) return tl::unexpected(PcapError::Truncated);
      const std::size_t id = block.at(8);
      const std::size_t captured = block.at(20);
      if (id >= interfaces.size() || captured > body - 20) {
        return tl::unexpected(PcapError::Truncated);
      }
      if (!known_link(interfaces[id].link)) return tl::unexpected(PcapError::UnknownLinkType);
      const std::uint64_t ticks = std::uint64_t{block.at(12)} << 32 | block.at(16);
      const auto rate = static_cast<std::uint64_t>(interfaces[id].ticks_per_s);
      const std::uint64_t us = ticks / rate * 1'000'000 + ticks % rate * 1'000'000 / rate;
      collector.add(static_cast<std::int64_t>(us & kMaxTimeUs), rest.subspan(28, captured),
                    interfaces[id].link);
    }
    rest = rest.subspan(size);
  }
  return collector.take();
}

}  // namespace

tl::expected<std::vector<CapturedDatagram>, PcapError> parse_pcap(ConstBytes file) {
  if (file.size() < 4) return tl::unexpected(PcapError::Truncated);
  for (const bool big : {false, true}) {
    const std::uint32_t magic = Words{file, big}.at(0);
    if (magic == kPcapMagic) return parse_classic(file, big, false);
    if (magic == kPcapNanoMagic) return parse_classic(file, big, true);
    if (magic == kSectionHeader) return parse_ng(file);
  }
  return tl::unexpected(PcapError::NotPcap);
}

tl::expected<std::vector<CapturedDatagram>, PcapError> read_pcap(
    const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return tl::unexpected(PcapError::CannotRead);
  if (size > kMaxFile) return tl::unexpected(PcapError::TooLarge);
  std::ifstream in(path, std::ios::binary);
  if (!in) return tl::unexpected(PcapError::CannotRead);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  return parse_pcap({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace parley::client
