#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tl/expected.hpp>

#include "rtp/types.h"
#include "server/api.h"

namespace parley::control {

// Which codec a video track is to be sent in, so that everybody in the room decodes it, or who
// stands in the way (A31). Pure functions of what the publisher can send, what the others' slots
// take, and what the room allows; formats match as the worker forwards them (server::match_codec).

// Six hexadecimal digits (RFC 6184, section 8.1).
[[nodiscard]] std::optional<std::uint32_t> read_profile_level_id(std::string_view text) noexcept;

// One entry of a room's `codecs`: "VP8", "VP9", "AV1", "H265", "H264" (any profile), "H264/42e01f".
// Of an H.264 profile-level-id only the profile counts: constraints and levels differ by maker.
struct CodecName {
  rtp::Codec codec = rtp::Codec::Vp8;
  std::optional<std::uint32_t> h264_profile;

  [[nodiscard]] static std::optional<CodecName> from(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool covers(const server::CodecParams& format) const noexcept;
};

// The video codecs that a room takes, the best first. Empty: all, in each publisher's own order.
class CodecPolicy {
 public:
  static constexpr std::size_t kMaxNames = 16;
  CodecPolicy() = default;
  // Or the name that is none.
  [[nodiscard]] static tl::expected<CodecPolicy, std::string> from(
      std::span<const std::string> names);

  // Place in the list, smaller is better; nothing when the room does not take it.
  [[nodiscard]] std::optional<std::size_t> rank(const server::CodecParams& format) const noexcept;
  // As they were given; of one that takes all what that is.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::vector<CodecName> names_;
};

// A codec without one peer's numbers for it.
[[nodiscard]] server::CodecParams format_of(const server::CodecParams& codec) noexcept;
// "VP8", "H264/42e01f": as CodecName reads it.
[[nodiscard]] std::string name_of(const server::CodecParams& format);
// Each name once, in order.
[[nodiscard]] std::vector<std::string> names_of(std::span<const server::CodecParams> formats);

// What all video slots of a member decode. Members with the same browser are one entry.
struct Viewer {
  static constexpr std::uint64_t kSeveral = 0;  // so it counts for every track
  static constexpr std::uint64_t kNobody = ~std::uint64_t{0};
  std::vector<server::CodecParams> decodes;
  std::uint64_t participant = kSeveral;

  [[nodiscard]] bool watches(std::uint64_t owner) const noexcept { return participant != owner; }
};
// Of `slots`, each what one slot takes: the formats that all of them take.
[[nodiscard]] std::vector<server::CodecParams> common_formats(
    std::span<const std::vector<server::CodecParams>> slots);
void add_viewer(std::vector<Viewer>& viewers, std::uint64_t participant,
                const std::vector<server::CodecParams>& decodes);

// The viewers of a room, kept up while members come, change and go: what one of them costs does not
// grow with their number.
class ViewerCounts {
 public:
  void put(std::uint64_t participant, const std::vector<server::CodecParams>& decodes);
  void remove(std::uint64_t participant);
  // All of them but for one; 0 is nobody.
  [[nodiscard]] std::vector<Viewer> but_for(std::uint64_t participant) const;

 private:
  struct Kind {
    std::vector<server::CodecParams> decodes;
    std::size_t count = 0;
    std::uint64_t sum = 0;  // of the participants' numbers: with one left, it is his
  };
  std::list<Kind> kinds_;
  std::unordered_map<std::uint64_t, std::list<Kind>::iterator> of_;
};

// What a publisher can send of one track: his codecs in his order of preference.
struct Sender {
  std::uint64_t participant = 0;
  std::span<const server::CodecParams> codecs;
};
// The first of the sender's codecs in the policy's order that all the others decode. One that is
// in use already (`current`) stays while everybody decodes it and the policy names no better one: a
// change costs a key frame, and nobody sees a difference. Nothing: they have none in common.
[[nodiscard]] const server::CodecParams* agree(const Sender& sender,
                                               std::span<const Viewer> viewers,
                                               const CodecPolicy& policy,
                                               const server::CodecParams* current = nullptr);
// What would do for all of them.
[[nodiscard]] std::vector<server::CodecParams> decoded_by_all(std::span<const Viewer> viewers);
[[nodiscard]] bool all_decode(const server::CodecParams& format, std::uint64_t owner,
                              std::span<const Viewer> viewers) noexcept;

}  // namespace parley::control
