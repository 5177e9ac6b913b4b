#include "recorder/compose/composer.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "recorder/compose/chapters.h"
#include "recorder/compose/note.h"
#include "recorder/compose/picture.h"
#include "recorder/compose/pieces.h"
#include "recorder/compose/sound.h"
#include "recorder/compose/stills.h"
#include "recorder/disk_file.h"
#include "recorder/folder_lock.h"
#include "recorder/names.h"
#include "recorder/sha256.h"

namespace parley::compose {
namespace {

namespace fs = std::filesystem;

constexpr rtp::Duration kPiece = std::chrono::seconds(30);
constexpr rtp::Duration kTold = std::chrono::milliseconds(200);  // between two words of progress

using Done = Result<void>;

// Whole under its own name, or not at all.
Done keep(const fs::path& part, const fs::path& as) {
  const int fd = ::open(part.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fdatasync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced || std::rename(part.c_str(), as.c_str()) != 0) return cannot_write(as);
  if (!recorder::sync_directory(as.parent_path())) return cannot_write(as);
  return {};
}

// Names whatever decides about the bytes that are made, so that what is left of an earlier run is
// used only for the same. To be counted up when this program makes its pieces in another way.
constexpr int kFormat = 2;

std::string mark_of(const Settings& settings, const Plan& plan) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;  // FNV-1a, 64 bits
  const auto add = [&](const std::string& text) {
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    }
  };
  for (const PlannedFile& file : plan.files) {
    add(file.path.filename().string());
    for (const Offset time : {file.offset, file.skip, file.duration}) {
      add(' ' + std::to_string(time.count()));
    }
  }
  for (const PlannedTile& tile : plan.tiles) add('\n' + tile.name);
  return settings.describe() + ' ' + std::to_string(plan.length.count()) + ' ' +
         std::to_string(hash) + " format " + std::to_string(kFormat);
}

class Composer {
 public:
  Composer(const Plan& plan, const Settings& settings, const Limits& limits, const fs::path& folder,
           const OnProgress& on_progress)
      : plan_(plan),
        settings_(settings),
        limits_(limits),
        folder_(folder),
        work_(folder / "composite.work"),
        on_progress_(on_progress) {}

  Result<Composed> run() {
    const recorder::FolderLock lock(folder_ / "composite.lock");
    if (!lock.held()) return cannot_write(folder_ / "composite.lock");
    const std::string name = std::string(settings_.picture ? "composite." : "composite-sound.") +
                             std::string(settings_.extension());
    auto composed = make(name);
    if (composed) return composed;
    // What is half written is of no use to anybody, and the room is needed.
    std::error_code error;
    fs::remove(part_of(folder_ / name), error);
    for (const auto& file : fs::directory_iterator(work_, error)) {
      if (file.path().string().ends_with(recorder::kPartSuffix)) fs::remove(file.path(), error);
    }
    if (full_) return no_room();
    return composed;
  }

 private:
  static constexpr const char* kSound = "sound";

  Result<Composed> make(const std::string& name) {
    const Wanted wanted{name, mark_of(settings_, plan_)};
    std::error_code error;
    if (auto there = noted_composite(folder_, wanted)) {
      fs::remove_all(work_, error);  // whoever made it may have been killed before that
      return *there;
    }
    if (const Done ready = make_folder(wanted.settings); !ready) return pass(ready);
    const auto speakers = sound();
    if (!speakers) return tl::unexpected(speakers.error());
    std::vector<fs::path> pieces;
    if (settings_.picture) {
      if (const Done made = make_pieces(*speakers, pieces); !made) return pass(made);
    }
    const fs::path result = folder_ / name;
    if (!has_room(bytes_of(pieces) + bytes_of({work_ / kSound}))) return no_room();
    if (!forget_composite(folder_, name)) return cannot_write(folder_ / recorder::kManifestName);
    if (const Done joined = join(work_ / kSound, pieces, result); !joined) return pass(joined);
    auto extras = make_extras(result, *speakers);
    if (!extras) return tl::unexpected(extras.error());
    const Composed composed{result, plan_.length, fs::file_size(result, error),
                            recorder::sha256_of(result), *std::move(extras)};
    if (error || composed.sha256.empty() || !note_composite(folder_, wanted, composed)) {
      return cannot_write(result);
    }
    fs::remove_all(work_, error);
    return composed;
  }

  static tl::unexpected<Failure> pass(const Done& failed) { return tl::unexpected(failed.error()); }

