#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "recorder/disk_file.h"
#include "recorder/recorder.h"

namespace parley::recorder {

// Recordings in `root` that a crash left unfinished: folders with a journal.
[[nodiscard]] std::vector<std::string> find_leftovers(const std::filesystem::path& root);

// Makes one of them whole: each file that was being written is copied, as far as it is whole, into
// a clean one; the manifest is written. May be killed at any point and begun again. Nothing when
// `stop` became true on the way or the disk refused: then it stays for the next start.
[[nodiscard]] std::optional<RecorderEvent> adopt(const std::filesystem::path& root,
                                                 const std::string& recording_id,
                                                 const std::atomic<bool>& stop);
// Nothing came of it: no leftover any more.
void forget_leftover(const std::filesystem::path& root, const std::string& recording_id);

}  // namespace parley::recorder
