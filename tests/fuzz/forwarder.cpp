#include "rtp/forwarder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "rtp/sequence.h"

// Eight bytes a step: a packet of one of six encodings of two tracks, with layers inside or not, or
// a command. Whatever comes,
// the slot must stay one stream: a change of source begins with a key frame, right behind all that
// went before, and its timestamp is newer.
namespace {

using namespace parley::rtp;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Slot {
  Forwarder forwarder;
  ExtSeq next{65'000};
  RtpTimestamp newest{};
  bool any = false;

  explicit Slot(MediaKind kind) : forwarder(kind, 90'000, Seq{65'000}, RtpTimestamp{0xffff'fff0}) {}

  void packet(const PacketInfo& info, Source source, bool audio) {
    const auto rewrite = forwarder.on_packet(info, source);
    const auto switched = forwarder.take_switched();
    if (!rewrite) {
      require(!switched && name(rewrite.error()) != "unknown");
      return;
    }
    require(forwarder.current() == source && !forwarder.muted());
    require(rewrite->empty || info.layers.within(rewrite->limit));
    require(!rewrite->empty || !rewrite->marker);
    require(!any || rewrite->seq <= ExtSeq{next.value + 70'000});
    if (switched) {
      require(*switched == source && rewrite->seq == next && (audio || info.key_frame));
      require(!any || is_newer(rewrite->timestamp, newest));
    }
    next = std::max(next, ExtSeq{rewrite->seq.value + 1});
    if (rewrite->empty) return;  // its timestamp means nothing
    if (!any || is_newer(rewrite->timestamp, newest)) newest = rewrite->timestamp;
    any = true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool audio = (data[0] & 1) != 0;
  Slot slot(audio ? MediaKind::Audio : MediaKind::Video);
  std::array<std::int64_t, 6> seqs{0, 100, 65'530, 70'000, 5, 9};
  std::array<std::uint32_t, 6> timestamps{0, 0xffff'ff00, 7, 0x8000'0000, 5, 9};
  Time now{};
  for (ConstBytes in(data + 1, size - 1); in.size() >= 8; in = in.subspan(8)) {
    const std::size_t who = in[1] % 6;
    const Source source{static_cast<std::uint32_t>(1 + who / 3),
                        static_cast<std::uint8_t>(who % 3)};
    now += Duration{in[2] * 500};
    switch (in[0] % 16) {
      case 0:
        slot.forwarder.set_target(
            source, {static_cast<std::uint8_t>(in[3] & 7), static_cast<std::uint8_t>(in[4] & 7)});
        continue;
      case 1:
        slot.forwarder.set_target(std::nullopt);
        continue;
      case 2:
        slot.forwarder.set_muted((in[1] & 1) != 0);
        continue;
      case 3:
        slot.forwarder.on_source_restarted(source);
        continue;
      case 4:
        slot.forwarder.request_key_frame((in[1] & 1) != 0);
        continue;
      case 5:
        (void)slot.forwarder.timestamp_at(now);
        continue;
      default:
        break;
    }
    seqs[who] = std::max<std::int64_t>(seqs[who] + static_cast<std::int8_t>(in[3]), 0);
    timestamps[who] += in[4] * 100U;
    PacketInfo info;
    info.seq = ExtSeq{seqs[who]};
    info.timestamp = RtpTimestamp{timestamps[who]};
    info.arrival = now;
    if ((in[5] & 1) != 0) info.capture = now - Duration{in[6] * 1'000};
    info.codec = audio ? Codec::Opus : (in[5] & 2) != 0 ? Codec::H264 : Codec::Vp8;
    info.marker = (in[5] & 4) != 0;
    info.key_frame = audio || (in[5] & 8) != 0;
    info.padding_only = (in[5] & 0x30) == 0x30;
    info.payload_size = info.padding_only ? 0 : 10;
    info.picture.picture_id_at = 2;
    info.picture.picture_id_long = (in[5] & 0x40) != 0;
    info.picture.picture_id = in[7];
    if ((in[5] & 0x80) != 0) info.frame_number = static_cast<std::uint16_t>(in[7] << 8);
    if (!audio && (in[5] & 0x42) == 0x42) {
      info.layers.known = true;
      info.layers.spatial = in[6] & 3;
      info.layers.temporal = in[6] >> 2 & 3;
      info.layers.opens = in[6] >> 4 & 3;
      info.layers.enterable = (in[6] & 0x40) != 0;
      info.layers.frame_end = (in[6] & 0x80) != 0;
    }
    slot.packet(info, source, audio);
  }
  return 0;
}
