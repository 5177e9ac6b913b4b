#include "control/composing.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "control/json.h"
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
                    {}};
  const Json* extras = said.find("extras");
  if (extras == nullptr || !extras->is_array()) return file;
  for (const Json& extra : *extras->as_array()) {
    file.extras.push_back({text_member(extra, "name"), text_member(extra, "kind"), size(extra),
                           text_member(extra, "sha256")});
  }
  return file;
}

}  // namespace

Composing::Composing(Timers& timers, std::function<rtp::Time()> now, Spawn spawn,
                     std::uint32_t at_once, Events events)
    : timers_(timers),
      now_(std::move(now)),
      spawn_(std::move(spawn)),
      at_once_(at_once),
      events_(std::move(events)) {}

Composing::~Composing() { stop(); }

void Composing::stop() {
  stopped_ = true;
  for (auto& [id, job] : jobs_) {
    timers_.cancel(job.timer);
    job.process.reset();
  }
}

void Composing::add(ComposeJob job) {
  const std::string id = job.recording_id;
  const auto [at, added] = jobs_.try_emplace(id);
  if (!added) return;
  at->second.job = std::move(job);
  waiting_.push_back(id);
  pump();
}

void Composing::pump() {
  while (!stopped_ && running_ < at_once_ && !waiting_.empty()) {
    const auto job = jobs_.find(waiting_.front());
    waiting_.pop_front();
    if (job != jobs_.end()) start(job->second);
  }
}

void Composing::start(Job& job) {
  job.done.reset();
  job.reason.clear();
  job.detail.clear();
  const std::string id = job.job.recording_id;
  ++running_;
  auto process =
      spawn_(job.job, {[this, id](std::string_view text) { line(jobs_.find(id)->second, text); },
                       [this, id](ChildProcess::End end) { ended(jobs_.find(id)->second, end); }});
  if (!process) {
    --running_;
    job.reason = "not_started";
    job.detail = process.error();
    return not_done(job, {});
  }
  job.process = std::move(*process);
  watch(job);
}

void Composing::watch(Job& job) {
  timers_.cancel(job.timer);
  job.timer = timers_.at(now_() + kSilence, [this, id = job.job.recording_id] {
    Job& silent = jobs_.find(id)->second;
    silent.timer = 0;
    silent.detail = "it said nothing for an hour";
    silent.process.reset();
    ended(silent, {0, 9});
  });
}

void Composing::line(Job& job, std::string_view text) {
  const auto said = Json::parse_own(text);
  if (!said || !said->is_object()) return;
  watch(job);
  const std::string stage = text_member(*said, "stage");
  if (stage == "done") {
    job.done = composed_file(*said);
  } else if (stage == "failed") {
    job.reason = text_member(*said, "reason");
    job.detail = text_member(*said, "detail");
  } else {
    const int percent =
        percent_of(stage, integer_member(*said, "done_ms"), integer_member(*said, "length_ms"));
    if (percent <= job.percent) return;  // said before a crash
    job.percent = percent;
    events_.on_progress(job.job.recording_id, percent);
  }
}

void Composing::ended(Job& job, ChildProcess::End end) {
  --running_;
  timers_.cancel(job.timer);
  job.process.reset();
  if (stopped_) return;
  const std::string id = job.job.recording_id;
  if (job.done && end.exit_code == 0 && end.signal == 0) {
    const ComposedFile file = *std::move(job.done);
    jobs_.erase(id);
    ++composed_;
    events_.on_done(id, file);
  } else {
    not_done(job, end);
  }
  pump();
}

void Composing::not_done(Job& job, ChildProcess::End end) {
  const bool passes = job.reason == "disk_full" || job.reason == "not_started";
  const bool crashed = end.signal != 0 || job.reason.empty();
  if (passes && ++job.delays < kDelays) return again(job, kAfterDelay);
  if (crashed && ++job.crashes < kCrashes) return again(job, kAfterCrash);
  if (job.reason.empty()) job.reason = "crashed";
  if (job.detail.empty()) job.detail = "signal " + std::to_string(end.signal);
  give_up(job);
}

void Composing::again(Job& job, rtp::Duration after) {
  ++retries_;
  server::log::warn("composing_again",
                    {{"recording", job.job.recording_id}, {"reason", job.reason}});
  job.timer = timers_.at(now_() + after, [this, id = job.job.recording_id] {
    jobs_.find(id)->second.timer = 0;
    waiting_.push_back(id);
    pump();
  });
}

void Composing::give_up(Job& job) {
  const std::string id = job.job.recording_id;
  const std::string reason = std::move(job.reason);
  const std::string detail = std::move(job.detail);
  jobs_.erase(id);
  ++failed_;
  events_.on_failed(id, reason, detail);
}

Composing::Stats Composing::stats() const {
  return {jobs_.size() - running_, running_, composed_, failed_, retries_};
}

Composing::Spawn composer_program(server::Loop& loop, const config::Recording& config,
                                  std::function<void()> end_turn) {
  std::string program = config.compose_program;
  if (program.empty()) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    program = error ? "parley-compose" : (self.parent_path() / "parley-compose").string();
  }
  return [&loop, config, program, end_turn = std::move(end_turn)](const ComposeJob& job,
                                                                  ChildProcess::Events events) {
    const auto folder = std::filesystem::path(config.directory) / job.recording_id;
    std::vector<std::string> arguments{folder.string(), "--parent", std::to_string(::getpid()),
                                       "--min-free-bytes",
                                       std::to_string(kMargin * config.min_free_bytes)};
    arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
    return ChildProcess::start(loop, program, arguments,
                               {[events, end_turn](std::string_view line) {
                                  events.on_line(line);
                                  end_turn();
                                },
                                [events, end_turn](ChildProcess::End end) {
                                  events.on_end(end);
                                  end_turn();
                                }});
  };
}

}  // namespace parley::control
