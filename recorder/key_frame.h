#pragma once

#include <optional>

#include "recorder/media.h"
#include "rtp/types.h"

namespace parley::recorder {

// What a file's header must know, read from a whole key frame: its size, and for H.264 (Annex B)
// and AV1 (low-overhead OBUs) the parameter sets or the sequence header. Nothing when the frame is
// no key frame, malformed, or of a codec that we do not record.
[[nodiscard]] std::optional<VideoFormat> read_key_frame(rtp::Codec codec, rtp::ConstBytes frame);

}  // namespace parley::recorder
