#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "rtp/extension_writer.h"
#include "rtp/types.h"

namespace parley::rtp {

// What the fixed header says (RFC 3550, section 5.1). `csrcs` must live until it is written.
struct HeaderFields {
  PayloadType payload_type{};
  Seq seq{};
  RtpTimestamp timestamp{};
  Ssrc ssrc{};
  bool marker = false;
  std::span<const Ssrc> csrcs{};  // at most Packet::kMaxCsrcs
};

// Writes the fixed header and the CSRCs, without extension and padding. Returns the size, or 0 if
// it does not fit.
[[nodiscard]] std::size_t write_header(const HeaderFields& fields, Bytes out) noexcept;

// Makes one packet front to back in the given span: header, extensions, payload, padding, in this
// order. What does not fit is remembered and finish() says 0.
//
//   PacketBuilder builder(out, fields);
//   builder.extensions().add(ids.id(Extension::Mid), mid.view());
//   builder.payload(source.payload());
//   const std::size_t size = builder.finish();
class PacketBuilder {
 public:
  PacketBuilder(Bytes out, const HeaderFields& fields) noexcept;

  // Only before the first payload() call.
  [[nodiscard]] ExtensionWriter& extensions() noexcept { return extensions_; }
  // May be called several times: the parts follow each other (RTX: original seq, then payload).
  void payload(ConstBytes part) noexcept;
  // 1..255 bytes behind the payload, with the P bit. At most once, last.
  void padding(std::uint8_t size) noexcept;

  // Where the payload begins and what of it is there, to be edited in place.
  [[nodiscard]] Bytes written_payload() noexcept;
  // The size of the packet, 0 if it did not fit.
  [[nodiscard]] std::size_t finish() noexcept;

 private:
  void close_header() noexcept;

  Bytes out_;
  std::size_t fixed_size_;
  ExtensionWriter extensions_;
  std::size_t payload_at_ = 0;  // 0 while the header is open
  std::size_t size_ = 0;
  bool ok_;
};

}  // namespace parley::rtp
