#include "rtp/encoding_activity.h"

#include <algorithm>

namespace parley::rtp {

using Layer = LayerActivity::Layer;

void EncodingActivity::on_packet(const PacketInfo& packet, bool first_of_frame, Time now) {
  if (packet.key_frame) key_picture_ = packet.timestamp;
  const bool of_key_frame = key_picture_ == packet.timestamp;
  all_.on_packet(packet.payload_size, first_of_frame, of_key_frame, now);
  if (packet.height > 0) all_.set_height(packet.height);
  const PacketLayers& layers = packet.layers;
  if (!layers.known || layers.spatial >= kMaxSpatial) return;
  if (!inner_) {
    if (layers.spatial == 0 && layers.temporal == 0) return;
    inner_ = std::make_unique<Inner>();
  }
  std::optional<RtpTimestamp>& picture = inner_->picture[layers.spatial];
  const bool first_of_layer = picture != packet.timestamp;
  picture = packet.timestamp;
  inner_->spatial[layers.spatial].on_packet(packet.payload_size, first_of_layer, of_key_frame, now);
  inner_->spatial_count = std::max<std::size_t>(inner_->spatial_count, layers.spatial + 1U);
  if (layers.spatial > 0) return;
  const std::size_t temporal = std::min<std::size_t>(layers.temporal, kMaxTemporal - 1);
  inner_->temporal[temporal].on_packet(packet.payload_size, first_of_layer, of_key_frame, now);
}

void EncodingActivity::on_end() noexcept {
  all_.on_end();
  if (!inner_) return;
  for (LayerActivity& layer : inner_->spatial) layer.on_end();
  for (LayerActivity& layer : inner_->temporal) layer.on_end();
}

void EncodingActivity::set_heights(std::span<const Resolution> sizes) noexcept {
  if (sizes.empty()) return;
  all_.set_height(sizes.back().height);
  for (std::size_t i = 0; i < std::min(sizes.size(), kMaxSpatial); ++i) {
    heights_[i] = sizes[i].height;
  }
}

std::uint32_t EncodingActivity::height(std::uint8_t spatial) const noexcept {
  const bool inside = inner_ && std::size_t{spatial} + 1 < inner_->spatial_count;
  return inside ? heights_[spatial] : all_.height();
}

std::size_t EncodingActivity::reduced_rungs(Time now, std::span<Layer> into) noexcept {
  if (!inner_) return 0;
  std::array<Layer, kMaxTemporal> temporal;
  std::size_t top = 0;
  for (std::size_t t = 0; t < kMaxTemporal; ++t) {
    temporal[t] = inner_->temporal[t].at(now);
    if (temporal[t].alive) top = t;
  }
  std::size_t count = 0;
  Layer sum;
  for (std::size_t t = 0; t < top; ++t) {
    if (!temporal[t].alive) continue;
    const Layer below = sum;
    sum = temporal[t];
    sum.stands_on(below);
    sum.fps += below.fps;
    sum.height = inner_->spatial_count > 1 ? heights_[0] : all_.height();
    sum.reduced = true;
    sum.limit.temporal = static_cast<std::uint8_t>(t);
    if (inner_->spatial_count > 1) sum.limit.spatial = 0;
    into[count++] = sum;
  }
  return count;
}

std::size_t EncodingActivity::whole_rungs(Time now, std::span<Layer> into) noexcept {
  if (!inner_ || inner_->spatial_count == 1) {
    into[0] = all_.at(now);
    return 1;
  }
  const std::size_t count = inner_->spatial_count;
  for (std::size_t s = 0; s < count; ++s) {
    into[s] = inner_->spatial[s].at(now);
    if (s > 0) into[s].stands_on(into[s - 1]);
    into[s].height = height(static_cast<std::uint8_t>(s));
    into[s].limit.spatial = static_cast<std::uint8_t>(s);
    // What a living layer stands on needs no proof.
    for (std::size_t below = 0; into[s].alive && below < s; ++below) {
      if (into[below].alive) into[below].steady = true;
    }
  }
  return count;
}

std::optional<std::size_t> rung_of(std::span<const Layer> rungs, std::uint8_t encoding,
                                   LayerLimit limit) noexcept {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    if (rungs[i].encoding != encoding) continue;
    const LayerLimit needs = rungs[i].limit;
    const bool sized = needs.spatial == LayerLimit::kAll || needs.spatial <= limit.spatial;
    const bool allowed = sized && needs.temporal <= limit.temporal;
    if (!found || allowed) found = i;
  }
  return found;
}

}  // namespace parley::rtp
