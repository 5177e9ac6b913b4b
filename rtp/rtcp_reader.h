#pragma once

#include <cstdint>
#include <optional>

#include "rtp/rtcp.h"
#include "rtp/types.h"

namespace parley::rtp {

// Takes a compound or reduced-size RTCP datagram apart (RFC 3550, section 6.1; RFC 5506). What is
// sound comes out; an unknown type is skipped, a malformed packet is skipped and counted, and a
// length that lies ends the walk, as nothing behind it can be trusted. Views point into `datagram`.
//
//   RtcpReader reader(datagram);
//   while (const auto message = reader.next()) std::visit(handler, *message);
class RtcpReader {
 public:
  explicit RtcpReader(ConstBytes datagram) noexcept : rest_(datagram) {}

  [[nodiscard]] std::optional<RtcpMessage> next() noexcept;
  // Malformed packets so far, an untrusted rest counted as one.
  [[nodiscard]] std::uint32_t malformed() const noexcept { return malformed_; }

 private:
  [[nodiscard]] std::optional<RtcpMessage> next_chunk() noexcept;

  ConstBytes rest_;
  ConstBytes chunks_{};  // what is left of a source description
  std::uint8_t chunk_count_ = 0;
  std::uint32_t malformed_ = 0;
};

}  // namespace parley::rtp
