#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/compose/encoder.h"
#include "recorder/compose/plan.h"
#include "recorder/compose/work_folder.h"

namespace parley::compose {

// One file with one picture and one sound, made of the files of a finished recording.
//
// It is made in three stages, in a folder beside the recording's files: all sound, then the picture
// in pieces of half a minute, then both are joined. A piece that is whole has its own name, so
// whoever is killed goes on with the next one when it is called again with the same settings. The
// result appears under its name when all of it is on the disk. Of a live one, sound and pieces are
// made while the recording goes on.
enum class Stage : std::uint8_t { Live, Sound, Picture, Join };
[[nodiscard]] std::string_view name_of(Stage stage) noexcept;

struct Progress {
  Stage stage = Stage::Sound;
  rtp::Duration done{};  // of the recording, in this stage
  rtp::Duration length{};
};
// False stops the work; what is whole stays.
using OnProgress = std::function<bool(const Progress&)>;

// What comes with it, made for players: chapters.vtt and stills.
struct Extra {
  std::string name;
  std::string kind;  // chapters, thumbnail, sheet, sheet_index
  std::uint64_t size_bytes = 0;
  std::string sha256;
};
struct Composed {
  std::filesystem::path file;
  rtp::Duration length{};
  std::uint64_t size_bytes = 0;
  std::string sha256;
  std::vector<Extra> extras;
};

// `folder` is the recording's; the result is `composite.webm` or `.mp4` in it, composite-sound
// without a picture, or sheet.jpg for stills alone. It is noted under "composites" in the
// manifest.json, and if it was made with the same settings before, that is all. Waits while another
// process makes something of the same recording.
[[nodiscard]] Result<Composed> compose(Plan plan, const Settings& settings, const Limits& limits,
                                       const std::filesystem::path& folder,
                                       const OnProgress& on_progress);
// Makes what can be made of a recording that goes on, and ends with it: compose() with the same
// settings, which are live, makes the rest. Layouts after the first, and pauses, are those that the
// recording notes.
[[nodiscard]] Result<void> follow(const Settings& settings, const Limits& limits,
                                  const std::filesystem::path& folder,
                                  const OnProgress& on_progress);

}  // namespace parley::compose
