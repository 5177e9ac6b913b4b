#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "rtp/picture_numbers.h"
#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// The VP9 payload descriptor (RFC 9628, section 4.2), flexible mode and not; TL0PICIDX is there
// in the other only. The VP9 data behind it is never looked at.
struct Vp9Descriptor : PictureFields {
  static constexpr std::size_t kMaxSpatialLayers = 8;

  std::uint16_t size = 0;                       // bytes of the descriptor: the VP9 data begins here
  bool inter_predicted = false;                 // P: depends on earlier pictures
  bool flexible = false;                        // F
  bool frame_start = false;                     // B: of a layer frame
  bool frame_end = false;                       // E
  bool not_reference_for_upper_layers = false;  // Z
  bool has_layers = false;
  bool has_scalability_structure = false;
  bool switching_up_point = false;     // U
  bool inter_layer_predicted = false;  // D
  std::uint8_t temporal_id = 0;
  std::uint8_t spatial_id = 0;
  std::uint8_t spatial_layer_count = 0;  // of the scalability structure; 0 without one
  std::array<Resolution, kMaxSpatialLayers> resolutions{};  // 0x0 where not said

  // The first packet of a picture that decodes by itself.
  [[nodiscard]] constexpr bool key_frame() const noexcept {
    return frame_start && !inter_predicted && !inter_layer_predicted && spatial_id == 0;
  }
  // Of the highest spatial layer that the scalability structure announces.
  [[nodiscard]] constexpr Resolution resolution() const noexcept {
    return spatial_layer_count == 0 ? Resolution{} : resolutions[spatial_layer_count - 1U];
  }

  // Nothing when the descriptor is cut off or no VP9 data follows it.
  [[nodiscard]] static std::optional<Vp9Descriptor> parse(ConstBytes payload) noexcept;
};

}  // namespace parley::rtp
