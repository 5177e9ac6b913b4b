#include "recorder/journal.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "recorder/names.h"

namespace parley::recorder::journal {

namespace {

constexpr std::size_t kMaxSize = 16U << 20U;

bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// Percent-encoding (RFC 3986); an empty word is a lone '%'.
std::string encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (text.empty()) return "%";
  std::string word;
  for (const char c : text) {
    if (is_plain(c)) {
      word += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    word += '%';
    word += kHex[byte >> 4U];
    word += kHex[byte & 0xfU];
  }
  return word;
}

std::string decode(std::string_view word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    unsigned byte = 0;
    const char* const hex = word.data() + i + 1;
    if (word[i] == '%' && i + 2 < word.size() &&
        std::from_chars(hex, hex + 2, byte, 16).ptr == hex + 2) {
      text += static_cast<char>(byte);
      i += 2;
    } else if (word[i] != '%') {
      text += word[i];
    }
  }
  return text;
}

std::string line(std::initializer_list<std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ' ';
    text += encode(word);
  }
  return text += '\n';
}

std::int64_t number(const std::string& word) noexcept {
  std::int64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "+") + word;
  return text;
}

// Up to where it is torn.
template <class Visit>
void each_line(std::string_view text, const Visit& visit) {
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    std::vector<std::string> words = split(text.substr(0, end), ' ');
    text.remove_prefix(end + 1);
    for (std::string& word : words) word = decode(word);
    if (!words.empty()) visit(words);
  }
}

std::optional<std::string> text_of(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (text.size() > kMaxSize) text.resize(kMaxSize);
  return text;
}

// Of a file that was closed since it is old news.
void apply_progress(const std::vector<std::string>& w, Contents& to) {
  const std::string& kind = w[0];
  if (kind == "whole" && w.size() == 4) {
    const auto& files = to.manifest.files;
    const bool open = std::any_of(files.begin(), files.end(), [&](const ManifestFile& entry) {
      return entry.file.name == w[1] && entry.file.duration_ms == 0;
    });
    if (!open) return;
    to.open[w[1]] = {static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(w[2]))),
                     static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(w[3])))};
  } else if (kind == "reached" && w.size() == 2) {
    to.reached_ms = std::max<std::int64_t>(0, number(w[1]));
  }
}

void apply(const std::vector<std::string>& w, Contents& to, bool& has_recording) {
  Manifest& manifest = to.manifest;
  const std::string& kind = w[0];
  if (kind == "recording" && w.size() == 7) {
    manifest.info = {w[1], w[2], w[3], w[4], w[5], number(w[6])};
    has_recording = true;
  } else if (kind == "track" && w.size() == 6) {
    add_track(manifest.participants, {w[1], w[2], w[3], w[4], w[5], {}});
  } else if (kind == "file" &&
             (w.size() == 8 || w.size() == 7)) {  // 7: before there were rotations
    RecordedFile file;
    file.name = w[1];
    file.participant_id = w[2];
    file.identity = w[3];
    file.source = w[4];
    file.codecs = split(w[5], '+');
    file.offset_ms = number(w[6]);
    if (w.size() == 8) file.rotation = number(w[7]);
    manifest.files.push_back({std::move(file), {}});
  } else if (kind == "gap" && w.size() == 5) {
    for (ManifestFile& entry : manifest.files) {
      if (entry.file.name == w[1]) entry.gaps.push_back({number(w[2]), number(w[3]), w[4]});
    }
  } else if (kind == "change" && w.size() == 3) {
    manifest.changes.push_back({number(w[1]), w[2]});
  } else if (kind == "end" && w.size() == 3) {
    manifest.end_reason = w[1];
    manifest.duration_ms = number(w[2]);
    to.ended = true;
  } else if (kind == "closed" && w.size() == 3) {
    for (ManifestFile& entry : manifest.files) {
      if (entry.file.name == w[1]) entry.file.duration_ms = number(w[2]);
    }
  }
}

}  // namespace

std::string recording_line(const RecordingInfo& info) {
  return line({"recording", info.recording_id, info.tenant, info.room_id, info.room_name,
               info.session_id, std::to_string(info.started_ms)});
}

std::string track_line(const TrackInfo& track) {
  return line(
      {"track", track.track_id, track.participant_id, track.identity, track.name, track.source});
}

std::string file_line(const RecordedFile& file) {
  return line({"file", file.name, file.participant_id, file.identity, file.source,
               joined(file.codecs), std::to_string(file.offset_ms), std::to_string(file.rotation)});
}

std::string gap_line(std::string_view file, const Gap& gap) {
  return line(
      {"gap", file, std::to_string(gap.start_ms), std::to_string(gap.length_ms), gap.reason});
}

std::string change_line(const Change& change) {
  return line({"change", std::to_string(change.at_ms), change.what});
}

std::string whole_line(std::string_view file, Whole whole) {
  return line({"whole", file, std::to_string(whole.header), std::to_string(whole.bytes)});
}

std::string closed_line(std::string_view file, std::int64_t duration_ms) {
  return line({"closed", file, std::to_string(duration_ms)});
}

std::string reached_line(std::int64_t ms) { return line({"reached", std::to_string(ms)}); }

std::string end_line(std::string_view reason, std::int64_t duration_ms) {
  return line({"end", reason, std::to_string(duration_ms)});
}

std::optional<Contents> parse(std::string_view text) {
  Contents contents;
  bool has_recording = false;
  each_line(text, [&](const auto& words) { apply(words, contents, has_recording); });
  if (!has_recording) return std::nullopt;
  return contents;
}

std::optional<Contents> parse(std::string_view text, std::string_view progress) {
  auto contents = parse(text);
  if (contents) each_line(progress, [&](const auto& words) { apply_progress(words, *contents); });
  return contents;
}

std::optional<Contents> read(const std::filesystem::path& path) {
  const auto text = text_of(path);
  return text ? parse(*text) : std::nullopt;
}

std::optional<Contents> read_followed(const std::filesystem::path& folder) {
  // In this order: all that came before what the second says is in the first.
  const auto progress = text_of(folder / kProgressName);
  const auto text = text_of(folder / kJournalName);
  return text ? parse(*text, progress.value_or("")) : std::nullopt;
}

}  // namespace parley::recorder::journal
