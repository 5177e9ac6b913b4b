#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <tl/expected.hpp>

#include "control/cli/connection.h"
#include "control/json.h"

namespace parley::cli {

struct ProbeOptions {
  std::string tenant = "probe";
  std::int64_t seconds = 3;  // of the call, and of its recording
  bool record = true;
};

// A call of two built-in peers, to be run every minute: makes a room, joins twice, sends voices
// both ways over ICE, DTLS and SRTP, records, and clears all of it away, whatever happens. `step`
// is told what is being done. Gives figures: join_ms, connect_ms, sent, heard, loss_percent,
// recorded_ms, total_ms.
[[nodiscard]] tl::expected<control::Json, Failure> probe(
    const Key& key, const Server& server, const ProbeOptions& options,
    const std::function<void(const std::string&)>& step);

}  // namespace parley::cli
