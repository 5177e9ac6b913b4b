#pragma once

#include <cstdint>
#include <optional>

#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// One OBU element of an AV1 RTP payload.
struct Av1Obu {
  static constexpr std::uint8_t kSequenceHeader = 1;
  static constexpr std::uint8_t kTemporalDelimiter = 2;
  static constexpr std::uint8_t kFrameHeader = 3;
  static constexpr std::uint8_t kTileGroup = 4;
  static constexpr std::uint8_t kMetadata = 5;
  static constexpr std::uint8_t kFrame = 6;
  static constexpr std::uint8_t kTileList = 8;
  static constexpr std::uint8_t kPadding = 15;

  ConstBytes data{};  // the element: OBU header (if `start`) and what follows; no size field if the
                      // sender keeps to the specification
  bool start = true;  // false: goes on what the previous packet began
  bool end = true;    // false: goes on in the next packet

  // Only of the OBU header, so only if `start`.
  std::uint8_t type = 0;
  std::uint8_t temporal_id = 0;
  std::uint8_t spatial_id = 0;
  ConstBytes body{};  // behind the OBU header and its size field
};

// The OBU elements of one RTP payload (AV1 RTP specification 1.0, section 4), without empty ones. A
// cut-off element ends the walk with ok() false.
class Av1Reader {
 public:
  explicit Av1Reader(ConstBytes payload) noexcept;

  [[nodiscard]] std::optional<Av1Obu> next() noexcept;
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  // N: first packet of a coded video sequence.
  [[nodiscard]] bool new_sequence() const noexcept { return new_sequence_; }

 private:
  ConstBytes rest_;
  std::uint8_t announced_ = 0;  // W: number of elements, 0 if each has a length
  std::uint8_t seen_ = 0;
  bool starts_inside_ = false;  // Z
  bool ends_inside_ = false;    // Y
  bool new_sequence_ = false;
  bool ok_ = true;
};

struct Av1Info {
  bool key_frame = false;    // N and a sequence header: a decoder can start here
  bool frame_start = false;  // begins with a sequence or frame header
  bool has_layers = false;   // the OBU carries the two ids
  std::uint8_t temporal_id = 0;
  std::uint8_t spatial_id = 0;
  Resolution resolution{};  // from the sequence header

  // Nothing when the payload is malformed.
  [[nodiscard]] static std::optional<Av1Info> parse(ConstBytes payload) noexcept;
};

// The largest picture size of a sequence header OBU (AV1 specification, section 5.5.1). `body` is
// the OBU without header and size field.
[[nodiscard]] std::optional<Resolution> av1_sequence_resolution(ConstBytes body) noexcept;

}  // namespace parley::rtp
