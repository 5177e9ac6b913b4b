#include "server/framing.h"

#include <algorithm>
#include <cassert>

#include "rtp/bytes.h"

namespace parley::server {

// How much is to be kept before something can be said: the length, then the packet.
std::size_t FrameReader::wanted() const noexcept {
  return have_ < kFrameHeader ? kFrameHeader : kFrameHeader + rtp::load16(kept_, 0);
}

void FrameReader::keep(rtp::ConstBytes& chunk, std::size_t size) noexcept {
  const rtp::ConstBytes part = chunk.first(std::min(size, chunk.size()));
  std::copy(part.begin(), part.end(), kept_.begin() + static_cast<std::ptrdiff_t>(have_));
  have_ += part.size();
  chunk = chunk.subspan(part.size());
}

std::optional<rtp::ConstBytes> FrameReader::next(rtp::ConstBytes& chunk) noexcept {
  while (!failed_ && !chunk.empty()) {
    if (have_ == 0 && chunk.size() >= kFrameHeader) {
      const std::size_t size = rtp::load16(chunk, 0);
      if (size <= kMaxFrame && chunk.size() - kFrameHeader >= size) {
        const rtp::ConstBytes packet = chunk.subspan(kFrameHeader, size);
        chunk = chunk.subspan(kFrameHeader + size);
        if (size > 0) return packet;
        continue;
      }
    }
    keep(chunk, wanted() - have_);
    if (have_ < kFrameHeader) break;
    const std::size_t whole = wanted();
    failed_ = whole > kept_.size();
    if (failed_ || have_ < whole) continue;
    have_ = 0;
    if (whole > kFrameHeader) {
      return rtp::ConstBytes(kept_).subspan(kFrameHeader, whole - kFrameHeader);
    }
  }
  return std::nullopt;
}

bool FrameQueue::push(rtp::ConstBytes packet, std::size_t spare) {
  const std::size_t size = kFrameHeader + packet.size();
  if (packet.size() > kMaxFrame || size + spare > capacity_ - this->size()) return false;
  // Without value-initialisation the pages are not touched before they are used.
  if (!bytes_) bytes_.reset(new std::uint8_t[capacity_]);
  if (capacity_ - end_ < size) {
    std::copy(bytes_.get() + begin_, bytes_.get() + end_, bytes_.get());
    end_ -= begin_;
    begin_ = 0;
  }
  rtp::Writer writer({bytes_.get() + end_, size});
  writer.u16(static_cast<std::uint16_t>(packet.size()));
  writer.bytes(packet);
  end_ += size;
  return true;
}

rtp::ConstBytes FrameQueue::front() const noexcept {
  return {bytes_.get() + begin_, end_ - begin_};
}

void FrameQueue::pop(std::size_t bytes) noexcept {
  assert(bytes <= size());
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

}  // namespace parley::server
