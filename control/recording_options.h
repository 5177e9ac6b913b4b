#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/json.h"
#include "control/params.h"

namespace parley::control {

// What comes of a recording when it is over.
struct RecordingOptions {
  // False: the participants' tracks as they came. True: also one picture and one sound, made of
  // them by parley-compose with what follows.
  bool composite = false;
  std::string layout = "grid";
  std::uint32_t width = 1'280;
  std::uint32_t height = 720;
  std::uint32_t fps = 25;
  std::string codec = "h264";
  std::uint32_t video_kbps = 0;  // 0: by size and fps
  std::uint32_t audio_kbps = 96;
  bool audio_only = false;
  bool names = true;
  bool live = false;                       // made while the recording runs
  bool stills = false;                     // chapters and stills, also where there is no composite
  std::optional<std::uint32_t> keep_days;  // then it is deleted; 0: never; none: as configured
  bool upload = true;                      // where a store is configured
  friend bool operator==(const RecordingOptions&, const RecordingOptions&) = default;

  // What is to be made of the tracks by parley-compose.
  [[nodiscard]] bool composes() const noexcept { return composite || stills; }
  // {mode, composite?, stills?, keep_days?, upload?} as the API names it.
  [[nodiscard]] Json to_json() const;
  [[nodiscard]] static RecordingOptions from_json(const Json& json);
  // Of the program; the layout is not among them.
  [[nodiscard]] std::vector<std::string> arguments() const;
};

// Reads `mode`, `composite`, `stills`, `keep_days` and `upload` into options; what is not said
// stays. With a `composite` the mode need not be said.
void read_recording_options(Params& params, RecordingOptions& options);
// Reads `composite` alone.
void read_composite(Params& params, RecordingOptions& options);
// `layout`, where there is one.
[[nodiscard]] std::optional<std::string> read_layout(Params& params);

}  // namespace parley::control
