#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <tl/expected.hpp>

namespace parley::control {

// One entry of `control.listen`: "127.0.0.1:7080" or "[::1]:7080". Port 0 asks for any.
struct ListenAddress {
  sockaddr_storage socket_address{};
  std::string host;  // as a URL wants it, IPv6 in brackets
  bool ipv6 = false;
  bool loopback = false;
};
[[nodiscard]] tl::expected<ListenAddress, std::string> parse_listen_address(std::string_view text);

}  // namespace parley::control
