#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rtp/types.h"

namespace parley::server {

class Track;

// Which stream of a peer an SSRC is: latched from MID and RID while those still come with the
// packets (RFC 8852), because browsers leave them out after the first receiver report. One table
// per peer, so an SSRC that another peer uses too means nothing here. Small and flat: a peer sends
// a handful, and the one that was last is most often the next.
class SsrcTable {
 public:
  struct Stream {
    Track* track = nullptr;
    std::uint8_t encoding = 0;
    bool rtx = false;
  };

  explicit SsrcTable(std::size_t limit) : limit_(limit) { entries_.reserve(limit); }

  // Valid until the next change.
  [[nodiscard]] const Stream* find(rtp::Ssrc ssrc) noexcept {
    if (last_ < entries_.size() && entries_[last_].ssrc == ssrc) return &entries_[last_].stream;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].ssrc != ssrc) continue;
      last_ = i;
      return &entries_[i].stream;
    }
    return nullptr;
  }
  // False when the table is full. The SSRC must not be there yet.
  [[nodiscard]] bool add(rtp::Ssrc ssrc, Stream stream) {
    if (entries_.size() >= limit_) return false;
    entries_.push_back({ssrc, stream});
    return true;
  }
  void remove(rtp::Ssrc ssrc) noexcept {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.ssrc == ssrc; });
  }
  void remove(const Track* track) noexcept {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.stream.track == track; });
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    rtp::Ssrc ssrc;
    Stream stream;
  };
  std::size_t limit_;
  std::vector<Entry> entries_;
  std::size_t last_ = 0;
};

}  // namespace parley::server
