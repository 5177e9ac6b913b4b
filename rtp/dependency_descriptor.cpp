#include "rtp/dependency_descriptor.h"

#include <algorithm>

#include "rtp/bits.h"
#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

using Structure = DependencyStructure;

constexpr std::size_t kMandatorySize = 3;
constexpr std::size_t kMandatoryBits = 8 * kMandatorySize;
constexpr std::size_t kFlagCount = 5;
constexpr unsigned kMaxTemporalLayers = 8;

// template_layers(): walks up the layers, each template in the layer of the one before it, in the
// next temporal layer, or at the bottom of the next spatial one.
bool read_layers(BitReader& bits, Structure& s) noexcept {
  constexpr std::uint32_t kSameLayer = 0;
  constexpr std::uint32_t kNextTemporal = 1;
  constexpr std::uint32_t kNextSpatial = 2;
  unsigned temporal = 0;
  unsigned spatial = 0;
  unsigned max_temporal = 0;
  std::uint32_t next = kSameLayer;
  do {
    if (s.template_count == Structure::kMaxTemplates) return false;
    Structure::Template& t = s.templates[s.template_count++];
    t.spatial_id = static_cast<std::uint8_t>(spatial);
    t.temporal_id = static_cast<std::uint8_t>(temporal);
    next = bits.bits(2);
    if (next == kNextTemporal) ++temporal;
    if (next == kNextSpatial) {
      temporal = 0;
      ++spatial;
    }
    if (temporal == kMaxTemporalLayers || spatial == Structure::kMaxSpatialLayers) return false;
    max_temporal = std::max(max_temporal, temporal);
  } while (next <= kNextSpatial && bits.ok());
  s.spatial_layer_count = static_cast<std::uint8_t>(spatial + 1);
  s.temporal_layer_count = static_cast<std::uint8_t>(max_temporal + 1);
  return bits.ok();
}

std::uint64_t read_decode_targets(BitReader& bits, std::size_t count) noexcept {
  std::uint64_t targets = 0;
  for (std::size_t i = 0; i < count; ++i) targets |= std::uint64_t{bits.bits(2)} << (2 * i);
  return targets;
}

// template_chains(): how to notice that a layer has broken. Not used yet, so only walked over.
void skip_chains(BitReader& bits, Structure& s) noexcept {
  const std::uint32_t targets = s.decode_target_count;
  s.chain_count = static_cast<std::uint8_t>(bits.ns(targets + 1));
  if (s.chain_count == 0) return;
  for (std::uint32_t i = 0; i < targets; ++i) bits.ns(s.chain_count);
  bits.skip(std::size_t{4} * s.template_count * s.chain_count);
}

// A decode target consists of the layers whose templates are present in it.
void find_targets(Structure& s) noexcept {
  for (std::size_t target = 0; target < s.decode_target_count; ++target) {
    Structure::Layer& highest = s.targets[target];
    for (std::size_t i = 0; i < s.template_count; ++i) {
      const Structure::Template& t = s.templates[i];
      if ((t.decode_targets >> (2 * target) & 3) == 0) continue;
      highest.spatial_id = std::max(highest.spatial_id, t.spatial_id);
      highest.temporal_id = std::max(highest.temporal_id, t.temporal_id);
    }
  }
}

Resolution read_resolution(BitReader& bits) noexcept {
  const std::uint32_t width = bits.bits(16) + 1;
  const std::uint32_t height = bits.bits(16) + 1;
  // 65,536 does not fit our type and no codec here makes it: cut by one.
  return {static_cast<std::uint16_t>(std::min(width, 0xffffU)),
          static_cast<std::uint16_t>(std::min(height, 0xffffU))};
}

bool read_structure(BitReader& bits, Structure& s) noexcept {
  s.template_id_offset = static_cast<std::uint8_t>(bits.bits(6));
  s.decode_target_count = static_cast<std::uint8_t>(bits.bits(5) + 1);
  if (!read_layers(bits, s)) return false;
  for (std::size_t i = 0; i < s.template_count; ++i) {
    s.templates[i].decode_targets = read_decode_targets(bits, s.decode_target_count);
  }
  find_targets(s);
  for (std::size_t i = 0; i < s.template_count; ++i) {
    while (bits.flag()) {  // ends with the bytes at the latest
      bits.skip(4);        // fdiff_minus_one
      if (++s.templates[i].reference_count == 255) return false;
    }
  }
  skip_chains(bits, s);
  s.has_resolutions = bits.flag();
  if (s.has_resolutions) {
    for (std::size_t i = 0; i < s.spatial_layer_count; ++i) {
      s.resolutions[i] = read_resolution(bits);
    }
  }
  return bits.ok();
}

