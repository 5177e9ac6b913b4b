// parley-compose: makes one picture and one sound of a recording. See --help.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "recorder/background.h"
#include "recorder/compose/composer.h"
#include "recorder/compose/note.h"
#include "recorder/muxer.h"
#include "recorder/names.h"

namespace {

namespace compose = parley::compose;
using compose::Offset;

constexpr int kBadUsage = 2;
constexpr std::size_t kMostChanges = 1'000;

struct Options {
  std::string folder;
  std::string layout = "grid";
  std::vector<std::string> changes;
  std::vector<std::string> pauses;
  std::string size = "1280x720";
  bool sound_only = false;
  bool stills_only = false;
  bool follow = false;
  bool no_names = false;
  pid_t parent = 0;
};

long long ms(parley::rtp::Duration duration) { return parley::recorder::to_ms(duration); }

// A line of JSON for each percent of a stage, and now and then while a recording goes on, for
// whoever started it: he has other things to do.
class Report {
 public:
  bool operator()(const compose::Progress& progress) {
    constexpr std::int64_t kCalls = 240;  // two minutes where nothing comes
    const std::int64_t step =
        progress.stage == compose::Stage::Live
            ? ++calls_ / kCalls
            : progress.done * 100 / std::max(progress.length, parley::rtp::Duration(1));
    if (stage_ == progress.stage && step == step_) return true;
    stage_ = progress.stage;
    step_ = step;
    std::printf("{\"stage\":\"%s\",\"done_ms\":%lld,\"length_ms\":%lld}\n",
                std::string(name_of(progress.stage)).c_str(), ms(progress.done),
                ms(progress.length));
    return std::fflush(stdout) == 0;
  }

 private:
  std::optional<compose::Stage> stage_;
  std::int64_t step_ = 0;
  std::int64_t calls_ = 0;
};

int fail(const compose::Failure& failure, int code) {
  const nlohmann::ordered_json line{
      {"stage", "failed"}, {"reason", failure.reason}, {"detail", failure.detail}};
  std::printf("%s\n", line.dump(-1, ' ', true).c_str());
  std::fprintf(stderr, "parley-compose: %s\n", failure.detail.c_str());
  return code;
}

// "1280x720", "500-900": two numbers with something between.
template <class Number>
std::optional<std::pair<Number, Number>> two_numbers(std::string_view text, char between) {
  std::pair<Number, Number> numbers{};
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, numbers.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != between) return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, numbers.second);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return numbers;
}

Offset milliseconds(std::uint32_t count) { return std::chrono::milliseconds(count); }

compose::Result<std::vector<compose::Pause>> pauses_of(const Options& options) {
  std::vector<compose::Pause> pauses;
  for (const std::string& text : options.pauses) {
    const auto range = two_numbers<std::uint32_t>(text, '-');
    const Offset before = pauses.empty() ? Offset(0) : pauses.back().end;
    if (!range || range->first > range->second || milliseconds(range->first) < before) {
      return compose::failed("bad_settings", "pause: FROM-TO in milliseconds, in order");
    }
    pauses.push_back({milliseconds(range->first), milliseconds(range->second)});
  }
  return pauses;
}

compose::Result<std::vector<compose::Settings::LayoutFrom>> layouts_of(
    const Options& options, const std::vector<compose::Pause>& pauses) {
  const auto wrong = [] {
    return compose::failed(
        "bad_settings",
        "layout: grid, speaker, presenter or pip; layout-change: MS=LAYOUT, in order");
  };
  std::vector<compose::Settings::LayoutFrom> layouts;
  const auto add = [&](Offset at, std::string_view name) {
    const auto kind = compose::layout_of(name);
    const Offset from = without(pauses, at);
    if (!kind || (!layouts.empty() && from < layouts.back().at)) return false;
    layouts.push_back({from, *kind});
    return true;
  };
  if (!add(Offset(0), options.layout)) return wrong();
  for (const std::string& change : options.changes) {
    const std::size_t equals = change.find('=');
    std::uint32_t at = 0;
    if (equals == std::string::npos) return wrong();
    const auto [end, error] = std::from_chars(change.data(), change.data() + equals, at);
    if (error != std::errc() || end != change.data() + equals) return wrong();
    if (!add(milliseconds(at), std::string_view(change).substr(equals + 1))) return wrong();
  }
  return layouts;
}

