#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "rtp/types.h"

namespace parley::recorder {

// With spatial layers a VP9 picture is several frames, one a layer. RTP tells them apart by its
// descriptors, a file does it by an index behind them (VP9 bitstream specification, annex B);
// without one players show the smallest layer. This remembers the layers' sizes from the packets
// and writes that index.
class Vp9Superframe {
 public:
  static constexpr std::size_t kMaxPictures = 128;  // seen in packets, not yet whole
  static constexpr std::size_t kMaxLayers = 8;

  // Each RTP packet of the track, before it is put in order.
  void on_packet(rtp::ConstBytes packet);
  // A whole picture: true when it is one frame, or now has its index; false when its layers cannot
  // be told apart, so that it must be dropped.
  [[nodiscard]] bool complete(rtp::RtpTimestamp timestamp, std::vector<std::uint8_t>& picture);

 private:
  struct Picture {
    rtp::RtpTimestamp timestamp;
    std::size_t sizes[kMaxLayers] = {};
    std::deque<rtp::Seq> seen;  // a repeated packet must not count twice
  };
  [[nodiscard]] Picture* find(rtp::RtpTimestamp timestamp) noexcept;

  std::deque<Picture> pictures_;
};

}  // namespace parley::recorder
