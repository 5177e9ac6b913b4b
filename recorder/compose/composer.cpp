#include "recorder/compose/composer.h"

#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "recorder/compose/chapters.h"
#include "recorder/compose/film.h"
#include "recorder/compose/growing.h"
#include "recorder/compose/note.h"
#include "recorder/compose/sound.h"
#include "recorder/compose/stills.h"
#include "recorder/disk_file.h"
#include "recorder/folder_lock.h"
#include "recorder/names.h"
#include "recorder/sha256.h"

namespace parley::compose {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLook{500};  // at what has come of one that goes on
constexpr int kMostLooks = 60;                   // for one that is to begin
constexpr rtp::Duration kStep = std::chrono::seconds(5);

using Done = Result<void>;

// Names whatever decides about the bytes that are made, so that what is left of an earlier run is
// used only for the same. To be counted up when this program makes its pieces in another way.
constexpr int kFormat = 3;

std::string digest_of(const Plan& plan) {
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
  return std::to_string(hash);
}

// Of what a live one is made cannot be said when it begins; that it is the same recording can.
std::string mark_of(const Settings& settings, const Plan& plan) {
  const std::string format = " format " + std::to_string(kFormat);
  if (settings.live) return settings.describe() + format;
  return settings.describe() + ' ' + std::to_string(plan.length.count()) + ' ' + digest_of(plan) +
         format;
}

std::string name_of(const Settings& settings) {
  if (settings.product == Product::Stills) return "sheet.jpg";
  return std::string(settings.product == Product::Sound ? "composite-sound." : "composite.") +
         std::string(settings.extension());
}

std::uint64_t bytes_of(const std::vector<fs::path>& files) {
  std::uint64_t sum = 0;
  for (const fs::path& file : files) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (!error) sum += size;
  }
  return sum;
}

class Composer {
 public:
  Composer(Settings settings, const Limits& limits, const fs::path& folder,
           const OnProgress& on_progress)
      : settings_(std::move(settings)),
        work_(folder, limits),
        folder_(folder),
        on_progress_(on_progress) {}

  Result<Composed> run(Plan plan) {
    plan_ = std::move(plan);
    return locked([this] { return make(); });
  }
  Done follow() {
    await_journal();
    return locked([this] {
      Done followed = follow_to_its_end();
      // The recording needs the room more than we do, or nobody needs what was made.
      if (!followed) work_.remove();
      return followed;
    });
  }

 private:
  template <class Work>
  auto locked(const Work& work) -> decltype(work()) {
    const recorder::FolderLock lock(folder_ / "composite.lock");
    if (!lock.held()) return cannot_write(folder_ / "composite.lock");
    auto done = work();
    if (done) return done;
    std::error_code error;
    fs::remove(part_of(folder_ / name_of(settings_)), error);
    work_.tidy();
    if (full_) return work_.no_room();
    return done;
  }

  Result<Composed> make() {
    const Wanted wanted{name_of(settings_), mark_of(settings_, plan_)};
    if (auto there = noted_composite(folder_, wanted)) {
      work_.remove();  // whoever made it may have been killed before that
      return *there;
    }
    if (const Done ready = work_.open(wanted.settings); !ready) return pass(ready);
    const auto speakers = sound();
    if (!speakers) return tl::unexpected(speakers.error());
    const fs::path result = folder_ / wanted.name;
    auto extras = settings_.product == Product::Stills ? make_stills_alone(*speakers)
                                                       : make_film(result, *speakers);
    if (!extras) return tl::unexpected(extras.error());
    std::error_code error;
    const Composed composed{result, plan_.length, fs::file_size(result, error),
                            recorder::sha256_of(result), *std::move(extras)};
    if (error || composed.sha256.empty() || !note_composite(folder_, wanted, composed)) {
      return cannot_write(result);
    }
    work_.remove();
    return composed;
  }

  static tl::unexpected<Failure> pass(const Done& failed) { return tl::unexpected(failed.error()); }

  // Its folder is made by another thread of who started both.
  void await_journal() const {
    std::error_code error;
    for (int looks = 0; looks < kMostLooks; ++looks) {
      if (fs::exists(folder_ / recorder::kJournalName, error)) return;
      if (fs::exists(folder_ / recorder::kManifestName, error)) return;
      std::this_thread::sleep_for(kLook);
    }
  }

  Done follow_to_its_end() {
    if (const Done ready = work_.open(mark_of(settings_, plan_)); !ready) return ready;
    const LayoutKind first = settings_.layouts.front().kind;
    SoundMaker sound(plan_, settings_, part_of(work_.sound()));
    std::optional<Film> film;
    for (;;) {
      auto growing = growing_plan(folder_);
      if (!growing) return tl::unexpected(growing.error());
      if (growing->over && growing->plan.failed) return failed("stopped", "the recording failed");
      if (!take(std::move(growing->plan), first)) {
        return failed("stopped", "what came late stands before what is made");
      }
      if (growing->over) break;
      if (const Done done = sound.advance(plan_.length, teller(Stage::Live)); !done) return done;
      if (!film && settings_.product == Product::Film) {
        film.emplace(plan_, settings_, sound.speakers(), work_);
      }
      if (film) {
        if (const Done done = film->advance(plan_.length, teller(Stage::Live)); !done) return done;
      }
      if (!on_progress_({Stage::Live, plan_.length, plan_.length})) {
        return failed("stopped", "before the recording was over");
      }
      std::this_thread::sleep_for(kLook);
    }
    if (const Done done = sound.finish(teller(Stage::Live)); !done) return done;
    return keep_sound(sound.speakers());
  }

