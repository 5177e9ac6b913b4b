#pragma once

#include <cstddef>
#include <cstdint>

#include "rtp/dependency_descriptor.h"
#include "rtp/types.h"

namespace parley::rtp {

// Which layers of its encoding somebody gets: those up to these, and nothing else by default.
struct LayerLimit {
  static constexpr std::uint8_t kAll = 7;
  std::uint8_t spatial = kAll;
  std::uint8_t temporal = kAll;
  friend bool operator==(LayerLimit, LayerLimit) = default;
};

// To which layer of its encoding a packet belongs, and what a receiver of fewer layers may do at
// it. Where the payload or the descriptor does not say it, the packet belongs to everybody.
//
// Two kinds of points lead up to more pictures a second. A VP8 picture with Y depends on the base
// layer alone (RFC 7741, section 4.2): it is itself `enterable`. A VP9 picture with U (RFC 9628,
// section 4.2), and a frame with the indication Switch (AV1 RTP specification, section A.4), tell
// of what comes behind it: it `opens` layers. Up to a larger picture only key pictures lead in all
// modes that browsers send.
struct PacketLayers {
  bool known = false;
  bool enterable = false;    // by a receiver of all layers below its own
  bool frame_end = false;    // the last packet of its layer's frame; VP9 and descriptors only
  std::uint8_t spatial = 0;  // 0..7
  std::uint8_t temporal = 0;
  std::uint8_t opens = 0;  // the highest temporal layer that decodes from here on
  // Where a descriptor's mask of active decode targets stands, or would, in bits; 0: not to be
  // told here. It is told where pictures of the base layer begin: often enough for a receiver who
  // lost one of them.
  std::uint16_t mask_at = 0;
  std::uint8_t structure = 0;  // DependencyReader::number() of the structure it refers to

  [[nodiscard]] constexpr bool within(LayerLimit limit) const noexcept {
    return spatial <= limit.spatial && temporal <= limit.temporal;
  }
  friend bool operator==(const PacketLayers&, const PacketLayers&) = default;
};

// What the descriptor of a packet says. A descriptor that cannot be read (its structure was lost)
// may be of any layer: only who gets all of them gets this one.
[[nodiscard]] PacketLayers read_layers(DependencyReader& reader, ConstBytes descriptor) noexcept;

// The decode targets that lie within the limit, as the descriptor's mask has them.
[[nodiscard]] std::uint32_t targets_within(const DependencyStructure& structure,
                                           LayerLimit limit) noexcept;

}  // namespace parley::rtp
