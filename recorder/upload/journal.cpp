#include "recorder/upload/journal.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace parley::upload {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What a store calls its parts may be anything.
std::string line_of(const Json& line) {
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

// False for a line that is none of ours.
bool take_line(const Json& line, Journal::Contents& contents) {
  if (!line.is_object()) return false;
  if (line.contains("to")) {
    contents.to = text(line, "to");
    return true;
  }
  const std::string file = text(line, "file");
  if (file.empty()) return false;
  Progress& progress = contents.files[file];
  if (line.contains("begun")) {
    progress = {true, {}, {}, false, {}};
  } else if (line.contains("upload")) {
    progress.upload_id = text(line, "upload");
  } else if (line.contains("again")) {
    progress = {};
  } else if (line.contains("kept")) {
    progress.kept = true;
    progress.sha256 = text(line, "sha256");
  } else {
    const auto number = line.find("part");
    const auto hash = from_hex(text(line, "sha256"));
    if (number == line.end() || !number->is_number_integer() || !hash) return false;
    // In order, one after the other; one that is sent again, and those after it, are others now.
    const auto place = number->get<std::int64_t>();
    const auto count = static_cast<std::int64_t>(progress.parts.size());
    if (place < 1 || place > count + 1) return false;
    progress.parts.resize(static_cast<std::size_t>(place - 1));
    progress.parts.push_back({static_cast<int>(place), text(line, "etag"), *hash});
  }
  return true;
}

}  // namespace

Journal::Contents Journal::parse(std::string_view all) {
  Contents contents;
  std::string_view rest = all;
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    if (!take_line(Json::parse(rest.substr(0, end), nullptr, false), contents)) break;
    rest.remove_prefix(end + 1);
  }
  contents.bytes = all.size() - rest.size();
  return contents;
}

Journal::Journal(recorder::DiskFile file, Contents contents)
    : file_(std::move(file)), contents_(std::move(contents)) {
  had_parts_ = std::any_of(contents_.files.begin(), contents_.files.end(),
                           [](const auto& one) { return one.second.begun; });
}

recorder::Disk<Journal> Journal::open(const std::filesystem::path& folder, const std::string& to) {
  const auto path = folder / kName;
  std::string before;
  std::error_code error;
  if (const auto size = std::filesystem::file_size(path, error); !error && size <= kMaxBytes) {
    before.resize(static_cast<std::size_t>(size));
    std::ifstream in(path, std::ios::binary);
    in.read(before.data(), static_cast<std::streamsize>(before.size()));
    before.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  }
  Contents contents = parse(before);
  before.resize(contents.bytes);
  if (contents.to != to) {
    contents = {};
    contents.to = to;
    before = line_of({{"to", to}});
    contents.bytes = before.size();
  }
  // Whole, in place of one with a torn end.
  if (auto written = recorder::replace_file(path, before, {}); !written) {
    return tl::unexpected(written.error());
  }
  auto file = recorder::DiskFile::open(path);
  if (!file) return tl::unexpected(file.error());
  return Journal(*std::move(file), std::move(contents));
}

const Progress& Journal::of(const std::string& file) const {
  static const Progress kNone;
  const auto found = contents_.files.find(file);
  return found == contents_.files.end() ? kNone : found->second;
}

recorder::Disk<void> Journal::add(const std::string& line) {
  const rtp::ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(line.data()), line.size()};
  if (auto written = file_.write_at({}, contents_.bytes, bytes); !written) return written;
  if (auto synced = file_.sync({}); !synced) return synced;
  contents_.bytes += line.size();
  static_cast<void>(take_line(Json::parse(line), contents_));
  return {};
}

recorder::Disk<void> Journal::begun(const std::string& file) {
  had_parts_ = true;
  return add(line_of({{"file", file}, {"begun", true}}));
}
recorder::Disk<void> Journal::opened(const std::string& file, const std::string& upload_id) {
  return add(line_of({{"file", file}, {"upload", upload_id}}));
}
recorder::Disk<void> Journal::sent(const std::string& file, const Part& part) {
  return add(line_of(
      {{"file", file}, {"part", part.number}, {"etag", part.etag}, {"sha256", hex(part.sha256)}}));
}
recorder::Disk<void> Journal::again(const std::string& file) {
  return add(line_of({{"file", file}, {"again", true}}));
}
recorder::Disk<void> Journal::kept(const std::string& file, const std::string& sha256) {
  return add(line_of({{"file", file}, {"kept", true}, {"sha256", sha256}}));
}

}  // namespace parley::upload