// Nothing to do for one that is over.
int follow(const Options& options, const compose::Settings& settings,
           const compose::Limits& limits) {
  std::error_code error;
  const std::filesystem::path folder(options.folder);
  if (std::filesystem::exists(folder / parley::recorder::kManifestName, error)) return 0;
  const auto followed = compose::follow(settings, limits, folder, Report());
  return followed ? 0 : fail(followed.error(), 1);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Makes one picture and one sound of a recording, at low priority. Called again after it was "
      "killed, it goes on. Prints its progress as lines of JSON, the last one with the file."};
  app.set_version_flag("--version", "parley-compose " PARLEY_VERSION);
  Options options;
  compose::Settings settings;
  compose::Limits limits;
  app.add_option("folder", options.folder, "of the recording, with its manifest.json")->required();
  app.add_option("--layout", options.layout, "grid, speaker, presenter or pip")
      ->capture_default_str();
  app.add_option("--layout-change", options.changes, "MS=LAYOUT: another one from there on")
      ->expected(0, kMostChanges);
  app.add_option("--pause", options.pauses, "FROM-TO, milliseconds of the recording to leave out")
      ->expected(0, kMostChanges);
  app.add_option("--size", options.size, "in pixels")->capture_default_str();
  app.add_option("--fps", settings.fps, "pictures a second")->capture_default_str();
  app.add_option("--codec", settings.codec,
                 "h264 (with AAC, in MP4), or vp9 or vp8 (with Opus, in WebM)")
      ->capture_default_str();
  app.add_option("--video-kbps", settings.video_kbps, "0: by size and pictures a second")
      ->capture_default_str();
  app.add_option("--audio-kbps", settings.audio_kbps)->capture_default_str();
  app.add_option("--threads", settings.threads, "of the encoder")->capture_default_str();
  app.add_option("--min-free-bytes", limits.min_free_bytes, "stop before the disk is fuller")
      ->capture_default_str();
  app.add_flag("--sound-only", options.sound_only, "no picture");
  app.add_flag("--stills-only", options.stills_only,
               "no film: chapters, a thumbnail and a sheet of stills")
      ->excludes("--sound-only");
  app.add_flag("--live", settings.live, "go on with what was made while the recording went on")
      ->excludes("--stills-only");
  app.add_flag("--follow", options.follow, "make that, until the recording is over")
      ->needs("--live");
  app.add_flag("--no-names", options.no_names, "no names on the tiles");
  app.add_option("--parent", options.parent, "PID of who started it: end when that process ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadUsage;
  }

  if (!parley::recorder::work_in_background(options.parent)) {
    return fail({"stopped", "its parent is gone"}, 1);
  }
  // One file and one decoder for each track.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  parley::recorder::silence_ffmpeg();

  const auto pauses = pauses_of(options);
  if (!pauses) return fail(pauses.error(), kBadUsage);
  const auto layouts = layouts_of(options, *pauses);
  if (!layouts) return fail(layouts.error(), kBadUsage);
  const auto size = two_numbers<int>(options.size, 'x');
  if (!size) return fail({"bad_settings", "size: WIDTHxHEIGHT"}, kBadUsage);
  settings.layouts = *layouts;
  settings.size = {size->first, size->second};
  if (options.sound_only) settings.product = compose::Product::Sound;
  if (options.stills_only) settings.product = compose::Product::Stills;
  settings.names = !options.no_names;
  if (const std::string problem = problem_of(settings); !problem.empty()) {
    return fail({"bad_settings", problem}, kBadUsage);
  }

  if (options.follow) return follow(options, settings, limits);
  auto plan = compose::read_plan(options.folder);
  if (!plan) return fail(plan.error(), 1);
  const auto made = compose::compose(without(*pauses, *std::move(plan)), settings, limits,
                                     options.folder, Report());
  if (!made) return fail(made.error(), 1);
  std::printf("%s\n", compose::done_line(*made).c_str());
  return 0;
}
