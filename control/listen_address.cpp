#include "control/listen_address.h"

#include <charconv>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace parley::control {

tl::expected<ListenAddress, std::string> parse_listen_address(std::string_view text) {
  const auto refuse = [&] {
    return tl::unexpected(std::string(text) + ": not of the form 127.0.0.1:7080 or [::1]:7080");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto parsed = std::from_chars(port_text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return refuse();

  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  address.host = std::string(host);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.socket_address);
    if (inet_pton(AF_INET6, std::string(host).c_str(), &v6->sin6_addr) != 1) return refuse();
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.ipv6 = true;
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return address;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.socket_address);
  if (inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) != 1) return refuse();
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  address.loopback = (ntohl(v4->sin_addr.s_addr) >> 24U) == 127;
  return address;
}

}  // namespace parley::control
