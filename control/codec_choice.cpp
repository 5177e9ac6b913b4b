#include "control/codec_choice.h"

#include <algorithm>
#include <array>

#include "control/sdp_text.h"

namespace parley::control {
namespace {

using sdp::equal_ignoring_case;
using sdp::fmtp_value;

// RFC 6184, section 8.1. Without a profile-level-id it is Baseline at level 1.
bool read_h264(const sdp::Codec& codec, server::CodecParams& params) {
  const auto profile =
      read_profile_level_id(fmtp_value(codec.fmtp, "profile-level-id").value_or("42000a"));
  const std::string_view mode = fmtp_value(codec.fmtp, "packetization-mode").value_or("0");
  if (!profile || (mode != "0" && mode != "1")) return false;
  const std::uint32_t profile_idc = *profile >> 16;
  if (profile_idc != 0x42 && profile_idc != 0x4d && profile_idc != 0x64) return false;
  params.codec = rtp::Codec::H264;
  params.h264_profile = *profile;
  params.packetization_mode = mode == "1" ? 1 : 0;
  return true;
}

// RFC 7798, section 7.1: the Main profile in one stream, what clients that have it send.
bool is_plain_h265(const sdp::Codec& codec) {
  return equal_ignoring_case(codec.name, "H265") &&
         fmtp_value(codec.fmtp, "profile-id").value_or("1") == "1" &&
         equal_ignoring_case(fmtp_value(codec.fmtp, "tx-mode").value_or("SRST"), "SRST");
}

bool read_codec(const sdp::Codec& codec, rtp::MediaKind kind, server::CodecParams& params) {
  params.pt = codec.pt;
  params.clock_rate_hz = codec.clock_rate_hz;
  if (kind == rtp::MediaKind::Audio) {
    params.codec = rtp::Codec::Opus;
    return equal_ignoring_case(codec.name, "opus") && codec.clock_rate_hz == 48'000 &&
           codec.channels == 2;  // RFC 7587, section 7: always /48000/2
  }
  if (codec.clock_rate_hz != 90'000) return false;
  if (equal_ignoring_case(codec.name, "VP8")) {
    params.codec = rtp::Codec::Vp8;
    return true;
  }
  if (equal_ignoring_case(codec.name, "VP9")) {
    params.codec = rtp::Codec::Vp9;
    return fmtp_value(codec.fmtp, "profile-id").value_or("0") == "0";
  }
  if (equal_ignoring_case(codec.name, "AV1")) {
    params.codec = rtp::Codec::Av1;
    return fmtp_value(codec.fmtp, "profile").value_or("0") == "0";
  }
  if (is_plain_h265(codec)) {
    params.codec = rtp::Codec::H265;
    return true;
  }
  return equal_ignoring_case(codec.name, "H264") && read_h264(codec, params);
}

std::optional<std::size_t> rtx_of(const sdp::Section& section, const sdp::Codec& codec) {
  const std::string apt = std::to_string(codec.pt.value);
  for (std::size_t i = 0; i < section.codecs.size(); ++i) {
    const sdp::Codec& other = section.codecs[i];
    if (equal_ignoring_case(other.name, "rtx") && other.clock_rate_hz == codec.clock_rate_hz &&
        fmtp_value(other.fmtp, "apt") == apt) {
      return i;
    }
  }
  return std::nullopt;
}

// RFC 2198, section 5: a=fmtp lists the payload types of the blocks, as in "111/111".
bool carries_only(std::string_view fmtp, rtp::PayloadType type) {
  const std::string one = std::to_string(type.value);
  std::size_t blocks = 0;
  for (; fmtp.starts_with(one); ++blocks) {
    fmtp.remove_prefix(one.size());
    if (fmtp.empty()) return blocks > 0;
    if (fmtp.front() != '/') return false;
    fmtp.remove_prefix(1);
  }
  return false;
}

// Constrained Baseline (42e0..) and Baseline (4200..) in packetization mode 1: what every browser
// and every phone decodes.
bool is_common_h264(const server::CodecParams& params) {
  return params.codec == rtp::Codec::H264 && params.packetization_mode == 1 &&
         (params.h264_profile >> 16) == 0x42;
}

// Moves the H.264 entries within the places that H.264 has, the common ones to the front.
void order_h264(std::vector<ChosenCodec>& codecs) {
  std::vector<std::size_t> places;
  std::vector<ChosenCodec> entries;
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    if (codecs[i].params.codec != rtp::Codec::H264) continue;
    places.push_back(i);
    entries.push_back(codecs[i]);
  }
  std::stable_partition(entries.begin(), entries.end(),
                        [](const ChosenCodec& c) { return is_common_h264(c.params); });
  for (std::size_t i = 0; i < places.size(); ++i) codecs[places[i]] = std::move(entries[i]);
}

// AV1 tells of its layers in the descriptor only, H.264 of its temporal ones. VP8 and VP9 do in the
// payload, and Chromium's VP8 leaves its own numbers out where the descriptor is taken.
bool hides_its_layers(rtp::Codec codec) {
  return codec == rtp::Codec::Av1 || codec == rtp::Codec::H264;
}

// Leaves out what the room does not take, and puts what it likes best first.
void apply_policy(const CodecPolicy& policy, std::vector<ChosenCodec>& codecs) {
  std::erase_if(codecs, [&](const ChosenCodec& c) { return !policy.rank(c.params); });
  std::stable_sort(codecs.begin(), codecs.end(), [&](const ChosenCodec& a, const ChosenCodec& b) {
    return *policy.rank(a.params) < *policy.rank(b.params);
  });
}

// What is useful in the direction of the m-line. Timing experiments we do not read are left out,
// they would cost bytes in every packet.
bool is_useful(rtp::Extension extension, Purpose purpose, bool needs_descriptor) {
  switch (extension) {
    case rtp::Extension::AudioLevel:
    case rtp::Extension::Mid:
    case rtp::Extension::VideoOrientation:
    case rtp::Extension::PlayoutDelay:
    case rtp::Extension::ContentType:
    case rtp::Extension::ColorSpace:
    case rtp::Extension::AbsCaptureTime:
    case rtp::Extension::TransportCc:
      return true;
    case rtp::Extension::Rid:
    case rtp::Extension::RepairedRid:
      return purpose == Purpose::Receive;
    // A slot that has it can be given spatial layers of AV1.
    case rtp::Extension::DependencyDescriptor:
      return purpose == Purpose::Send || needs_descriptor;
    case rtp::Extension::AbsSendTime:
    case rtp::Extension::TimeOffset:
    case rtp::Extension::VideoTiming:
    case rtp::Extension::LayersAllocation:
      return false;
  }
  return false;
}

}  // namespace

std::vector<ChosenCodec> choose_codecs(const sdp::Section& section, const CodecPolicy& policy) {
  constexpr std::array<std::string_view, 4> kFeedback = {"transport-cc", "ccm fir", "nack",
                                                         "nack pli"};
  constexpr std::string_view kRemb = "goog-remb";
  constexpr std::string_view kRoundTrip = "rrtr";  // RFC 3611, section 4.4
  std::vector<ChosenCodec> chosen;
  if (!section.kind) return chosen;
  const bool watches = !sdp::sends(section.direction);
  for (std::size_t i = 0; i < section.codecs.size(); ++i) {
    ChosenCodec entry;
    entry.index = i;
    if (!read_codec(section.codecs[i], *section.kind, entry.params)) continue;
    for (const std::string_view wanted : kFeedback) {
      const auto& offered = section.codecs[i].feedback;
      if (std::find(offered.begin(), offered.end(), wanted) == offered.end()) continue;
      if (wanted == "transport-cc") entry.params.transport_cc = true;
      if (wanted == "nack") entry.params.nack = true;
      if (wanted == "nack pli") entry.params.pli = true;
      entry.feedback.push_back(wanted);
    }
    // A viewer's own estimate, where he tells nothing better. Publishers get none from us.
    const auto& offered = section.codecs[i].feedback;
    if (watches && !entry.params.transport_cc &&
        std::find(offered.begin(), offered.end(), kRemb) != offered.end()) {
      entry.params.remb = true;
      entry.feedback.push_back(kRemb);
    }
    // And his round trip, which he cannot know from reports on what he sends.
    if (watches && std::find(offered.begin(), offered.end(), kRoundTrip) != offered.end()) {
      entry.feedback.push_back(kRoundTrip);
    }
    entry.rtx = rtx_of(section, section.codecs[i]);
    if (entry.rtx) entry.params.rtx_pt = section.codecs[*entry.rtx].pt;
    chosen.push_back(std::move(entry));
  }
  order_h264(chosen);
  if (section.kind == rtp::MediaKind::Video) apply_policy(policy, chosen);
  return chosen;
}

void add_red(const sdp::Section& section, std::vector<ChosenCodec>& codecs) {
  for (ChosenCodec& entry : codecs) {
    if (entry.params.codec != rtp::Codec::Opus) continue;
    const auto found =
        std::find_if(section.codecs.begin(), section.codecs.end(), [&](const sdp::Codec& codec) {
          return equal_ignoring_case(codec.name, "red") && codec.channels == 2 &&
                 codec.clock_rate_hz == entry.params.clock_rate_hz &&
                 carries_only(codec.fmtp, entry.params.pt);
        });
    if (found == section.codecs.end()) continue;
    entry.red = static_cast<std::size_t>(found - section.codecs.begin());
    entry.params.red_pt = found->pt;
  }
}

ChosenExtensions choose_extensions(const sdp::Section& section, Purpose purpose,
                                   const std::vector<ChosenCodec>& codecs, bool extmap_allow_mixed,
                                   std::optional<rtp::Extension> refused) {
  const bool needs_descriptor = !codecs.empty() && hides_its_layers(codecs.front().params.codec);
  ChosenExtensions chosen;
  for (std::size_t i = 0; i < section.extensions.size(); ++i) {
    const sdp::HeaderExtension& offered = section.extensions[i];
    const auto extension = rtp::extension_of(offered.uri);
    if (!extension || extension == refused) continue;
    if (!is_useful(*extension, purpose, needs_descriptor)) continue;
    // RFC 8285: 15 is reserved in the one-byte form, ids above 14 need the two-byte form.
    if (offered.id == 15 || offered.id > 255 || (offered.id > 14 && !extmap_allow_mixed)) continue;
    if (chosen.map.id(*extension) != 0) continue;  // offered twice: the first counts
    const sdp::Direction direction = offered.direction.value_or(sdp::Direction::SendRecv);
    if (purpose == Purpose::Receive ? !sdp::sends(direction) : !sdp::receives(direction)) continue;
    chosen.map.set(*extension, static_cast<std::uint8_t>(offered.id));
    chosen.indexes.push_back(i);
  }
  return chosen;
}

}  // namespace parley::control
