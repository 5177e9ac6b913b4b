#include "rtp/packet_layers.h"

#include <algorithm>

namespace parley::rtp {
namespace {

// The highest temporal layer that a frame opens for who gets spatial layers up to its own.
std::uint8_t opened_by(const DependencyDescriptor& d, const DependencyStructure& s) noexcept {
  std::uint8_t highest = d.temporal_id;
  for (std::size_t i = 0; i < s.decode_target_count; ++i) {
    const DependencyStructure::Layer target = s.targets[i];
    if (target.spatial_id != d.spatial_id || d.decode_target(i) != DecodeTarget::Switch) continue;
    highest = std::max(highest, target.temporal_id);
  }
  return highest;
}

}  // namespace

PacketLayers read_layers(DependencyReader& reader, ConstBytes descriptor) noexcept {
  PacketLayers layers;
  layers.known = true;
  const auto d = reader.read(descriptor);
  if (!d) {
    layers.spatial = layers.temporal = LayerLimit::kAll;
    return layers;
  }
  layers.frame_end = d->end_of_frame;
  layers.spatial = d->spatial_id;
  layers.temporal = d->temporal_id;
  layers.opens = opened_by(*d, *reader.structure());
  layers.structure = reader.number();
  const bool base = d->start_of_frame && d->spatial_id == 0 && d->temporal_id == 0;
  if (d->decode_target_count > 1 && (d->has_structure || base)) layers.mask_at = d->mask_at;
  return layers;
}

std::uint32_t targets_within(const DependencyStructure& structure, LayerLimit limit) noexcept {
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < structure.decode_target_count; ++i) {
    const DependencyStructure::Layer target = structure.targets[i];
    if (target.spatial_id <= limit.spatial && target.temporal_id <= limit.temporal) {
      mask |= 1U << i;
    }
  }
  return mask;
}

}  // namespace parley::rtp
