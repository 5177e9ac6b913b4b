#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "rtp/types.h"

namespace parley::rtp {

enum class ParseError : std::uint8_t { Truncated, BadVersion, BadExtension, BadPadding };

// One RTP packet, edited where it lies (RFC 3550, section 5.1). It owns nothing: the bytes belong
// to a slot of the PacketPool, which must outlive it. Cheap to copy; never stored.
class Packet {
 public:
  static constexpr std::size_t kFixedHeaderSize = 12;

  [[nodiscard]] static tl::expected<Packet, ParseError> parse(Bytes datagram) noexcept;

  [[nodiscard]] Ssrc ssrc() const noexcept;
  [[nodiscard]] Seq seq() const noexcept;
  [[nodiscard]] RtpTimestamp timestamp() const noexcept;
  [[nodiscard]] PayloadType payload_type() const noexcept;
  [[nodiscard]] bool marker() const noexcept;
  [[nodiscard]] ConstBytes payload() const noexcept;

  void set_ssrc(Ssrc ssrc) noexcept;
  void set_seq(Seq seq) noexcept;
  void set_timestamp(RtpTimestamp timestamp) noexcept;

 private:
  Packet(Bytes bytes, std::size_t payload_at, std::size_t payload_size) noexcept
      : bytes_(bytes), payload_at_(payload_at), payload_size_(payload_size) {}

  Bytes bytes_;
  std::size_t payload_at_;
  std::size_t payload_size_;
};

}  // namespace parley::rtp
