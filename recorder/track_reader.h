#pragma once

#include <memory>
#include <optional>

#include "recorder/media.h"
#include "recorder/recorder.h"
#include "recorder/timeline.h"
#include "recorder/vp9_superframe.h"
#include "rtp/frame_assembler.h"
#include "rtp/tap.h"

namespace parley::recorder {

// Reads one track's tap: packets become whole frames on the server's time line.
class TrackReader {
 public:
  // Sound is seldom asked for again, so a hole in it is soon a loss; video waits for
  // retransmission.
  static constexpr rtp::Duration kAudioWait = std::chrono::milliseconds{150};
  static constexpr rtp::Duration kVideoWait = std::chrono::milliseconds{500};

  struct Frame {
    rtp::Codec codec = rtp::Codec::Opus;
    rtp::Time time{};
    rtp::Resolution resolution{};   // of a key frame, if the packets say it
    unsigned rotation_degrees = 0;  // clockwise, to show it upright
    MediaPacket packet;             // its time is not set yet
  };

  // `publisher` must outlive this. A key frame is asked for when there was none for
  // `key_frames_every`; zero: only when one is missing.
  TrackReader(TrackInfo info, std::shared_ptr<rtp::Tap> tap, PublisherClock& publisher,
              rtp::Duration key_frames_every);

  // When the tap's next record arrived, if there is one.
  [[nodiscard]] std::optional<rtp::Time> next_arrival() noexcept;
  // Takes that record.
  void step();
  // The next whole frame at `now`.
  [[nodiscard]] std::optional<Frame> pop(rtp::Time now);
  // Nothing more will come; pop() gives what is left.
  void finish() noexcept { assembler_.finish(); }
  void request_key_frame() noexcept { tap_->request_key_frame(); }

  [[nodiscard]] const TrackInfo& info() const noexcept { return info_; }
  [[nodiscard]] Stream stream() const noexcept;
  [[nodiscard]] bool muted() const noexcept { return muted_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }
  [[nodiscard]] std::uint64_t overflows() const noexcept { return tap_->overflows(); }

 private:
  [[nodiscard]] GapReason gap_before(const rtp::Frame& frame) noexcept;
  void ask_key_frame_if_due(const Frame& frame) noexcept;

  TrackInfo info_;
  std::shared_ptr<rtp::Tap> tap_;  // shared with the worker's side, which may outlive us
  TrackClock clock_;
  rtp::FrameAssembler assembler_;
  Vp9Superframe superframe_;
  rtp::Duration key_frames_every_;
  rtp::Time key_frame_{};  // the latest, or when it was asked for
  bool muted_ = false;
  bool was_muted_ = false;  // since the last frame
  bool ended_ = false;
  std::uint64_t packets_ = 0;
  std::uint64_t noted_overflows_ = 0;
  std::uint64_t noted_jumps_ = 0;
};

}  // namespace parley::recorder
