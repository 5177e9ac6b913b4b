#include "control/composing.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "server/log.h"

namespace parley::control {
namespace {

// Composing stops before recording does where the disk gets full.
constexpr std::uint64_t kMargin = 2;

// Of the whole work, in percent, where each stage begins; the picture takes nearly all of it.
int percent_of(std::string_view stage, std::int64_t done_ms, std::int64_t length_ms) {
  const auto within = [&](int from, int to) {
    const std::int64_t part = length_ms > 0 ? std::clamp<std::int64_t>(done_ms, 0, length_ms) : 0;
    return from + static_cast<int>(part * (to - from) / std::max<std::int64_t>(1, length_ms));
  };
  if (stage == "sound") return within(0, 5);
  if (stage == "picture") return within(5, 95);
  return within(95, 100);
}

ComposedFile composed_file(const Json& said) {
  const auto size = [](const Json& of) {
    return static_cast<std::uint64_t>(integer_member(of, "size_bytes"));
  };
  ComposedFile file{text_member(said, "file"),
                    integer_member(said, "length_ms"),
                    size(said),
                    text_member(said, "sha256"),
                    {},
                    text_member(said, "chapters")};
  const Json* extras = said.find("extras");
  if (extras == nullptr || !extras->is_array()) return file;
  for (const Json& extra : *extras->as_array()) {
    file.extras.push_back({text_member(extra, "name"), text_member(extra, "kind"), size(extra),
                           text_member(extra, "sha256")});
  }
  return file;
}

}  // namespace

Composing::Composing(Timers& timers, std::function<rtp::Time()> now, ProcessQueue::Spawn spawn,
                     Limits limits, Events events)
    : events_(std::move(events)),
      queue_(timers, now, spawn, limits.at_once, events_of_queue()),
      soon_(timers, now, spawn, limits.live_at_once, events_of_queue()),
      live_(timers, now, spawn, limits.live_at_once,
            {[](const std::string&) {},
             [this](const std::string& id, const Json& said) {
               Live& live = lives_[id];
               live.crashes = 0;
               live.reason = text_member(said, "reason");
             },
             [this](const std::string& id, const ProcessQueue::End& end) {
               return live_ended(id, end);
             }}) {}

ProcessQueue::Events Composing::events_of_queue() {
  return {[this](const std::string& id) {
            Job& job = jobs_[id];
            job.done.reset();
            job.reason.clear();
            job.detail.clear();
          },
          [this](const std::string& id, const Json& said) { line(id, said); },
          [this](const std::string& id, const ProcessQueue::End& end) { return ended(id, end); }};
}

ProcessQueue& Composing::queue_of(const ComposeJob& job) {
  const auto& list = job.arguments;
  return std::find(list.begin(), list.end(), "--live") == list.end() ? queue_ : soon_;
}

void Composing::stop() {
  queue_.stop();
  soon_.stop();
  live_.stop();
}

// Whatever it could not do is done after the recording's end.
ProcessQueue::Events::Verdict Composing::live_ended(const std::string& id,
                                                    const ProcessQueue::End& end) {
  Live& live = lives_[id];
  const bool again = end.process.signal != 0 && ++live.crashes < kCrashes;
  if (!end.well()) {
    server::log::warn("live_composing_ended",
                      {{"recording", id}, {"reason", live.reason}, {"again", again}});
  }
  if (again) return {kAfterCrash, {}};
  return {{}, [this, id] { lives_.erase(id); }};
}

void Composing::line(const std::string& id, const Json& said) {
  Job& job = jobs_[id];
  const std::string stage = text_member(said, "stage");
  if (stage == "done") {
    job.done = composed_file(said);
  } else if (stage == "failed") {
    job.reason = text_member(said, "reason");
    job.detail = text_member(said, "detail");
  } else {
    const int percent =
        percent_of(stage, integer_member(said, "done_ms"), integer_member(said, "length_ms"));
    if (percent <= job.percent) return;  // said before a crash
    job.percent = percent;
    events_.on_progress(id, percent);
  }
}

ProcessQueue::Events::Verdict Composing::ended(const std::string& id,
                                               const ProcessQueue::End& end) {
  Job& job = jobs_[id];
  if (end.well() && job.done) {
    ++composed_;
    const ComposedFile file = *std::move(job.done);
    jobs_.erase(id);
    return {{}, [this, id, file] { events_.on_done(id, file); }};
  }
  if (!end.not_started.empty()) {
    job.reason = "not_started";
    job.detail = end.not_started;
  }
  if (end.silent) job.detail = "it said nothing for an hour";
  const bool passes = job.reason == "disk_full" || job.reason == "not_started";
  const bool crashed = end.process.signal != 0 || job.reason.empty();
  const auto again = [&](rtp::Duration after) -> ProcessQueue::Events::Verdict {
    server::log::warn("composing_again", {{"recording", id}, {"reason", job.reason}});
    return {after, {}};
  };
  if (passes && ++job.delays < kDelays) return again(kAfterDelay);
  if (crashed && ++job.crashes < kCrashes) return again(kAfterCrash);
  const std::string reason = job.reason.empty() ? "crashed" : job.reason;
  const std::string detail =
      job.detail.empty() ? "signal " + std::to_string(end.process.signal) : job.detail;
  jobs_.erase(id);
  ++failed_;
  return {{}, [this, id, reason, detail] { events_.on_failed(id, reason, detail); }};
}

Composing::Stats Composing::stats() const {
  return {queue_.waiting() + soon_.waiting() + live_.waiting(),
          queue_.running() + soon_.running(),
          live_.running(),
          composed_,
          failed_,
          queue_.retries() + soon_.retries() + live_.retries()};
}

ProcessQueue::Spawn composer_program(server::Loop& loop, const config::Recording& config,
                                     std::function<void()> end_turn) {
  const Program program{config.compose_program,
                        "parley-compose",
                        {"--min-free-bytes", std::to_string(kMargin * config.min_free_bytes)},
                        {}};
  return [config, start = program_beside(loop, program, std::move(end_turn))](
             const ComposeJob& job, ChildProcess::Events events) {
    ComposeJob whole = job;
    whole.arguments.insert(whole.arguments.begin(),
                           (std::filesystem::path(config.directory) / job.recording_id).string());
    return start(whole, std::move(events));
  };
}

}  // namespace parley::control
