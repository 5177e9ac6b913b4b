#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// What a frame is worth to one decode target (AV1 RTP specification, section A.4).
enum class DecodeTarget : std::uint8_t { NotPresent, Discardable, Switch, Required };

// The frame patterns that a key frame announces and later frames refer to by number.
struct DependencyStructure {
  static constexpr std::size_t kMaxTemplates = 64;
  static constexpr std::size_t kMaxDecodeTargets = 32;
  static constexpr std::size_t kMaxSpatialLayers = 4;

  struct Layer {
    std::uint8_t spatial_id = 0;
    std::uint8_t temporal_id = 0;
  };
  struct Template {
    std::uint8_t spatial_id = 0;
    std::uint8_t temporal_id = 0;
    std::uint8_t reference_count = 0;  // how many frames it depends on
    std::uint64_t decode_targets = 0;  // 2 bits each, target 0 lowest
  };

  std::uint8_t template_id_offset = 0;
  std::uint8_t template_count = 0;
  std::uint8_t decode_target_count = 0;
  std::uint8_t chain_count = 0;
  std::uint8_t spatial_layer_count = 0;
  std::uint8_t temporal_layer_count = 0;
  bool has_resolutions = false;
  std::array<Template, kMaxTemplates> templates{};
  std::array<Layer, kMaxDecodeTargets> targets{};  // the highest layers that each consists of
  std::array<Resolution, kMaxSpatialLayers> resolutions{};  // by spatial id, if has_resolutions
};

// One descriptor (AV1 RTP specification, appendix A): which layer, which frame, which decode
// targets need it. `template_id` and what stands above it are in every packet; the rest is from the
// structure in force.
struct DependencyDescriptor {
  bool start_of_frame = false;
  bool end_of_frame = false;
  std::uint8_t template_id = 0;
  std::uint16_t frame_number = 0;  // wraps

  bool has_structure = false;  // this very descriptor brought a structure: a key frame
  std::uint8_t spatial_id = 0;
  std::uint8_t temporal_id = 0;
  std::uint8_t reference_count = 0;
  std::uint8_t decode_target_count = 0;
  std::uint64_t decode_targets = 0;               // as in Template, the frame's own if it has any
  std::optional<std::uint32_t> active_targets{};  // bit mask, when it changed
  std::uint16_t mask_at = 0;  // in bits: where that mask stands in the element, or would

  [[nodiscard]] constexpr DecodeTarget decode_target(std::size_t index) const noexcept {
    return static_cast<DecodeTarget>(decode_targets >> (2 * index) & 3);
  }
  [[nodiscard]] constexpr bool key_frame() const noexcept {
    return has_structure && start_of_frame && reference_count == 0;
  }
};

// Reads the descriptors of one encoding and keeps the structure in force. Feed it every packet: a
// structure comes with key frames only. About 1.5 KiB, no allocation.
class DependencyReader {
 public:
  // Nothing for a malformed descriptor (the structure in force stays), or one that refers to a
  // structure not seen yet.
  [[nodiscard]] std::optional<DependencyDescriptor> read(ConstBytes element) noexcept;

  // How many structures there were, to tell one from the next; wraps.
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  // Which decode targets the sender serves now, a bit mask.
  [[nodiscard]] std::uint32_t active_targets() const noexcept { return active_targets_; }
  // The one in force, if any.
  [[nodiscard]] const DependencyStructure* structure() const noexcept {
    return known_ ? &structure_ : nullptr;
  }

 private:
  DependencyStructure structure_{};
  std::uint32_t active_targets_ = 0;
  std::uint8_t number_ = 0;
  bool known_ = false;
};

// Whether the element brings a structure, as far as its flags say.
[[nodiscard]] constexpr bool has_structure(ConstBytes element) noexcept {
  return element.size() > 3 && (element[3] & 0x80) != 0;
}

// What a forwarder says in the descriptor that it passes on.
struct DescriptorEdit {
  std::uint16_t frame_number = 0;
  // The mask of active decode targets, of which there are so many; none of them: as it is. Of a
  // descriptor that was read with this `mask_at`.
  std::uint8_t target_count = 0;
  std::uint16_t mask_at = 0;
  std::uint32_t active_targets = 0;
};
// At most this much longer than before.
inline constexpr std::size_t kDescriptorGrowth = 5;
// Writes the element anew and returns its size; 0 if it is not one, or has no room in `out`.
[[nodiscard]] std::size_t rewrite_descriptor(ConstBytes element, const DescriptorEdit& edit,
                                             Bytes out) noexcept;

}  // namespace parley::rtp
