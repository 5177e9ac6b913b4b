#include "control/uploading.h"

#include <algorithm>
#include <filesystem>

#include "server/log.h"

namespace parley::control {

Uploading::Uploading(Timers& timers, std::function<rtp::Time()> now, ProcessQueue::Spawn spawn,
                     std::uint32_t at_once, rtp::Duration first_pause, Events events)
    : first_pause_(first_pause),
      events_(std::move(events)),
      queue_(timers, std::move(now), std::move(spawn), at_once,
             {[this](const std::string& id) {
                Job& job = jobs_[id];
                job.done = false;
                job.reason.clear();
                job.detail.clear();
              },
              [this](const std::string& id, const Json& said) { line(id, said); },
              [this](const std::string& id, const ProcessQueue::End& end) {
                return ended(id, end);
              }}) {}

void Uploading::upload(const std::string& recording_id, const std::string& key_prefix) {
  forget(recording_id);
  add(recording_id, false, {"--key-prefix", key_prefix});
}

void Uploading::remove(const std::string& recording_id, const std::string& key_prefix,
                       const std::vector<std::string>& names) {
  forget(recording_id);
  std::vector<std::string> arguments{"--key-prefix", key_prefix, "--delete"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  add(recording_id, true, std::move(arguments));
}

void Uploading::forget(const std::string& id) {
  queue_.cancel(id);
  jobs_.erase(id);
}

void Uploading::add(const std::string& id, bool deletes, std::vector<std::string> arguments) {
  jobs_[id] = {deletes, {}, first_pause_, false, 0, {}, {}, {}};
  queue_.add({id, std::move(arguments)});
}

void Uploading::line(const std::string& id, const Json& said) {
  Job& job = jobs_[id];
  const std::string stage = text_member(said, "stage");
  if (stage == "done") {
    job.done = true;
    job.bytes = static_cast<std::uint64_t>(integer_member(said, "size_bytes"));
    const Json* files = said.find("files");
    if (files == nullptr || !files->is_array()) return;
    for (const Json& file : *files->as_array()) {
      job.files[text_member(file, "name")] = text_member(file, "sha256");
    }
  } else if (stage == "failed") {
    job.reason = text_member(said, "reason");
    job.detail = text_member(said, "detail");
  }
}

ProcessQueue::Events::Verdict Uploading::ended(const std::string& id,
                                               const ProcessQueue::End& end) {
  Job& job = jobs_[id];
  if (end.well() && job.done) {
    const bool deletes = job.deletes;
    (deletes ? deleted_ : uploaded_) += 1;
    bytes_ += job.bytes;
    const UploadedFiles files = std::move(job.files);
    jobs_.erase(id);
    if (deletes) return {{}, [this, id] { events_.on_deleted(id); }};
    return {{}, [this, id, files] { events_.on_uploaded(id, files); }};
  }
  if (!end.not_started.empty()) {
    job.reason = "not_started";
    job.detail = end.not_started;
  }
  const std::string reason = job.reason.empty() ? "crashed" : job.reason;
  const std::string detail = !job.detail.empty() ? job.detail
                             : end.silent        ? "it said nothing for an hour"
                                                 : "signal " + std::to_string(end.process.signal);
  if (reason == "local_damaged" || reason == "bad_manifest") {
    ++failed_;
    jobs_.erase(id);
    return {{}, [this, id, reason, detail] { events_.on_failed(id, reason, detail); }};
  }
  server::log::warn(job.deletes ? "deleting_again" : "uploading_again",
                    {{"recording", id}, {"reason", reason}, {"detail", detail}});
  const rtp::Duration after = job.pause;
  job.pause = std::min<rtp::Duration>(2 * job.pause, kLongestPause);
  ProcessQueue::Events::Verdict verdict{after, {}};
  if (std::exchange(job.told, reason) != reason) {
    verdict.tell = [this, id, reason, detail] { events_.on_delayed(id, reason, detail); };
  }
  return verdict;
}

Uploading::Stats Uploading::stats() const {
  return {queue_.waiting(), queue_.running(), uploaded_,       bytes_,
          deleted_,         failed_,          queue_.retries()};
}

ProcessQueue::Spawn uploader_program(server::Loop& loop, const config::Recording& config,
                                     std::function<void()> end_turn) {
  const config::Upload& to = config.upload;
  Program program{to.program, "parley-upload", {}, {}};
  const auto say = [&](const char* option, const std::string& value) {
    if (value.empty()) return;
    program.fixed.emplace_back(option);
    program.fixed.push_back(value);
  };
  say("--endpoint", to.endpoint);
  say("--region", to.region);
  say("--bucket", to.bucket);
  say("--part-bytes", std::to_string(to.part_bytes));
  say("--timeout-ms", std::to_string(to.timeout_ms));
  say("--max-kbps", std::to_string(to.max_kbps));
  say("--sse", to.encryption);
  say("--kms-key-id", to.kms_key_id);
  say("--storage-class", to.storage_class);
  say("--ca-file", to.ca_file);
  if (to.virtual_host) program.fixed.emplace_back("--virtual-host");
  program.environment = {"AWS_ACCESS_KEY_ID=" + to.access_key_id,
                         "AWS_SECRET_ACCESS_KEY=" + to.secret_access_key, "AWS_SESSION_TOKEN="};
  return [directory = config.directory,
          start = program_beside(loop, std::move(program), std::move(end_turn))](
             const ProcessQueue::Job& job, ChildProcess::Events events) {
    ProcessQueue::Job whole = job;
    const bool deletes =
        std::find(job.arguments.begin(), job.arguments.end(), "--delete") != job.arguments.end();
    if (!deletes) {
      whole.arguments.insert(whole.arguments.begin(),
                             (std::filesystem::path(directory) / job.recording_id).string());
    }
    return start(whole, std::move(events));
  };
}

upload::Credentials credentials_of(const config::Upload& config) {
  return {config.access_key_id, config.secret_access_key, {}};
}

tl::expected<upload::Place, std::string> place_of(const config::Upload& config) {
  return upload::Place::of(config.endpoint, config.bucket, config.region, config.virtual_host);
}

std::string origin_of(const config::Upload& config) {
  const auto place = place_of(config);
  return config.enabled() && place ? place->scheme + "://" + place->host : "";
}

}  // namespace parley::control
