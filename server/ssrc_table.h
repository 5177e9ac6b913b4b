#pragma once

#include <cstddef>
#include <cstdint>

#include "rtp/types.h"
#include "server/ssrc_map.h"

namespace parley::server {

class Track;

// Which stream of a peer an SSRC is: latched from MID and RID while those still come with the
// packets (RFC 8852), because browsers leave them out after the first receiver report. One table
// per peer, so an SSRC that another peer uses too means nothing here.
class SsrcTable {
 public:
  struct Stream {
    Track* track = nullptr;
    std::uint8_t encoding = 0;
    bool rtx = false;
  };

  explicit SsrcTable(std::size_t limit) : limit_(limit) {}

  // Valid until the next change.
  [[nodiscard]] const Stream* find(rtp::Ssrc ssrc) noexcept { return streams_.find(ssrc); }
  // False when the table is full. The SSRC must not be there yet.
  [[nodiscard]] bool add(rtp::Ssrc ssrc, Stream stream) {
    if (streams_.size() >= limit_) return false;
    streams_.add(ssrc, stream);
    return true;
  }
  void remove(rtp::Ssrc ssrc) noexcept { streams_.remove(ssrc); }
  void remove(const Track* track) noexcept {
    streams_.remove_if([&](rtp::Ssrc, const Stream& stream) { return stream.track == track; });
  }
  [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return streams_.bytes(); }

 private:
  std::size_t limit_;
  SsrcMap<Stream> streams_;
};

}  // namespace parley::server
