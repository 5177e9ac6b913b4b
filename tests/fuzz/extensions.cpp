// Two bytes of profile, then the elements of a header extension. What the walk finds is written
// again and must be found again; the writer is also tried in too little room.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/bytes.h"
#include "rtp/extension_reader.h"
#include "rtp/extension_writer.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void write_again(std::uint16_t profile, ConstBytes data, std::size_t room) {
  std::vector<std::uint8_t> out(room);
  ExtensionWriter writer(out);
  std::vector<ExtensionElement> kept;
  for (ExtensionWalk walk(profile, data); const auto element = walk.next();) {
    if (writer.add(element->id, element->data)) kept.push_back(*element);
  }
  const std::size_t size = writer.finish();
  require(size <= room && size % 4 == 0 && (size == 0) == kept.empty());
  if (size == 0) return;
  require(load16(out, 2) * 4U + 4 == size);
  ExtensionWalk walk(load16(out, 0), ConstBytes(out).subspan(4, size - 4));
  for (const ExtensionElement& element : kept) {
    const auto found = walk.next();
    require(found && found->id == element.id);
    require(std::equal(found->data.begin(), found->data.end(), element.data.begin(),
                       element.data.end()));
  }
  require(!walk.next());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::vector<std::uint8_t> bytes(data + 2, data + size);
  const std::uint16_t profile = load16(ConstBytes(data, size), 0);
  write_again(profile, bytes, 2 * bytes.size() + 16);
  write_again(profile, bytes, bytes.size() / 2);
  return 0;
}
