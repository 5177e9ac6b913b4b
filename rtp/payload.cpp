#include "rtp/payload.h"

#include "rtp/av1.h"
#include "rtp/h264.h"
#include "rtp/h265.h"
#include "rtp/opus.h"
#include "rtp/red.h"
#include "rtp/vp8.h"
#include "rtp/vp9.h"

namespace parley::rtp {
namespace {

std::optional<PayloadInfo> describe_opus(ConstBytes payload) noexcept {
  if (!OpusPacket::parse(payload)) return std::nullopt;
  return PayloadInfo{.key_frame = true, .frame_start = true, .frame_end = true};
}

std::optional<PayloadInfo> describe_red(ConstBytes payload) noexcept {
  const auto red = RedReader::parse(payload);
  return red ? describe_opus(red->primary().data) : std::nullopt;
}

std::optional<PayloadInfo> describe_vp8(ConstBytes payload) noexcept {
  const auto d = Vp8Descriptor::parse(payload);
  if (!d) return std::nullopt;
  return PayloadInfo{.key_frame = d->key_frame,
                     .frame_start = d->frame_start(),
                     .layer_sync = d->layer_sync,
                     .has_layers = d->has_temporal_id,
                     .temporal_id = d->temporal_id,
                     .resolution = d->resolution,
                     .picture = *d};
}

std::optional<PayloadInfo> describe_vp9(ConstBytes payload) noexcept {
  const auto d = Vp9Descriptor::parse(payload);
  if (!d) return std::nullopt;
  return PayloadInfo{.key_frame = d->key_frame(),
                     .frame_start = d->frame_start,
                     .frame_end = d->frame_end,
                     .layer_sync = d->switching_up_point,
                     .has_layers = d->has_layers,
                     .temporal_id = d->temporal_id,
                     .spatial_id = d->spatial_id,
                     .resolution = d->resolution(),
                     .picture = *d};
}

std::optional<PayloadInfo> describe_h264(ConstBytes payload) noexcept {
  const auto info = H264Info::parse(payload);
  if (!info) return std::nullopt;
  return PayloadInfo{.key_frame = info->key_frame,
                     .lacks_parameter_sets = info->key_frame && !info->has_sps,
                     .frame_start = info->frame_start,
                     .resolution = info->resolution};
}

std::optional<PayloadInfo> describe_h265(ConstBytes payload) noexcept {
  const auto info = H265Info::parse(payload);
  if (!info) return std::nullopt;
  return PayloadInfo{.key_frame = info->key_frame,
                     .lacks_parameter_sets = info->key_frame && !info->has_vps,
                     .frame_start = info->frame_start,
                     .has_layers = true,
                     .temporal_id = info->temporal_id,
                     .resolution = info->resolution};
}

std::optional<PayloadInfo> describe_av1(ConstBytes payload) noexcept {
  const auto info = Av1Info::parse(payload);
  if (!info) return std::nullopt;
  return PayloadInfo{.key_frame = info->key_frame,
                     .frame_start = info->frame_start,
                     .has_layers = info->has_layers,
                     .temporal_id = info->temporal_id,
                     .spatial_id = info->spatial_id,
                     .resolution = info->resolution};
}

}  // namespace

std::optional<PayloadInfo> describe(Codec codec, ConstBytes payload) noexcept {
  switch (codec) {
    case Codec::Opus:
      return describe_opus(payload);
    case Codec::Red:
      return describe_red(payload);
    case Codec::Vp8:
      return describe_vp8(payload);
    case Codec::Vp9:
      return describe_vp9(payload);
    case Codec::H264:
      return describe_h264(payload);
    case Codec::H265:
      return describe_h265(payload);
    case Codec::Av1:
      return describe_av1(payload);
  }
  return std::nullopt;
}

}  // namespace parley::rtp
