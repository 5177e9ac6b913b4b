#pragma once

#include <optional>

#include "control/recordings.h"

namespace parley::control {

// Why nothing can be made of a recording's files (yet); nullptr: it was forgotten.
[[nodiscard]] std::optional<RpcError> why_not_over(const RecordingRecord* record);

}  // namespace parley::control
