#pragma once

#include <span>
#include <string_view>

namespace parley::control {

// A file of control/web as it was at build time (control/embed_web.cmake writes the table).
struct WebAsset {
  std::string_view name;  // "parley.js"
  std::string_view content;
};
[[nodiscard]] std::span<const WebAsset> web_assets() noexcept;

}  // namespace parley::control
