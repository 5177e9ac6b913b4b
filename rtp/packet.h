#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "rtp/types.h"

namespace parley::rtp {

enum class ParseError : std::uint8_t { Truncated, BadVersion, BadExtension, BadPadding };

// One RTP packet, edited where it lies (RFC 3550, section 5.1). It owns nothing: the bytes belong
// to a slot of the PacketPool, which must outlive it. Cheap to copy; never stored. What the header
// extensions mean is ExtensionReader's business; making a packet is PacketBuilder's.
class Packet {
 public:
  static constexpr std::size_t kFixedHeaderSize = 12;
  static constexpr std::size_t kMaxCsrcs = 15;

  [[nodiscard]] static tl::expected<Packet, ParseError> parse(Bytes datagram) noexcept;

  [[nodiscard]] Ssrc ssrc() const noexcept;
  [[nodiscard]] Seq seq() const noexcept;
  [[nodiscard]] RtpTimestamp timestamp() const noexcept;
  [[nodiscard]] PayloadType payload_type() const noexcept;
  [[nodiscard]] bool marker() const noexcept;

  [[nodiscard]] std::size_t csrc_count() const noexcept;
  [[nodiscard]] Ssrc csrc(std::size_t index) const noexcept;  // index < csrc_count()

  [[nodiscard]] bool has_extension() const noexcept;
  // 0xBEDE or 0x100x (RFC 8285), 0 without an extension.
  [[nodiscard]] std::uint16_t extension_profile() const noexcept;
  // The elements, without profile and length; empty without an extension.
  [[nodiscard]] ConstBytes extension_data() const noexcept;

  // Without padding.
  [[nodiscard]] ConstBytes payload() const noexcept;
  [[nodiscard]] Bytes mutable_payload() const noexcept;
  // Fixed header, CSRCs and extension: where the payload begins.
  [[nodiscard]] std::size_t header_size() const noexcept { return payload_at_; }
  // The bytes that the P bit announces, its count byte among them; 0 without P.
  [[nodiscard]] std::size_t padding_size() const noexcept;
  // The whole packet, padding and all.
  [[nodiscard]] ConstBytes bytes() const noexcept { return bytes_; }

  void set_ssrc(Ssrc ssrc) noexcept;
  void set_seq(Seq seq) noexcept;
  void set_timestamp(RtpTimestamp timestamp) noexcept;
  void set_marker(bool marker) noexcept;
  void set_payload_type(PayloadType payload_type) noexcept;

 private:
  Packet(Bytes bytes, std::size_t payload_at, std::size_t payload_size) noexcept
      : bytes_(bytes), payload_at_(payload_at), payload_size_(payload_size) {}

  Bytes bytes_;
  std::size_t payload_at_;
  std::size_t payload_size_;
};

}  // namespace parley::rtp
