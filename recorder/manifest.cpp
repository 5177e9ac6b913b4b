#include "recorder/manifest.h"

#include <algorithm>
#include <string_view>

namespace parley::recorder {

namespace {

// Just enough JSON to write one file (RFC 8259): objects and arrays that close in order.
class Json {
 public:
  Json& open(char bracket) {
    separate();
    text_ += bracket;
    closers_ += bracket == '{' ? '}' : ']';
    first_ = true;
    return *this;
  }
  Json& close() {
    const char closer = closers_.back();
    closers_.pop_back();
    if (!first_) break_line();
    text_ += closer;
    first_ = false;
    return *this;
  }
  Json& key(std::string_view name) {
    separate();
    quote(name);
    text_ += ": ";
    after_key_ = true;
    return *this;
  }
  Json& value(std::string_view text) {
    separate();
    quote(text);
    return *this;
  }
  Json& literal(std::string_view text) {
    separate();
    text_ += text;
    return *this;
  }
  template <class Number>
  Json& number(Number n) {
    return literal(std::to_string(n));
  }
  [[nodiscard]] std::string take() { return std::move(text_ += '\n'); }

 private:
  void break_line() {
    text_ += '\n';
    text_.append(2 * closers_.size(), ' ');
  }
  void separate() {
    if (after_key_) {
      after_key_ = false;
      return;
    }
    if (closers_.empty()) return;
    if (!first_) text_ += ',';
    break_line();
    first_ = false;
  }
  void quote(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    text_ += '"';
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (byte < 0x20 || byte == 0x7f) {
        text_ += "\\u00";
        text_ += kHex[byte >> 4U];
        text_ += kHex[byte & 0xfU];
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  std::string text_;
  std::string closers_;
  bool first_ = true;
  bool after_key_ = false;
};

void write_participant(Json& json, const ManifestParticipant& participant) {
  json.open('{');
  json.key("participant_id").value(participant.participant_id);
  json.key("identity").value(participant.identity);
  json.key("name").value(participant.name);
  json.key("tracks").open('[');
  for (const ManifestTrack& track : participant.tracks) {
    json.open('{').key("track_id").value(track.track_id);
    json.key("source").value(track.source).close();
  }
  json.close().close();
}

void write_file(Json& json, const ManifestFile& entry) {
  const RecordedFile& file = entry.file;
  json.open('{');
  json.key("name").value(file.name);
  json.key("participant_id").value(file.participant_id);
  json.key("identity").value(file.identity);
  json.key("source").value(file.source);
  json.key("codecs").open('[');
  for (const std::string& codec : file.codecs) json.value(codec);
  json.close();
  json.key("rotation").number(file.rotation);
  json.key("offset_ms").number(file.offset_ms);
  json.key("duration_ms").number(file.duration_ms);
  json.key("size_bytes").number(file.size_bytes);
  json.key("sha256").value(file.sha256);
  json.key("gaps").open('[');
  for (const Gap& gap : entry.gaps) {
    json.open('{').key("start_ms").number(gap.start_ms).key("ms").number(gap.length_ms);
    json.key("reason").value(gap.reason).close();
  }
  json.close().close();
}

}  // namespace

std::uint64_t Manifest::size_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const ManifestFile& entry : files) sum += entry.file.size_bytes;
  return sum;
}

void Manifest::extend_duration() noexcept {
  for (const ManifestFile& entry : files) {
    duration_ms = std::max(duration_ms, entry.file.offset_ms + entry.file.duration_ms);
  }
}

std::vector<RecordedFile> Manifest::recorded_files() const {
  std::vector<RecordedFile> list;
  for (const ManifestFile& entry : files) list.push_back(entry.file);
  return list;
}

std::string Manifest::to_json() const {
  Json json;
  json.open('{');
  json.key("schema").number(kSchema);
  json.key("recording_id").value(info.recording_id);
  json.key("tenant").value(info.tenant);
  json.key("room_id").value(info.room_id);
  json.key("room_name").value(info.room_name);
  json.key("session_id").value(info.session_id);
  json.key("started_ms").number(info.started_ms);
  json.key("duration_ms").number(duration_ms);
  json.key("size_bytes").number(size_bytes());
  json.key("end_reason").value(end_reason);
  json.key("truncated").literal(truncated ? "true" : "false");
  if (failure) {
    json.key("failure").open('{').key("reason").value(failure->reason);
    json.key("detail").value(failure->detail).close();
  } else {
    json.key("failure").literal("null");
  }
  json.key("participants").open('[');
  for (const ManifestParticipant& participant : participants) write_participant(json, participant);
  json.close();
  json.key("files").open('[');
  for (const ManifestFile& entry : files) write_file(json, entry);
  json.close();
  json.key("changes").open('[');
  for (const Change& change : changes) {
    json.open('{').key("at_ms").number(change.at_ms).key("what").value(change.what).close();
  }
  json.close().close();
  return json.take();
}

void add_track(std::vector<ManifestParticipant>& participants, const TrackInfo& track) {
  auto found = std::find_if(participants.begin(), participants.end(), [&](const auto& p) {
    return p.participant_id == track.participant_id;
  });
  if (found == participants.end()) {
    participants.push_back({track.participant_id, track.identity, track.name, {}});
    found = participants.end() - 1;
  }
  const ManifestTrack entry{track.track_id, track.source};
  if (std::find(found->tracks.begin(), found->tracks.end(), entry) == found->tracks.end()) {
    found->tracks.push_back(entry);
  }
}

}  // namespace parley::recorder
