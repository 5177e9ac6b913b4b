#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "rtp/packet_pool.h"
#include "rtp/types.h"

// Packets on a byte stream (RFC 4571, section 2), as ICE-TCP wants it (RFC 6544, section 3):
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------+-------------------------------+
//   |             LENGTH            |  STUN, DTLS, RTP or RTCP ...  |
//   +-------------------------------+-------------------------------+
//
// A LENGTH of zero codes the null packet, which says nothing. They know no socket.
namespace parley::server {

inline constexpr std::size_t kFrameHeader = 2;
// What would not fit into a datagram is not taken from a stream either.
inline constexpr std::size_t kMaxFrame = rtp::Buffer::kMaxDatagram;

// Cuts a stream into packets, however it was cut into reads.
class FrameReader {
 public:
  // The next packet that ends within `chunk`, which is shortened by what was taken; valid until the
  // next call. Nothing: the chunk is used up (the beginning of a packet is kept), or failed().
  [[nodiscard]] std::optional<rtp::ConstBytes> next(rtp::ConstBytes& chunk) noexcept;
  // A length above kMaxFrame: where the next packet would begin cannot be known any more.
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  [[nodiscard]] std::size_t wanted() const noexcept;
  void keep(rtp::ConstBytes& chunk, std::size_t size) noexcept;

  std::array<std::uint8_t, kFrameHeader + kMaxFrame> kept_{};  // of a packet in several reads
  std::size_t have_ = 0;
  bool failed_ = false;
};

// Packets that wait for a stream to take them, as the bytes it takes. A packet is in it as a whole
// or not at all. Its memory comes with the first packet and is touched only as used.
class FrameQueue {
 public:
  explicit FrameQueue(std::size_t capacity) noexcept : capacity_(capacity) {}

  // False when with it fewer than `spare` bytes would be free.
  [[nodiscard]] bool push(rtp::ConstBytes packet, std::size_t spare);
  // Until it is empty; valid until the next push().
  [[nodiscard]] rtp::ConstBytes front() const noexcept;
  void pop(std::size_t bytes) noexcept;  // at most front().size()
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }

 private:
  std::size_t capacity_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace parley::server