  // False: it does not go on from where the plan was.
  bool take(Plan plan, LayoutKind first) {
    const auto pauses = pauses_of(plan);
    plan = without(pauses, std::move(plan));
    if (!continues(plan_, plan)) return false;
    settings_.layouts = {{Offset(0), first}};
    for (const recorder::Change& change : plan.changes) {
      const auto kind = layout_of(change.what);
      const Offset at = without(pauses, std::chrono::milliseconds(change.at_ms));
      if (kind) settings_.layouts.push_back({at, *kind});
    }
    plan_ = std::move(plan);
    return true;
  }

  Result<Speakers> sound() {
    if (fs::exists(work_.sound())) {
      if (auto kept = Speakers::from_text(text_of(work_.speakers()), plan_.tiles.size())) {
        return *kept;
      }
    }
    if (!work_.has_room()) return work_.no_room();
    SoundMaker sound(plan_, settings_, part_of(work_.sound()));
    if (const Done done = sound.finish(teller(Stage::Sound)); !done) return pass(done);
    if (const Done kept = keep_sound(sound.speakers()); !kept) return pass(kept);
    return sound.speakers();
  }

  Done keep_sound(const Speakers& speakers) {
    if (!recorder::replace_file(work_.speakers(), speakers.to_text(), {})) {
      return cannot_write(work_.speakers());
    }
    return keep(work_.sound());
  }

  OnDone teller(Stage stage) {
    return [this, stage](Offset done) {
      full_ = !work_.has_room();
      return !full_ && on_progress_({stage, done, plan_.length});
    };
  }

  Result<std::vector<Extra>> make_film(const fs::path& result, const Speakers& speakers) {
    Film film(plan_, settings_, speakers, work_);
    if (settings_.product == Product::Film) {
      if (const Done made = film.finish(teller(Stage::Picture)); !made) return pass(made);
    }
    const auto& pieces = film.pieces();
    if (!work_.has_room(bytes_of(pieces) + bytes_of({work_.sound()}))) return work_.no_room();
    if (const Done forgot = forget(result); !forgot) return pass(forgot);
    const Done joined = join(settings_, work_.sound(), pieces, result, teller(Stage::Join));
    if (!joined) return pass(joined);
    std::vector<Still> stills;
    if (settings_.product == Product::Film) {
      const auto pictures = key_frames_of(result);
      if (!pictures) return tl::unexpected(pictures.error());
      auto made = make_stills(*pictures, settings_.size, plan_.length, folder_,
                              [](Offset) { return true; });
      if (!made) return tl::unexpected(made.error());
      stills = *std::move(made);
    }
    return extras_of(std::move(stills), speakers);
  }

  // Of the tracks themselves, as the film would show them.
  Result<std::vector<Extra>> make_stills_alone(const Speakers& speakers) {
    if (!work_.has_room()) return work_.no_room();
    if (const Done forgot = forget(folder_ / name_of(settings_)); !forgot) return pass(forgot);
    Picture picture(plan_, settings_, speakers);
    const OnDone tell = teller(Stage::Picture);
    // Step by step: all in between is decoded, which takes its time, and must be seen to go on.
    const auto picture_at = [&, at = Offset(0)](Offset time) mutable {
      for (; at < time && tell(at); at += kStep) static_cast<void>(picture.at(at));
      return picture.at(time);
    };
    auto stills = make_stills(picture_at, settings_.size, plan_.length, folder_, tell);
    if (!stills) return tl::unexpected(stills.error());
    std::erase_if(*stills, [&](const Still& still) { return still.name == name_of(settings_); });
    return extras_of(*std::move(stills), speakers);
  }

  Done forget(const fs::path& result) {
    if (forget_composite(folder_, result.filename().string())) return {};
    return cannot_write(folder_ / recorder::kManifestName);
  }

  Result<std::vector<Extra>> extras_of(std::vector<Still> made, const Speakers& speakers) {
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

  Plan plan_;
  Settings settings_;
  WorkFolder work_;
  fs::path folder_;
  const OnProgress& on_progress_;
  bool full_ = false;
};

}  // namespace

std::string_view name_of(Stage stage) noexcept {
  switch (stage) {
    case Stage::Live:
      return "live";
    case Stage::Sound:
      return "sound";
    case Stage::Picture:
      return "picture";
    case Stage::Join:
      return "join";
  }
  return "";
}

Result<Composed> compose(Plan plan, const Settings& settings, const Limits& limits,
                         const fs::path& folder, const OnProgress& on_progress) {
  if (const std::string problem = problem_of(settings); !problem.empty()) {
    return failed("bad_settings", problem);
  }
  return Composer(settings, limits, folder, on_progress).run(std::move(plan));
}

Result<void> follow(const Settings& settings, const Limits& limits, const fs::path& folder,
                    const OnProgress& on_progress) {
  if (const std::string problem = problem_of(settings); !problem.empty()) {
    return failed("bad_settings", problem);
  }
  // Growing files are opened by names that are joined by it.
  if (folder.string().find('|') != std::string::npos) {
    return failed("bad_settings", "a live one cannot be made where the folder's path has a |");
  }
  return Composer(settings, limits, folder, on_progress).follow();
}

}  // namespace parley::compose
