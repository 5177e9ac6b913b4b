// The first byte chooses the codec, the rest is its RTP payload.
#include "rtp/payload.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/av1.h"
#include "rtp/h264.h"
#include "rtp/h265.h"
#include "rtp/opus.h"
#include "rtp/red.h"
#include "rtp/vp8.h"
#include "rtp/vp9.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_vp8(const Vp8Descriptor& d, std::vector<std::uint8_t> payload) {
  require(d.size < payload.size());
  const PictureNumbers numbers{0x5a5a, 0xa5, 0x15};
  rewrite(d, numbers, payload);
  const auto again = Vp8Descriptor::parse(payload);
  require(again && again->size == d.size && again->key_frame == d.key_frame);
  require(again->temporal_id == d.temporal_id && again->layer_sync == d.layer_sync);
  if (d.has_picture_id()) {
    require(again->picture_id == (numbers.picture_id & (d.picture_id_long ? 0x7fff : 0x7f)));
  }
  if (d.has_tl0_picture_index()) require(again->tl0_picture_index == numbers.tl0_picture_index);
  if (d.has_key_index) require(again->key_index == numbers.key_index);
}

// What was read is written again to the byte.
void check_red(RedReader red, ConstBytes payload) {
  std::vector<RedBlock> redundant;
  std::vector<std::uint8_t> data;
  while (const auto block = red.next()) {
    if (!block->primary) redundant.push_back(*block);
    data.insert(data.end(), block->data.begin(), block->data.end());
  }
  require(redundant.size() < RedReader::kMaxBlocks);
  std::vector<std::uint8_t> again(payload.size());
  const std::size_t size = write_red_headers(redundant, red.primary().payload_type, again);
  require(size > 0 && size + data.size() == payload.size());
  again.resize(size);
  again.insert(again.end(), data.begin(), data.end());
  require(std::equal(again.begin(), again.end(), payload.begin()));
}

void walk(Codec codec, ConstBytes payload) {
  switch (codec) {
    case Codec::Opus:
      if (const auto packet = OpusPacket::parse(payload)) require(packet->samples() <= 5760);
      break;
    case Codec::Red:
      if (auto red = RedReader::parse(payload)) {
        check_red(*red, payload);
      }
      break;
    case Codec::Vp9:
      if (const auto d = Vp9Descriptor::parse(payload)) require(d->size < payload.size());
      break;
    case Codec::H264: {
      std::size_t bytes = 0;
      for (H264Reader reader(payload); const auto nal = reader.next();)
        bytes += nal->body.size() + 1;
      require(bytes <= payload.size());
      (void)h264_sps_resolution(payload);
      break;
    }
    case Codec::Av1: {
      std::size_t bytes = 0;
      for (Av1Reader reader(payload); const auto obu = reader.next();) bytes += obu->data.size();
      require(bytes <= payload.size());
      (void)av1_sequence_resolution(payload);
      break;
    }
    case Codec::H265:
      (void)h265_sps_resolution(payload);
      break;
    case Codec::Vp8:
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto codec = static_cast<Codec>(data[0] % 7);
  const std::vector<std::uint8_t> payload(data + 1, data + size);
  const auto info = describe(codec, payload);
  require(!info || !payload.empty());
  if (const auto vp8 = Vp8Descriptor::parse(payload); codec == Codec::Vp8 && vp8) {
    check_vp8(*vp8, payload);
  }
  walk(codec, payload);
  return 0;
}
