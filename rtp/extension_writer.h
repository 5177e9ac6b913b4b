#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rtp/extension_reader.h"
#include "rtp/types.h"

namespace parley::rtp {

// Writes one header extension into a span (RFC 8285): profile, length, elements, padded to words.
// It takes the one-byte form unless an element needs the two-byte form (id over 14, or a size of 0
// or over 16). While elements come in each costs the two bytes of the larger form; finish() closes
// up when the smaller one does.
class ExtensionWriter {
 public:
  explicit ExtensionWriter(Bytes out) noexcept;

  // False, and nothing written: id 0 (not negotiated), over 255 bytes, or no room.
  bool add(std::uint8_t id, ConstBytes data) noexcept;
  bool add(std::uint8_t id, std::string_view text) noexcept;
  bool add(std::uint8_t id, AudioLevel level) noexcept;
  bool add(std::uint8_t id, AbsSendTime time) noexcept;
  bool add_transport_cc(std::uint8_t id, Seq seq) noexcept;

  // Bytes of the whole extension, a multiple of 4; 0 if no element was added (then the packet has
  // no X bit). Call once, last.
  [[nodiscard]] std::size_t finish() noexcept;

 private:
  Bytes out_;
  std::size_t at_;  // behind the last element, in two-byte form
  bool one_byte_ = true;
};

}  // namespace parley::rtp
