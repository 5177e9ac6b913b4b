// Descriptors of one encoding, one after the other, each led by a byte with its size. What can be
// read must also be read by who gets it with the mask and the frame number of a slot.
#include "rtp/dependency_descriptor.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/bytes.h"
#include "rtp/packet_layers.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_rewrite(const DependencyDescriptor& d, const DependencyReader& reader,
                   DependencyReader& receiver, const std::vector<std::uint8_t>& element) {
  const LayerLimit limit{static_cast<std::uint8_t>(element[2] & 3),
                         static_cast<std::uint8_t>(element[2] >> 2 & 7)};
  DescriptorEdit edit{.frame_number = 0x1234};
  if ((element[1] & 1) != 0) {
    edit.target_count = d.decode_target_count;
    edit.mask_at = d.mask_at;
    edit.active_targets = targets_within(*reader.structure(), limit);
  }
  std::vector<std::uint8_t> out(element.size() + kDescriptorGrowth);
  out.resize(rewrite_descriptor(element, edit, out));
  const auto again = receiver.read(out);
  require(again && again->frame_number == 0x1234 && again->template_id == d.template_id);
  require(again->decode_targets == d.decode_targets && again->has_structure == d.has_structure);
  require(again->reference_count == d.reference_count);
  if (edit.target_count > 0) require(again->active_targets == edit.active_targets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DependencyReader reader;
  DependencyReader receiver;
  for (Reader input(ConstBytes(data, size)); input.ok() && input.remaining() > 0;) {
    const ConstBytes element = input.take(input.u8());
    const std::vector<std::uint8_t> copy(element.begin(), element.end());
    const auto d = reader.read(copy);
    if (!d) continue;
    const DependencyStructure* s = reader.structure();
    require(s != nullptr && d->spatial_id < s->spatial_layer_count);
    require(d->temporal_id < s->temporal_layer_count);
    require(d->decode_target_count <= DependencyStructure::kMaxDecodeTargets);
    for (std::size_t i = 0; i < d->decode_target_count; ++i) (void)d->decode_target(i);
    check_rewrite(*d, reader, receiver, copy);
  }
  return 0;
}
