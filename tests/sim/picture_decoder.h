#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "rtp/types.h"

namespace parley::sim {

// When a viewer would see each picture of a stream in which every one needs the one before it,
// but for key frames: whole ones, in their order. What is missing stops it until it comes or a
// later key frame is whole, as in browsers.
class PictureDecoder {
 public:
  // `first`: it begins a picture, a key frame if `key`; `last`: it ends one (the marker).
  void on_packet(rtp::Time now, std::int64_t number, bool first, bool key, bool last);

  [[nodiscard]] const std::vector<rtp::Time>& shown() const { return shown_; }
  // The longest time without a new picture from `since` to `until`.
  [[nodiscard]] rtp::Duration longest_freeze(rtp::Time since, rtp::Time until) const;

 private:
  struct Packet {
    bool first = false;
    bool key = false;
    bool last = false;
  };
  // Of the picture that begins there: the number behind its last packet, if all of it is there.
  [[nodiscard]] std::optional<std::int64_t> end_of(std::int64_t begin) const;

  std::map<std::int64_t, Packet> packets_;  // that nothing was shown of yet
  std::optional<std::int64_t> next_;        // behind what was shown last
  std::vector<rtp::Time> shown_;
};

}  // namespace parley::sim
