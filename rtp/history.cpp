#include "rtp/history.h"

#include <bit>
#include <utility>

namespace parley::rtp {

History::History(std::size_t packets) : slots_(std::bit_ceil(packets == 0 ? 1 : packets)) {}

Buffer History::store(const PacketInfo& info, Buffer packet) noexcept {
  Stored& slot = slots_[index(info.seq)];
  if (slot.packet && slot.info.seq > info.seq) return packet;
  slot.info = info;
  return std::exchange(slot.packet, std::move(packet));
}

History::Stored* History::find(ExtSeq seq) noexcept {
  Stored& slot = slots_[index(seq)];
  return slot.packet && slot.info.seq == seq ? &slot : nullptr;
}

void History::clear() noexcept {
  for (Stored& slot : slots_) slot.packet.reset();
}

}  // namespace parley::rtp