  static fs::path part_of(const fs::path& file) {
    return file.string() + std::string(recorder::kPartSuffix);
  }

  // What was begun with other settings is of no use.
  Done make_folder(const std::string& settings) {
    std::error_code error;
    const fs::path note = work_ / "settings";
    if (text_of(note) == settings) return {};
    fs::remove_all(work_, error);
    fs::create_directories(work_, error);
    if (error || !recorder::replace_file(note, settings, {})) return cannot_write(note);
    return {};
  }

  Result<Speakers> sound() {
    const fs::path file = work_ / kSound;
    const fs::path said = work_ / "speakers";
    if (fs::exists(file)) {
      if (auto kept = Speakers::from_text(text_of(said), plan_.tiles.size())) return *kept;
    }
    if (!has_room()) return no_room();
    auto speakers = make_sound(plan_, settings_, part_of(file),
                               [this](Offset done) { return tell(Stage::Sound, done); });
    if (!speakers) return speakers;
    if (!recorder::replace_file(said, speakers->to_text(), {})) return cannot_write(said);
    if (const Done kept = keep(part_of(file), file); !kept) return pass(kept);
    return speakers;
  }

  // Asked again and again: recordings of calls that go on need the same disk.
  [[nodiscard]] bool has_room(std::uint64_t for_bytes = 0) const {
    return recorder::free_bytes(folder_) >= limits_.min_free_bytes + for_bytes;
  }
  [[nodiscard]] tl::unexpected<Failure> no_room() const {
    return failed("disk_full", "besides what it takes " + std::to_string(limits_.min_free_bytes) +
                                   " bytes must stay free; what is made is kept");
  }
  static std::uint64_t bytes_of(const std::vector<fs::path>& files) {
    std::uint64_t sum = 0;
    for (const fs::path& file : files) {
      std::error_code error;
      const auto size = fs::file_size(file, error);
      if (!error) sum += size;
    }
    return sum;
  }

  bool tell(Stage stage, Offset done) {
    full_ = !has_room();
    return !full_ && on_progress_({stage, done, plan_.length});
  }

