#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "rtp/types.h"
#include "server/address.h"
#include "server/file_descriptor.h"
#include "server/framing.h"

namespace parley::server::test {

// A client's end of an ICE-TCP connection, on a real socket that does not block.
class TcpClient {
 public:
  explicit TcpClient(const TransportAddress& server, int receive_bytes = 0)
      : fd_(::socket(server.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_bytes > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    sockaddr_storage name{};
    const auto length = static_cast<socklen_t>(server.to(name));
    // On loopback it is connected at once, whether or not anybody accepts.
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&name), length), 0);
  }

  void send_raw(rtp::ConstBytes bytes) const {
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void send(rtp::ConstBytes packet) const {
    std::vector<std::uint8_t> frame{static_cast<std::uint8_t>(packet.size() >> 8),
                                    static_cast<std::uint8_t>(packet.size())};
    frame.insert(frame.end(), packet.begin(), packet.end());
    send_raw(frame);
  }
  // Packets that are there now, behind those that were.
  void read(std::vector<std::vector<std::uint8_t>>& packets) {
    std::array<std::uint8_t, 4'096> bytes{};
    for (;;) {
      const ssize_t count = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      closed_ = count == 0 || (count < 0 && errno != EAGAIN);
      if (count <= 0) return;
      rtp::ConstBytes rest = rtp::ConstBytes(bytes).first(static_cast<std::size_t>(count));
      while (const auto packet = reader_.next(rest)) {
        packets.emplace_back(packet->begin(), packet->end());
      }
      EXPECT_FALSE(reader_.failed());
    }
  }
  // The other end was closed and all that it sent is read.
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool wait_readable(int ms = 5'000) const {
    pollfd poll{fd_.get(), POLLIN, 0};
    return ::poll(&poll, 1, ms) == 1;
  }
  [[nodiscard]] TransportAddress local() const {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &length);
    return *TransportAddress::from(reinterpret_cast<const sockaddr*>(&name));
  }

 private:
  FileDescriptor fd_;
  FrameReader reader_;
  bool closed_ = false;
};

}  // namespace parley::server::test