// frame_fdiffs(): each difference is led by its size in nibbles, 0 ends.
std::uint8_t read_reference_count(BitReader& bits) noexcept {
  std::uint8_t count = 0;
  for (std::uint32_t nibbles = bits.bits(2); nibbles != 0 && count < 255; nibbles = bits.bits(2)) {
    bits.skip(std::size_t{4} * nibbles);
    ++count;
  }
  return count;
}

struct Flags {
  bool structure = false;
  bool active_targets = false;
  bool own_targets = false;
  bool own_references = false;
  bool own_chains = false;
};

// What the template says, then what this frame says otherwise.
bool read_frame(BitReader& bits, const Structure& s, Flags flags,
                DependencyDescriptor& d) noexcept {
  const std::size_t index =
      (d.template_id + Structure::kMaxTemplates - s.template_id_offset) % Structure::kMaxTemplates;
  if (index >= s.template_count) return false;
  const Structure::Template& t = s.templates[index];
  d.spatial_id = t.spatial_id;
  d.temporal_id = t.temporal_id;
  d.reference_count = t.reference_count;
  d.decode_target_count = s.decode_target_count;
  d.decode_targets = t.decode_targets;
  if (flags.own_targets) d.decode_targets = read_decode_targets(bits, s.decode_target_count);
  if (flags.own_references) d.reference_count = read_reference_count(bits);
  if (flags.own_chains) bits.skip(std::size_t{8} * s.chain_count);
  return bits.ok();
}

}  // namespace

//  0                   1                   2
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |S|E| template  |         frame number          |
// |T|A|D|F|C|  only if longer: structure, active targets, own targets, references, chains follow
std::optional<DependencyDescriptor> DependencyReader::read(ConstBytes element) noexcept {
  if (element.size() < kMandatorySize) return std::nullopt;
  BitReader bits(element);
  DependencyDescriptor d;
  d.start_of_frame = bits.flag();
  d.end_of_frame = bits.flag();
  d.template_id = static_cast<std::uint8_t>(bits.bits(6));
  d.frame_number = static_cast<std::uint16_t>(bits.bits(16));

  Flags flags;
  if (element.size() > kMandatorySize) {
    flags = {bits.flag(), bits.flag(), bits.flag(), bits.flag(), bits.flag()};
  }
  const auto here = [&] {
    const std::size_t at = element.size() * 8 - bits.remaining();
    return static_cast<std::uint16_t>(std::max(at, kMandatoryBits + kFlagCount));
  };
  if (!flags.structure) {
    if (!known_) return std::nullopt;
    d.mask_at = here();
    if (flags.active_targets) d.active_targets = bits.bits(structure_.decode_target_count);
    if (!read_frame(bits, structure_, flags, d)) return std::nullopt;
    if (d.active_targets) active_targets_ = *d.active_targets;
    return d;
  }

  DependencyStructure fresh;
  if (!read_structure(bits, fresh)) return std::nullopt;
  d.has_structure = true;
  d.mask_at = here();
  d.active_targets = 0xffff'ffffU >> (32 - fresh.decode_target_count);
  if (flags.active_targets) d.active_targets = bits.bits(fresh.decode_target_count);
  if (!read_frame(bits, fresh, flags, d)) return std::nullopt;
  structure_ = fresh;
  active_targets_ = *d.active_targets;
  ++number_;
  known_ = true;
  return d;
}

std::size_t rewrite_descriptor(ConstBytes element, const DescriptorEdit& edit, Bytes out) noexcept {
  constexpr std::size_t kTargetsFlag = kMandatoryBits + 1;  // the second of the flags
  if (element.size() < kMandatorySize || out.size() < element.size()) return 0;
  const std::size_t size_bits = element.size() * 8;
  if (edit.target_count == 0) {
    std::copy(element.begin(), element.end(), out.begin());
    store16(out, 1, edit.frame_number);
    return element.size();
  }
  if (element.size() + kDescriptorGrowth > out.size()) return 0;
  const bool longer = size_bits > kMandatoryBits;
  if (longer && edit.mask_at > size_bits) return 0;
  BitReader in(element);
  BitSink to(out);
  to.bits(in.bits(8), 8);
  in.skip(16);
  to.bits(edit.frame_number, 16);
  bool had_mask = false;
  if (longer) {
    for (std::size_t at = kMandatoryBits; at < edit.mask_at; ++at) {
      const bool flag = in.flag();
      if (at == kTargetsFlag) had_mask = flag;
      to.bits(at == kTargetsFlag || flag ? 1 : 0, 1);
    }
  } else {
    to.bits(0b01000, kFlagCount);
  }
  to.bits(edit.active_targets, edit.target_count);
  if (!longer) return to.size();
  if (had_mask) in.skip(edit.target_count);
  if (!in.ok()) return 0;
  while (in.remaining() > 0) to.bits(in.bits(1), 1);
  return to.size();
}

}  // namespace parley::rtp
