// Descriptors of one encoding, one after the other, each led by a byte with its size.
#include "rtp/dependency_descriptor.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/bytes.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DependencyReader reader;
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
  }
  return 0;
}
