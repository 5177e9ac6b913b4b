#include "control/recording_errors.h"

namespace parley::control {

std::optional<RpcError> why_not_over(const RecordingRecord* record) {
  if (record == nullptr || record->state == RecordingRecord::State::Deleted) {
    return rpc_error(Status::FailedPrecondition, "recording_deleted", "the files were deleted",
                     "recording_id");
  }
  if (!record->is_over()) {
    return rpc_error(Status::FailedPrecondition, "recording_not_over",
                     "stop the recording, and wait for recording.completed", "recording_id");
  }
  return std::nullopt;
}

}  // namespace parley::control
