#include "control/codec_agreement.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace parley::control {
namespace {

constexpr std::array<std::pair<std::string_view, rtp::Codec>, 5> kNames = {{
    {"VP8", rtp::Codec::Vp8},
    {"VP9", rtp::Codec::Vp9},
    {"H264", rtp::Codec::H264},
    {"AV1", rtp::Codec::Av1},
    {"H265", rtp::Codec::H265},
}};

std::uint32_t profile_idc(std::uint32_t profile_level_id) { return profile_level_id >> 16; }

bool decodes(const server::CodecParams& format, std::span<const server::CodecParams> offered) {
  return server::match_codec(format, offered) != nullptr;
}

}  // namespace

std::optional<std::uint32_t> read_profile_level_id(std::string_view text) noexcept {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 6 || error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return value;
}

std::optional<CodecName> CodecName::from(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view name = text.substr(0, slash);
  const auto known =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == name; });
  if (known == kNames.end()) return std::nullopt;
  CodecName read{known->second, std::nullopt};
  if (slash == std::string_view::npos) return read;
  read.h264_profile = read_profile_level_id(text.substr(slash + 1));
  if (read.codec != rtp::Codec::H264 || !read.h264_profile) return std::nullopt;
  return read;
}

bool CodecName::covers(const server::CodecParams& format) const noexcept {
  if (format.codec != codec) return false;
  return !h264_profile || profile_idc(*h264_profile) == profile_idc(format.h264_profile);
}

tl::expected<CodecPolicy, std::string> CodecPolicy::from(std::span<const std::string> names) {
  CodecPolicy policy;
  for (const std::string& text : names) {
    const auto name = CodecName::from(text);
    if (!name || policy.names_.size() == kMaxNames) return tl::unexpected(text);
    policy.names_.push_back(*name);
  }
  return policy;
}

std::optional<std::size_t> CodecPolicy::rank(const server::CodecParams& format) const noexcept {
  if (names_.empty()) return 0;
  const auto found = std::find_if(names_.begin(), names_.end(),
                                  [&](const CodecName& name) { return name.covers(format); });
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

std::vector<std::string> CodecPolicy::names() const {
  std::vector<std::string> names;
  for (const CodecName& name : names_) names.push_back(name.text());
  if (!names.empty()) return names;
  for (const auto& [text, codec] : kNames) names.emplace_back(text);
  return names;
}

server::CodecParams format_of(const server::CodecParams& codec) noexcept {
  server::CodecParams format;
  format.codec = codec.codec;
  format.clock_rate_hz = codec.clock_rate_hz;
  format.h264_profile = codec.h264_profile;
  format.packetization_mode = codec.packetization_mode;
  format.vp9_profile = codec.vp9_profile;
  return format;
}

std::string CodecName::text() const {
  const auto known =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.second == codec; });
  std::string name(known == kNames.end() ? "opus" : known->first);
  if (!h264_profile) return name;
  name += '/';
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 20; shift >= 0; shift -= 4) name += kDigits[*h264_profile >> shift & 0xf];
  return name;
}

std::string name_of(const server::CodecParams& format) {
  CodecName name{format.codec, std::nullopt};
  if (format.codec == rtp::Codec::H264) name.h264_profile = format.h264_profile;
  return name.text();
}

std::vector<std::string> names_of(std::span<const server::CodecParams> formats) {
  std::vector<std::string> names;
  for (const server::CodecParams& format : formats) {
    std::string name = name_of(format);
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::vector<server::CodecParams> common_formats(
    std::span<const std::vector<server::CodecParams>> slots) {
  std::vector<server::CodecParams> common;
  if (slots.empty()) return common;
  for (const server::CodecParams& codec : slots.front()) {
    const bool everywhere = std::all_of(slots.begin() + 1, slots.end(),
                                        [&](const auto& slot) { return decodes(codec, slot); });
    if (everywhere) common.push_back(format_of(codec));
  }
  return common;
}

void add_viewer(std::vector<Viewer>& viewers, std::uint64_t participant,
                const std::vector<server::CodecParams>& formats) {
  const auto same = std::find_if(viewers.begin(), viewers.end(),
                                 [&](const Viewer& v) { return v.decodes == formats; });
  if (same != viewers.end()) {
    same->participant = Viewer::kSeveral;
  } else {
    viewers.push_back({formats, participant});
  }
}

void ViewerCounts::put(std::uint64_t participant, const std::vector<server::CodecParams>& decodes) {
  remove(participant);
  auto kind = std::find_if(kinds_.begin(), kinds_.end(),
                           [&](const Kind& k) { return k.decodes == decodes; });
  if (kind == kinds_.end()) kind = kinds_.insert(kind, Kind{decodes});
  ++kind->count;
  kind->sum += participant;
  of_[participant] = kind;
}

void ViewerCounts::remove(std::uint64_t participant) {
  const auto found = of_.find(participant);
  if (found == of_.end()) return;
  const auto kind = found->second;
  of_.erase(found);
  kind->sum -= participant;
  if (--kind->count == 0) kinds_.erase(kind);
}

std::vector<Viewer> ViewerCounts::but_for(std::uint64_t participant) const {
  const auto left_out = of_.find(participant);
  std::vector<Viewer> viewers;
  for (auto kind = kinds_.begin(); kind != kinds_.end(); ++kind) {
    const bool his = left_out != of_.end() && left_out->second == kind;
    const std::size_t count = kind->count - (his ? 1 : 0);
    if (count == 0) continue;
    const std::uint64_t one = kind->sum - (his ? participant : 0);
    viewers.push_back({kind->decodes, count == 1 ? one : Viewer::kSeveral});
  }
  return viewers;
}

std::vector<server::CodecParams> decoded_by_all(std::span<const Viewer> viewers) {
  std::vector<std::vector<server::CodecParams>> all;
  for (const Viewer& viewer : viewers) all.push_back(viewer.decodes);
  return common_formats(all);
}

bool all_decode(const server::CodecParams& format, std::uint64_t owner,
                std::span<const Viewer> viewers) noexcept {
  return std::all_of(viewers.begin(), viewers.end(), [&](const Viewer& viewer) {
    return !viewer.watches(owner) || decodes(format, viewer.decodes);
  });
}

const server::CodecParams* agree(const Sender& sender, std::span<const Viewer> viewers,
                                 const CodecPolicy& policy, const server::CodecParams* current) {
  const server::CodecParams* best = nullptr;
  std::size_t best_rank = 0;
  for (const server::CodecParams& codec : sender.codecs) {
    const auto rank = policy.rank(codec);
    if (!rank || !all_decode(codec, sender.participant, viewers)) continue;
    const bool in_use = current != nullptr && format_of(*current) == format_of(codec);
    if (best == nullptr || *rank < best_rank || (*rank == best_rank && in_use)) {
      best = &codec;
      best_rank = *rank;
    }
  }
  return best;
}

}  // namespace parley::control
