#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "recorder/journal.h"
#include "recorder/media.h"

namespace parley::compose {

using recorder::Offset;

// Why something could not be done: for programs and for people.
struct Failure {
  std::string reason;  // bad_settings, bad_manifest, disk_full, disk_error, no_codec, stopped
  std::string detail;
};
template <class T>
using Result = tl::expected<T, Failure>;
[[nodiscard]] inline tl::unexpected<Failure> failed(std::string reason, std::string detail) {
  return tl::unexpected(Failure{std::move(reason), std::move(detail)});
}

// What of a finished recording goes into one picture and one sound: its manifest.json, checked.
struct PlannedFile {
  std::filesystem::path path;
  std::size_t tile = 0;
  bool video = false;
  bool audio = false;
  Offset offset{};  // on the recording's time line
  rtp::Duration duration{};
  Offset skip{};  // of the file's own time line, before what is shown
  // It is being written: up to here it can be read.
  std::optional<recorder::journal::Whole> growing = std::nullopt;
  unsigned rotation_degrees = 0;  // clockwise, to show it upright
  [[nodiscard]] Offset end() const noexcept { return offset + duration; }
  // The file's own time at a time of the plan.
  [[nodiscard]] Offset within(Offset time) const noexcept { return time - offset + skip; }
};
// A participant's camera, or his screen: what has a place in the picture while he is there.
struct PlannedTile {
  std::string participant_id;
  std::string name;  // shown on it
  bool screen = false;
  std::size_t place = 0;  // among those that are shown: who came first stands first
};
struct Plan {
  std::string recording_id;
  rtp::Duration length{};
  std::vector<PlannedTile> tiles;         // in the order in which they appear
  std::vector<PlannedFile> files;         // by offset
  std::vector<recorder::Change> changes;  // layouts and pauses, in order
  bool failed = false;                    // the recording ended before its call
};

// Longer recordings, more files or tiles are refused: nothing real has them.
inline constexpr rtp::Duration kLongestRecording = std::chrono::hours(48);
inline constexpr std::size_t kMaxFiles = 10'000;
inline constexpr std::size_t kMaxManifest = 16U << 20U;  // bytes

// `folder` holds the files that `manifest` names.
[[nodiscard]] Result<Plan> plan_of(std::string_view manifest, const std::filesystem::path& folder);
// Of the folder's manifest.json.
[[nodiscard]] Result<Plan> read_plan(const std::filesystem::path& folder);

// A part of the recording's time line that is left out: nothing was kept while it was paused.
struct Pause {
  Offset begin{};
  Offset end{};
  friend bool operator==(const Pause&, const Pause&) = default;
};
// As the plan's changes tell.
[[nodiscard]] std::vector<Pause> pauses_of(const Plan& plan);
// Where a moment of the recording stands when the pauses (in order, apart) are left out.
[[nodiscard]] Offset without(std::span<const Pause> pauses, Offset time) noexcept;
// The plan without them; a file that goes on over a pause becomes several.
[[nodiscard]] Plan without(std::span<const Pause> pauses, Plan plan);

}  // namespace parley::compose
