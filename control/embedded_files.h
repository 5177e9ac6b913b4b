#pragma once

#include <span>
#include <string_view>

namespace parley::control {

// A file as it was at build time (control/embed_files.cmake writes the tables).
struct EmbeddedFile {
  std::string_view name;  // "parley.js"
  std::string_view content;
};
[[nodiscard]] std::span<const EmbeddedFile> web_files() noexcept;     // control/web
[[nodiscard]] std::span<const EmbeddedFile> schema_files() noexcept;  // control/schema

}  // namespace parley::control
