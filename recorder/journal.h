#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/manifest.h"

namespace parley::recorder {

// What a recording writes about itself while it runs, so that the next start can tell whose files a
// crash left behind: lines of words that are only ever appended (a torn last line is ignored). The
// file is removed once the recording is finished and reported, so its presence means: not yet.
//
//   recording ID TENANT ROOM_ID ROOM_NAME SESSION STARTED_MS
//   track TRACK_ID PARTICIPANT_ID IDENTITY NAME SOURCE
//   file NAME PARTICIPANT_ID IDENTITY SOURCE CODECS OFFSET_MS ROTATION
//   gap FILE START_MS MS REASON
//   change AT_MS WHAT
//   closed FILE MS
//   end REASON DURATION_MS
//
// Where somebody follows it, a second file says how far it is. It is written anew each time:
//   whole FILE HEADER_BYTES BYTES
//   reached MS
namespace journal {

[[nodiscard]] std::string recording_line(const RecordingInfo& info);
[[nodiscard]] std::string track_line(const TrackInfo& track);
[[nodiscard]] std::string file_line(const RecordedFile& file);
[[nodiscard]] std::string gap_line(std::string_view file, const Gap& gap);
[[nodiscard]] std::string change_line(const Change& change);
// How much of a file that is being written stands: its header, and all that plays.
struct Whole {
  std::uint64_t header = 0;  // bytes
  std::uint64_t bytes = 0;
};
[[nodiscard]] std::string whole_line(std::string_view file, Whole whole);
[[nodiscard]] std::string closed_line(std::string_view file, std::int64_t duration_ms);
[[nodiscard]] std::string reached_line(std::int64_t ms);
[[nodiscard]] std::string end_line(std::string_view reason, std::int64_t duration_ms);

struct Contents {
  Manifest manifest;   // its files without size and hash; durations of those that were closed
  bool ended = false;  // all that followed was tidying up
  std::map<std::string, Whole> open;  // by file: those that were being written
  std::int64_t reached_ms = 0;        // all before is in the files, but for a moment
};
// Nothing when there is no recording line. Lines it does not know are skipped.
[[nodiscard]] std::optional<Contents> parse(std::string_view text);
[[nodiscard]] std::optional<Contents> read(const std::filesystem::path& path);
// The same, and how far it is.
[[nodiscard]] std::optional<Contents> parse(std::string_view text, std::string_view progress);
[[nodiscard]] std::optional<Contents> read_followed(const std::filesystem::path& folder);

}  // namespace journal
}  // namespace parley::recorder
