#pragma once

#include <string>
#include <string_view>

namespace parley::recorder {

// File names are built of ids that clients can influence, so they are checked here, once.

// An id as we make them: 1 to 64 of [A-Za-z0-9_-].
[[nodiscard]] bool is_id(std::string_view text) noexcept;
// A file of ours: 1 to 160 of [A-Za-z0-9_.-], no leading dot, no "..", nothing temporary.
[[nodiscard]] bool is_file_name(std::string_view text) noexcept;
// Anything else made harmless: other characters become '_', at most 64 of them, never empty.
[[nodiscard]] std::string sanitized(std::string_view text);

// Of a file of ours, by its ending.
[[nodiscard]] std::string_view content_type_of(std::string_view name) noexcept;

inline constexpr std::string_view kPartSuffix = ".part";  // being written
// What it is called when it is whole.
[[nodiscard]] std::string final_name(std::string_view name);
inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kJournalName = "journal";
inline constexpr std::string_view kProgressName = "journal.progress";

}  // namespace parley::recorder
