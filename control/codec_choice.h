#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "control/codec_agreement.h"
#include "control/sdp.h"
#include "server/api.h"

namespace parley::control {

// Which of an m-line's codecs and header extensions parley takes. Pure functions of the offer:
// the answer repeats what they choose, and the worker is told the same.

enum class Purpose : std::uint8_t {
  Receive,  // the client sends, we receive
  Send,     // a slot: we send, the client receives
};

struct ChosenCodec {
  std::size_t index = 0;           // into Section::codecs
  std::optional<std::size_t> rtx;  // likewise: its a=fmtp says apt=<pt>
  std::optional<std::size_t> red;  // likewise, of a slot: Opus with redundancy
  std::vector<std::string_view> feedback;
  server::CodecParams params;
};
// Of video what the room takes, in its order; else in the client's order of preference, H.264 with
// the profiles that everybody decodes first. Left out: red (but see add_red), ulpfec and flexfec (a
// browser that may use RED wraps all its media in it), other profiles, everything that is not Opus,
// VP8, VP9, H.264, AV1 or H.265.
[[nodiscard]] std::vector<ChosenCodec> choose_codecs(const sdp::Section& section,
                                                     const CodecPolicy& policy = {});

// Adds to Opus the RED that may carry it (RFC 2198), where the client offers to receive it. Only
// for slots: what is published comes plain, and the server adds redundancy where it is of use.
void add_red(const sdp::Section& section, std::vector<ChosenCodec>& codecs);

struct ChosenExtensions {
  std::vector<std::size_t> indexes;  // into Section::extensions
  rtp::ExtensionMap map;
};
// `refused`: not that one.
[[nodiscard]] ChosenExtensions choose_extensions(
    const sdp::Section& section, Purpose purpose, const std::vector<ChosenCodec>& codecs,
    bool extmap_allow_mixed, std::optional<rtp::Extension> refused = std::nullopt);

}  // namespace parley::control
