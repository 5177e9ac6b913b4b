#include "recorder/names.h"

#include <algorithm>

namespace parley::recorder {

namespace {
constexpr std::size_t kMaxId = 64;
constexpr std::size_t kMaxName = 160;

constexpr bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}
}  // namespace

bool is_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxId && std::all_of(text.begin(), text.end(), is_plain);
}

bool is_file_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxName || text.front() == '.') return false;
  if (text.find("..") != std::string_view::npos || text.ends_with(kPartSuffix)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c) || c == '.'; });
}

std::string sanitized(std::string_view text) {
  std::string name{text.substr(0, kMaxId)};
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_plain(c); }, '_');
  if (name.empty()) name = "_";
  return name;
}

std::string final_name(std::string_view name) {
  if (name.ends_with(kPartSuffix)) name.remove_suffix(kPartSuffix.size());
  return std::string(name);
}

std::string_view content_type_of(std::string_view name) noexcept {
  if (name.ends_with(".webm")) return "video/webm";
  if (name.ends_with(".mp4")) return "video/mp4";
  if (name.ends_with(".json")) return "application/json";
  if (name.ends_with(".jpg")) return "image/jpeg";
  if (name.ends_with(".vtt")) return "text/vtt";
  return "application/octet-stream";
}

}  // namespace parley::recorder
