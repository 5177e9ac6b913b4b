#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>

#include "recorder/media.h"

namespace parley::recorder {

// Puts the packets of a file's streams into one order by time. A stream that is silent holds the
// other back for `kHold` and no longer, whatever it will do later: that is why the muxer's own
// interleaving, which waits ten seconds for a muted microphone, is not used.
class Interleaver {
 public:
  static constexpr rtp::Duration kHold = std::chrono::milliseconds{200};
  static constexpr std::size_t kMaxBytes = 8U << 20U;  // beyond, the oldest goes at once

  struct Out {
    Stream stream;
    MediaPacket packet;
  };

  void push(Stream stream, MediaPacket packet);
  // The next packet in order, once no earlier one can be expected: `now` is the time line's
  // present. `audio`, `video`: the streams that take part; an empty one that does not holds nothing
  // back.
  [[nodiscard]] std::optional<Out> pop(Offset now, bool audio, bool video);
  // The next packet whatever may come, at a file's end.
  [[nodiscard]] std::optional<Out> pop_any();

  [[nodiscard]] bool empty() const noexcept;
  // Of the next packet in order.
  [[nodiscard]] std::optional<Offset> front_time() const noexcept;

 private:
  [[nodiscard]] std::optional<Stream> earliest() const noexcept;
  [[nodiscard]] Out take(Stream stream);

  std::array<std::deque<MediaPacket>, kStreams> queues_;
  std::size_t bytes_ = 0;
};

}  // namespace parley::recorder
