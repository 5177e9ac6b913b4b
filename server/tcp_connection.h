#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "rtp/types.h"
#include "server/address.h"
#include "server/file_descriptor.h"
#include "server/framing.h"

namespace parley::server {

// One accepted connection: packets out of its stream and into it, never waiting for either. Who is
// at the other end, and how long it may stay, is for TcpSockets to say.
class TcpConnection {
 public:
  // Of the queue, so much is left to STUN and DTLS when media has filled the rest.
  static constexpr std::size_t kReserved = 16 * 1024;

  // `fd` does not block. Nothing is sent before there is a path.
  TcpConnection(FileDescriptor fd, const Path& path, std::size_t queue_bytes, rtp::Time now);

  // What is there now, as much as `into` takes; empty: nothing. No value: it is over.
  [[nodiscard]] std::optional<rtp::ConstBytes> read(rtp::Bytes into) noexcept;
  // Puts a packet behind those that wait. False when there is no room: it is not sent at all.
  [[nodiscard]] bool push(rtp::ConstBytes packet);
  // Sends what waits as far as the kernel takes it. False: it is over.
  [[nodiscard]] bool flush() noexcept;
  // Whether packets wait for the kernel.
  [[nodiscard]] bool blocked() const noexcept { return queue_.size() > 0; }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const Path& path() const noexcept { return path_; }

  FrameReader reader;
  rtp::Time accepted;
  // The last packet that a peer of ours was sent here. The first is the answer to a check with a
  // valid integrity, and as long as somebody of ours is there its checks are answered: so this says
  // both that the connection has proven itself and that it is still of use.
  std::optional<rtp::Time> served;
  std::uint32_t strange = 0;  // packets before that
  bool watched = false;       // for room to write
  bool dirty = false;         // packets were pushed since the last flush

 private:
  FileDescriptor fd_;
  Path path_;
  FrameQueue queue_;
};

}  // namespace parley::server