  Done make_pieces(const Speakers& speakers, std::vector<fs::path>& pieces) {
    std::optional<Picture> picture;  // opened at the first piece that is not there
    const std::int64_t frames = frame_of(plan_.length + Offset(999'999 / settings_.fps));
    const std::int64_t in_piece = frame_of(kPiece);
    for (std::int64_t first = 0; first < std::max<std::int64_t>(frames, 1); first += in_piece) {
      std::array<char, 32> name{};
      std::snprintf(name.data(), name.size(), "picture-%05d.mkv",
                    static_cast<int>(first / in_piece));
      pieces.push_back(work_ / name.data());
      if (fs::exists(pieces.back())) {
        picture.reset();
        continue;
      }
      if (!has_room()) return no_room();
      if (!picture) picture.emplace(plan_, settings_, speakers);
      const std::int64_t end = std::max(first + 1, std::min(first + in_piece, frames));
      const Done made = make_piece(*picture, first, end, part_of(pieces.back()));
      if (!made) return made;
      if (const Done kept = keep(part_of(pieces.back()), pieces.back()); !kept) return kept;
    }
    return {};
  }

  Done make_piece(Picture& picture, std::int64_t first, std::int64_t end, const fs::path& to) {
    const auto encoder = Encoder::video(settings_);
    if (!encoder) return failed("no_codec", "this FFmpeg encodes no " + settings_.codec);
    const auto file = OutputFile::create(to, "matroska", *encoder);
    if (!file) return cannot_write(to);
    const auto drain = [&] {
      while (AVPacket* packet = encoder->receive()) {
        packet->duration = 1;
        if (!file->write(*packet, 0, encoder->time_base())) return false;
      }
      return true;
    };
    const std::int64_t told_every = std::max<std::int64_t>(1, frame_of(kTold));
    for (std::int64_t number = first; number < end; ++number) {
      // What is there in the middle of its time: half a frame early or late at most.
      AVFrame* const frame = picture.at(time_of(number) + frame_length() / 2);
      if (frame == nullptr) return failed("no_memory", "for a picture");
      frame->pts = number;
      if (!encoder->send(frame)) return failed("no_codec", "the encoder refused a picture");
      if (!drain()) return cannot_write(to);
      if (number % told_every == 0 && !tell(Stage::Picture, time_of(number))) {
        return failed("stopped", "at the picture");
      }
    }
    if (!encoder->send(nullptr) || !drain() || !file->finish()) return cannot_write(to);
    return {};
  }

  // By time: a player reads on while it plays.
  Done join(const fs::path& sound_file, const std::vector<fs::path>& pictures, const fs::path& to) {
    std::vector<Pieces> inputs;
    if (!pictures.empty()) inputs.emplace_back(pictures, AVMEDIA_TYPE_VIDEO);
    inputs.emplace_back(std::vector{sound_file}, AVMEDIA_TYPE_AUDIO);
    std::vector<const AVCodecParameters*> streams;
    for (const Pieces& input : inputs) {
      if (input.parameters() == nullptr) {
        std::error_code ignored;
        if (input.broken()) fs::remove(*input.broken(), ignored);
        return failed("disk_error", "a piece does not open");
      }
      streams.push_back(input.parameters());
    }
    const fs::path part = part_of(to);
    const auto file = OutputFile::create(part, settings_.mp4() ? "mp4" : "webm", streams);
    if (!file) return cannot_write(part);
    Offset told{};
    std::optional<std::int64_t> lead;  // of the sound, in its time base
    for (;;) {
      std::optional<std::size_t> next;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].peek() == nullptr) continue;
        if (!next || inputs[i].time() < inputs[*next].time()) next = i;
      }
      if (!next) break;
      const Offset time = inputs[*next].time();
      AVPacket* const packet = inputs[*next].peek();
      // What Opus's encoder puts in front begins before zero, and WebM's times do not. Left to
      // itself the muxer would move the picture with it.
      const bool sound = *next == inputs.size() - 1;
      if (sound && !settings_.mp4()) {
        if (!lead) lead = std::max<std::int64_t>(0, -packet->pts);
        packet->pts += *lead;
        packet->dts += *lead;
      }
      if (!file->write(*packet, static_cast<int>(*next), inputs[*next].time_base())) {
        return cannot_write(part);
      }
      inputs[*next].pop();
      if (time - told < std::chrono::seconds(10)) continue;
      told = time;
      if (!tell(Stage::Join, time)) return failed("stopped", "while joining");
    }
    for (const Pieces& input : inputs) {
      if (!input.broken()) continue;
      std::error_code ignored;
      fs::remove(*input.broken(), ignored);  // the next run makes it anew
      return failed("disk_error", input.broken()->filename().string() + " does not read");
    }
    if (!file->finish()) return cannot_write(part);
    return keep(part, to);
  }

  Result<std::vector<Extra>> make_extras(const fs::path& film, const Speakers& speakers) {
    std::vector<Still> made;
    if (settings_.picture) {
      auto stills = make_stills(film, plan_.length, folder_);
      if (!stills) return tl::unexpected(stills.error());
      made = *std::move(stills);
    }
    const fs::path chapters = folder_ / "chapters.vtt";
    const std::string text = web_vtt(chapters_of(plan_, speakers), plan_.length);
    if (!recorder::replace_file(chapters, text, {})) return cannot_write(chapters);
    made.push_back({chapters.filename(), "chapters"});
    std::vector<Extra> extras;
    for (const Still& still : made) {
      std::error_code error;
      const fs::path file = folder_ / still.name;
      extras.push_back(
          {still.name, still.kind, fs::file_size(file, error), recorder::sha256_of(file)});
      if (error || extras.back().sha256.empty()) return cannot_write(file);
    }
    return extras;
  }

  [[nodiscard]] std::int64_t frame_of(Offset time) const noexcept {
    return time.count() * settings_.fps / 1'000'000;
  }
  [[nodiscard]] Offset frame_length() const noexcept { return Offset(1'000'000 / settings_.fps); }
  [[nodiscard]] Offset time_of(std::int64_t frame) const noexcept {
    return Offset(frame * 1'000'000 / settings_.fps);
  }

  const Plan& plan_;
  const Settings& settings_;
  Limits limits_;
  fs::path folder_;
  fs::path work_;
  const OnProgress& on_progress_;
  bool full_ = false;
};

}  // namespace

std::string_view name_of(Stage stage) noexcept {
  switch (stage) {
    case Stage::Sound:
      return "sound";
    case Stage::Picture:
      return "picture";
    case Stage::Join:
      return "join";
  }
  return "";
}

Result<Composed> compose(const Plan& plan, const Settings& settings, const Limits& limits,
                         const std::filesystem::path& folder, const OnProgress& on_progress) {
  if (const std::string problem = problem_of(settings); !problem.empty()) {
    return failed("bad_settings", problem);
  }
  return Composer(plan, settings, limits, folder, on_progress).run();
}

}  // namespace parley::compose
