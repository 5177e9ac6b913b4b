#include "control/process_queue.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "server/log.h"

namespace parley::control {

ProcessQueue::ProcessQueue(Timers& timers, std::function<rtp::Time()> now, Spawn spawn,
                           std::uint32_t at_once, Events events)
    : timers_(timers),
      now_(std::move(now)),
      spawn_(std::move(spawn)),
      at_once_(at_once),
      events_(std::move(events)) {}

ProcessQueue::~ProcessQueue() { stop(); }

void ProcessQueue::stop() {
  stopped_ = true;
  for (auto& [id, entry] : jobs_) {
    timers_.cancel(entry.timer);
    entry.process.reset();
  }
}

bool ProcessQueue::add(Job job) {
  const std::string id = job.recording_id;
  const auto [at, added] = jobs_.try_emplace(id);
  if (!added) return false;
  at->second.job = std::move(job);
  at->second.number = ++last_number_;
  waiting_.push_back(id);
  pump();
  return true;
}

void ProcessQueue::cancel(std::string_view recording_id) {
  const auto entry = jobs_.find(recording_id);
  if (entry == jobs_.end()) return;
  timers_.cancel(entry->second.timer);
  if (entry->second.runs) --running_;
  std::erase(waiting_, recording_id);
  jobs_.erase(entry);
  pump();
}

void ProcessQueue::pump() {
  while (!stopped_ && running_ < at_once_ && !waiting_.empty()) {
    const auto entry = jobs_.find(waiting_.front());
    waiting_.pop_front();
    if (entry != jobs_.end()) start(entry->second);
  }
}

ProcessQueue::Entry* ProcessQueue::find(const std::string& id, std::uint64_t number) {
  const auto entry = jobs_.find(id);
  return entry != jobs_.end() && entry->second.number == number ? &entry->second : nullptr;
}

void ProcessQueue::start(Entry& entry) {
  const std::string id = entry.job.recording_id;
  const std::uint64_t number = entry.number;
  ++running_;
  entry.runs = true;
  if (events_.on_start) events_.on_start(id);
  auto process = spawn_(entry.job, {[this, id, number](std::string_view text) {
                                      Entry* one = find(id, number);
                                      const auto said = Json::parse_own(text);
                                      if (one == nullptr || !said || !said->is_object()) return;
                                      watch(*one);
                                      events_.on_line(id, *said);
                                    },
                                    [this, id, number](ChildProcess::End how) {
                                      Entry* one = find(id, number);
                                      if (one == nullptr) return;
                                      ended(*one, {how, {}, false});
                                      pump();
                                    }});
  if (!process) return ended(entry, {{}, process.error(), false});
  entry.process = std::move(*process);
  watch(entry);
}

void ProcessQueue::watch(Entry& entry) {
  timers_.cancel(entry.timer);
  entry.timer = timers_.at(now_() + kSilence, [this, &entry] {
    entry.timer = 0;
    ended(entry, {{0, 9}, {}, true});
    pump();
  });
}

void ProcessQueue::ended(Entry& entry, const End& end) {
  --running_;
  entry.runs = false;
  timers_.cancel(entry.timer);
  entry.process.reset();
  if (stopped_) return;
  const std::string id = entry.job.recording_id;
  const Events::Verdict verdict = events_.on_end(id, end);
  if (verdict.again) {
    ++retries_;
    entry.timer = timers_.at(now_() + *verdict.again, [this, &entry] {
      entry.timer = 0;
      waiting_.push_back(entry.job.recording_id);
      pump();
    });
  } else {
    jobs_.erase(id);
  }
  if (verdict.tell) verdict.tell();
}

ProcessQueue::Spawn program_beside(server::Loop& loop, Program program,
                                   std::function<void()> end_turn) {
  if (program.configured.empty()) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    program.configured = error ? program.name : (self.parent_path() / program.name).string();
  }
  return [&loop, program = std::move(program), end_turn = std::move(end_turn)](
             const ProcessQueue::Job& job, ChildProcess::Events events) {
    std::vector<std::string> arguments{"--parent", std::to_string(::getpid())};
    arguments.insert(arguments.end(), program.fixed.begin(), program.fixed.end());
    arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
    return ChildProcess::start(loop, program.configured, arguments,
                               {[events, end_turn](std::string_view line) {
                                  events.on_line(line);
                                  end_turn();
                                },
                                [events, end_turn](ChildProcess::End end) {
                                  events.on_end(end);
                                  end_turn();
                                }},
                               program.environment);
  };
}

}  // namespace parley::control
