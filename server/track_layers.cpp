// What a Track finds out of the layers inside its encodings.
#include <memory>
#include <span>

#include "rtp/packet_info.h"
#include "rtp/packet_layers.h"
#include "rtp/vp9.h"
#include "server/track.h"

namespace parley::server {

// The descriptor of the packet knows its layers where the payload does not tell them.
void Track::read_descriptor(Encoding& e, const rtp::ExtensionReader& extensions,
                            rtp::PacketInfo& info) {
  if (!info.frame_number || info.padding_only) return;
  const auto element = extensions.find(rtp::Extension::DependencyDescriptor);
  if (!element) return;
  if (!e.descriptors) e.descriptors = std::make_unique<rtp::DependencyReader>();
  if (rtp::has_structure(*element)) {
    // A late one must not take the place of the one in force.
    if (e.structure_at && info.seq < *e.structure_at) {
      rtp::DependencyReader before;
      info.layers = rtp::read_layers(before, *element);
      info.layers.mask_at = 0;
      return;
    }
    e.structure_at = info.seq;
  }
  info.layers = rtp::read_layers(*e.descriptors, *element);
}

// What came behind a key frame's late head could not be read without it.
void Track::reread_descriptors(Encoding& e, rtp::ExtSeq from, rtp::ExtSeq to) {
  for (rtp::ExtSeq seq{from.value + 1}; e.descriptors && seq <= to; ++seq.value) {
    rtp::History::Stored* const kept = e.history.find(seq);
    if (kept == nullptr || kept->info.layers.spatial != rtp::LayerLimit::kAll) continue;
    const auto packet = rtp::Packet::parse(kept->packet.bytes());
    if (!packet) continue;
    read_descriptor(e, rtp::ExtensionReader(*packet, section_.extensions), kept->info);
  }
}

void Track::observe(rtp::Time now, Encoding& e, const MediaPacket& media, bool rtx) {
  const rtp::PacketInfo& info = media.info;
  if (info.padding_only) {
    context_.counters.drop(Drop::PaddingOnly);
    return;
  }
  const bool first_of_frame = e.last_timestamp != info.timestamp;
  if (!rtx) e.last_timestamp = info.timestamp;
  if (codec_ != info.codec) {
    codec_ = info.codec;
    for (Encoding& other : encodings_) other.activity.forget_layers();
  }
  e.activity.on_packet(info, first_of_frame && !rtx, now);
  if (info.key_frame) {
    if (e.video) observe_heights(e, media);
    e.gate.on_key_frame();
    e.holed = false;
  }
  if (info.audio_level && !muted_) level_.on_packet(*info.audio_level, now);
}

void Track::observe_heights(Encoding& e, const MediaPacket& media) {
  if (media.info.codec == rtp::Codec::Vp9) {
    const auto vp9 = rtp::Vp9Descriptor::parse(media.packet.payload());
    if (vp9 && vp9->resolution().height > 0) {
      e.activity.set_heights(std::span(vp9->resolutions).first(vp9->spatial_layer_count));
    }
    return;
  }
  const rtp::DependencyStructure* structure =
      media.descriptors == nullptr ? nullptr : media.descriptors->structure();
  if (structure == nullptr || !structure->has_resolutions) return;
  e.activity.set_heights(std::span(structure->resolutions).first(structure->spatial_layer_count));
}

std::span<const rtp::LayerActivity::Layer> Track::layers(rtp::Time now, Layers& into) noexcept {
  const std::span<rtp::LayerActivity::Layer> rungs(into);
  std::size_t count = encodings_.front().activity.reduced_rungs(now, rungs);
  if (encodings_.size() == 1) {
    count += encodings_.front().activity.whole_rungs(now, rungs.subspan(count));
    return rungs.first(count);
  }
  for (std::size_t i = 0; i < count; ++i) into[i].limit.spatial = rtp::LayerLimit::kAll;
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    into[count] = encodings_[i].activity.whole(now);
    into[count++].encoding = static_cast<std::uint8_t>(i);
  }
  return rungs.first(count);
}

std::optional<rtp::Codec> Track::codec() const noexcept {
  if (codec_ || section_.codecs.empty()) return codec_;
  return section_.codecs.front().codec;
}

}  // namespace parley::server
