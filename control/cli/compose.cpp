#include "control/cli/compose.h"

#include <chrono>
#include <thread>

namespace parley::cli {
namespace {

using control::Json;

constexpr std::chrono::milliseconds kInterval{500};

}  // namespace

tl::expected<Json, Failure> compose(const Key& key, const Server& server,
                                    const ComposeOptions& options,
                                    const std::function<void(std::int64_t)>& on_progress) {
  Json which = Json::object({{"recording_id", options.recording_id}});
  if (!options.watch) {
    Json params = which;
    params.set("composite", options.composite);
    if (auto begun = call(key, server, "recording.compose", params); !begun) return begun;
  }
  for (std::int64_t told = -1;;) {
    auto recording = call(key, server, "recording.get", which);
    if (!recording) return recording;
    const std::string state = control::text_member(*recording, "state");
    if (state == "completed") return recording;
    if (state == "failed" || state == "deleted") {
      const Json* failure = recording->find("failure");
      const std::string why = failure == nullptr ? control::text_member(*recording, "end_reason")
                                                 : control::text_member(*failure, "detail");
      return tl::unexpected(Failure{kFailed, "the recording is " + state + ": " + why});
    }
    const std::int64_t percent = control::integer_member(*recording, "progress_percent");
    if (percent > told) on_progress(percent);
    told = percent;
    std::this_thread::sleep_for(kInterval);
  }
}

}  // namespace parley::cli
