#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rtp/types.h"

namespace parley::recorder {

// What is in a media file.
struct FileSummary {
  rtp::Duration duration{};
  std::uint64_t packets = 0;
  std::vector<std::string> codecs;  // as the manifest names them: vp8, h264, opus ...
};

// Copies the packets of `from`, which a crash may have cut off anywhere, into a clean file `to`
// with index and duration, as far as they are whole. Nothing when not one packet is, when `to`
// cannot be written, or when `stop` becomes true.
[[nodiscard]] std::optional<FileSummary> remux(const std::filesystem::path& from,
                                               const std::filesystem::path& to,
                                               const std::atomic<bool>& stop);

// Reads a file through; nothing when it holds no packet.
[[nodiscard]] std::optional<FileSummary> summarize(const std::filesystem::path& path,
                                                   const std::atomic<bool>& stop);

}  // namespace parley::recorder
