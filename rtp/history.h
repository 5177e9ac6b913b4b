#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rtp/packet_info.h"
#include "rtp/packet_pool.h"
#include "rtp/types.h"

namespace parley::rtp {

// The last packets of one received encoding, by number, for retransmission to all its subscribers.
// It owns the Buffers; what it pushes out is handed back, because this turn's egress may still
// refer to it.
class History {
 public:
  struct Stored {
    PacketInfo info;
    Buffer packet;  // the whole RTP packet as it was received, decrypted
  };

  explicit History(std::size_t packets);  // rounded up to a power of two

  // Keeps the packet under info.seq. Returns the Buffer that had to go: the one that lay there, or
  // `packet` itself when it is older than all kept ones. May be empty.
  [[nodiscard]] Buffer store(const PacketInfo& info, Buffer packet) noexcept;
  // Valid until the next store(); nullptr when it never came or is gone.
  [[nodiscard]] Stored* find(ExtSeq seq) noexcept;
  // Gives all Buffers back at once: only when no egress refers to them.
  void clear() noexcept;

  [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }

 private:
  [[nodiscard]] std::size_t index(ExtSeq seq) const noexcept {
    return static_cast<std::size_t>(seq.value) & (slots_.size() - 1);
  }
  std::vector<Stored> slots_;
};

}  // namespace parley::rtp
