#pragma once

#include <functional>
#include <string>

#include "control/cli/connection.h"

namespace parley::cli {

struct ComposeOptions {
  std::string recording_id;
  control::Json composite{control::Json::Object{}};  // as recording.compose takes it
  bool watch = false;                                // what is being composed already
};

// Has a recording composed and waits until it is over; `on_progress` is called with each new
// percent. Gives the recording as it is then, or why it failed.
[[nodiscard]] tl::expected<control::Json, Failure> compose(
    const Key& key, const Server& server, const ComposeOptions& options,
    const std::function<void(std::int64_t percent)>& on_progress);

}  // namespace parley::cli
