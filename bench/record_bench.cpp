// record_bench: what the recorder costs. Tracks of real captures are pushed in real time into as
// many taps, as workers do, and the recorder's threads write files on a real disk. One JSON line.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/load/clock.h"
#include "recorder/recorder.h"
#include "tests/recorder/support.h"

namespace {

namespace recorder = parley::recorder;
namespace test = parley::recorder::test;
namespace rtp = parley::rtp;
using parley::bench::read_clock;

struct Options {
  int people = 100;
  int seconds = 10;
  std::string codec = "vp8";
  bool sound_only = false;
  std::string folder;
};

struct Fed {
  std::shared_ptr<rtp::Tap> tap;
  const test::Script* script = nullptr;
  rtp::Duration later{};  // not all of them send at the same moment
  std::size_t next = 0;
};

test::VideoSource source_of(const std::string& codec) {
  if (codec == "h264") return test::h264_source();
  if (codec == "vp9") return test::vp9_source();
  if (codec == "av1") return test::av1_source();
  return test::vp8_source();
}

double cpu_s(clockid_t clock) { return static_cast<double>(read_clock(clock)) / 1e9; }

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"What recording costs: real packets in real time, to a real disk."};
  Options options;
  app.add_option("people", options.people, "each with a camera and a microphone")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", options.seconds)->check(CLI::Range(1, 3'600));
  app.add_option("--codec", options.codec, "vp8, vp9, h264 or av1");
  app.add_flag("--sound-only", options.sound_only, "microphones alone");
  app.add_option("--folder", options.folder, "where to write; else a temporary one");
  CLI11_PARSE(app, argc, argv);

  const test::TemporaryFolder temporary;
  parley::config::Recording config;
  config.directory = options.folder.empty() ? temporary.path().string() : options.folder;
  std::mutex mutex;
  std::vector<recorder::RecorderEvent> ended;
  const rtp::Time start = parley::bench::steady_now();
  const rtp::Time until = start + std::chrono::seconds(options.seconds);
  const test::Script camera = test::with_reports(
      test::video(source_of(options.codec), start, until), 90'000, std::chrono::milliseconds(50));
  const test::Script microphone =
      test::with_reports(test::audio(start, until), 48'000, std::chrono::milliseconds(50));

  const double all_before = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
  const double own_before = cpu_s(CLOCK_THREAD_CPUTIME_ID);
  std::uint64_t packets = 0;
  recorder::RecorderStats stats;
  {
    recorder::Recorder recorder(config, [&](const recorder::RecorderEvent& event) {
      const std::lock_guard lock(mutex);
      ended.push_back(event);
    });
    std::vector<Fed> fed;
    const auto add = [&](const std::string& id, recorder::TrackInfo track,
                         const test::Script& script, int who) {
      track.participant_id += std::to_string(who);
      track.track_id += std::to_string(who);
      fed.push_back({test::make_tap(config.tap_bytes), &script,
                     std::chrono::microseconds(33'000 * who / options.people), 0});
      recorder.add_track(id, track, fed.back().tap);
    };
    // Calls of two, as most are.
    for (int who = 0; who < options.people; ++who) {
      const std::string id = "rec_" + std::to_string(who / 2);
      if (who % 2 == 0) recorder.start({id, "t", "rm", "bench", "se", 0}, start);
      if (!options.sound_only) add(id, test::camera(), camera, who);
      add(id, test::microphone(), microphone, who);
    }
    for (rtp::Time at = parley::bench::steady_now(); at < until; at = parley::bench::steady_now()) {
      for (Fed& one : fed) {
        const test::Script& script = *one.script;
        while (one.next < script.size() && script[one.next].record.arrival + one.later <= at) {
          test::push(*one.tap, script[one.next++]);
          ++packets;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    stats = recorder.stats();
    for (int who = 0; who < options.people; who += 2) {
      recorder.stop("rec_" + std::to_string(who / 2), "bench");
    }
  }
  const double seconds = options.seconds;
  const double cpu =
      cpu_s(CLOCK_PROCESS_CPUTIME_ID) - all_before - (cpu_s(CLOCK_THREAD_CPUTIME_ID) - own_before);
  const double tracks = static_cast<double>(options.people) * (options.sound_only ? 1 : 2);
  std::uint64_t bytes = 0;
  std::size_t completed = 0;
  for (const recorder::RecorderEvent& event : ended) {
    const auto* done = std::get_if<recorder::Completed>(&event);
    if (done == nullptr) continue;
    ++completed;
    bytes += done->size_bytes;
  }
  std::printf(
      "{\"people\":%d,\"tracks\":%.0f,\"codec\":\"%s\",\"packets_per_s\":%.0f,"
      "\"mbit_per_s\":%.1f,\"recorder_core_share\":%.3f,\"cpu_us_per_packet\":%.2f,"
      "\"tracks_per_core\":%.0f,\"dropped\":%llu,\"completed\":%zu}\n",
      options.people, tracks, options.sound_only ? "opus" : options.codec.c_str(),
      static_cast<double>(packets) / seconds, static_cast<double>(bytes) * 8 / 1e6 / seconds,
      cpu / seconds, cpu * 1e6 / static_cast<double>(packets), tracks * seconds / cpu,
      static_cast<unsigned long long>(stats.dropped_ring + stats.dropped_queue), completed);
  return completed == static_cast<std::size_t>((options.people + 1) / 2) ? 0 : 1;
}
