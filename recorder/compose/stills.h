#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "recorder/compose/av.h"
#include "recorder/compose/layout.h"
#include "recorder/compose/plan.h"
#include "recorder/compose/sound.h"

namespace parley::compose {

// What is seen at a time, asked for in rising order; nullptr: nothing.
using PictureAt = std::function<const AVFrame*(Offset time)>;
// Of a film: that of the last key frame, every two seconds. Decoding all would cost as much as a
// third of making it.
[[nodiscard]] Result<PictureAt> key_frames_of(const std::filesystem::path& film);

// `thumbnail.jpg`, 640 pixels wide, of a moment at which there is much to see; `sheet.jpg`, 25
// moments in five rows; and `sheet.vtt`, which tells a player which part of the sheet to show for
// which time.
struct Still {
  std::string name;
  std::string kind;  // thumbnail, sheet, sheet_index
};
// `size`: of the pictures. Nothing when on_done stops the work.
[[nodiscard]] Result<std::vector<Still>> make_stills(const PictureAt& picture_at, Size size,
                                                     rtp::Duration length,
                                                     const std::filesystem::path& folder,
                                                     const OnDone& on_done);

}  // namespace parley::compose
