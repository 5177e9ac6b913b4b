#include "server/address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace parley::server {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_link_local(const std::array<std::uint8_t, 16>& ip) noexcept {
  return ip[0] == 0xFE && (ip[1] & 0xC0) == 0x80;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

TransportAddress TransportAddress::v4(const std::array<std::uint8_t, 4>& ip,
                                      std::uint16_t port) noexcept {
  TransportAddress address;
  std::copy(ip.begin(), ip.end(), address.ip_.begin());
  address.port_ = port;
  return address;
}

TransportAddress TransportAddress::v6(const std::array<std::uint8_t, 16>& ip, std::uint16_t port,
                                      std::uint32_t scope) noexcept {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin())) {
    return v4({ip[12], ip[13], ip[14], ip[15]}, port);
  }
  TransportAddress address;
  address.ip_ = ip;
  address.port_ = port;
  address.scope_ = is_link_local(ip) ? scope : 0;
  address.v4_ = false;
  return address;
}

std::optional<TransportAddress> TransportAddress::from(const sockaddr* address) noexcept {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof(in));
    std::array<std::uint8_t, 4> ip{};
    std::memcpy(ip.data(), &in.sin_addr, ip.size());
    return v4(ip, ntohs(in.sin_port));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof(in));
    std::array<std::uint8_t, 16> ip{};
    std::memcpy(ip.data(), &in.sin6_addr, ip.size());
    return v6(ip, ntohs(in.sin6_port), in.sin6_scope_id);
  }
  return std::nullopt;
}

std::optional<TransportAddress> TransportAddress::parse_ip(std::string_view text,
                                                           std::uint16_t port) noexcept {
  std::array<char, INET6_ADDRSTRLEN> copy{};  // inet_pton wants a terminator
  if (text.empty() || text.size() >= copy.size()) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  std::array<std::uint8_t, 4> ip4{};
  if (inet_pton(AF_INET, copy.data(), ip4.data()) == 1) return v4(ip4, port);
  std::array<std::uint8_t, 16> ip6{};
  if (inet_pton(AF_INET6, copy.data(), ip6.data()) == 1) return v6(ip6, port);
  return std::nullopt;
}

std::optional<TransportAddress> TransportAddress::parse(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  std::string_view ip = text.substr(0, colon);
  const bool bracketed = ip.size() >= 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  // Without brackets the last group of an IPv6 address would be read as a port.
  if (!port || bracketed != (ip.find(':') != std::string_view::npos)) return std::nullopt;
  return parse_ip(ip, *port);
}

std::size_t TransportAddress::to(sockaddr_storage& to) const noexcept {
  to = {};
  if (v4_) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, ip_.data(), 4);
    std::memcpy(&to, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port_);
  in.sin6_scope_id = scope_;
  std::memcpy(&in.sin6_addr, ip_.data(), ip_.size());
  std::memcpy(&to, &in, sizeof(in));
  return sizeof(in);
}

TransportAddress TransportAddress::with_port(std::uint16_t port) const noexcept {
  TransportAddress copy = *this;
  copy.port_ = port;
  return copy;
}

rtp::ConstBytes TransportAddress::ip() const noexcept {
  return rtp::ConstBytes(ip_).first(v4_ ? 4 : 16);
}

bool TransportAddress::is_unspecified() const noexcept {
  return std::all_of(ip_.begin(), ip_.end(), [](std::uint8_t b) { return b == 0; });
}

bool TransportAddress::is_loopback() const noexcept {
  if (v4_) return ip_[0] == 127;
  return ip_[15] == 1 && std::all_of(ip_.begin(), ip_.end() - 1, [](auto b) { return b == 0; });
}

bool TransportAddress::same_ip(const TransportAddress& other) const noexcept {
  return v4_ == other.v4_ && ip_ == other.ip_ && scope_ == other.scope_;
}

std::string TransportAddress::ip_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_ntop(v4_ ? AF_INET : AF_INET6, ip_.data(), text.data(), text.size()) == nullptr) {
    return {};
  }
  return text.data();
}

std::string TransportAddress::to_string() const {
  const std::string port = std::to_string(port_);
  return v4_ ? ip_string() + ':' + port : '[' + ip_string() + "]:" + port;
}

std::size_t TransportAddress::hash() const noexcept {
  // FNV-1a by eight bytes, then mixed (the finalizer of splitmix64): peers differ in few bits.
  std::uint64_t parts[2] = {};
  std::memcpy(parts, ip_.data(), ip_.size());
  std::uint64_t h = 0xCBF29CE484222325;
  for (const std::uint64_t part : {parts[0], parts[1], std::uint64_t{scope_} << 16 | port_}) {
    h = (h ^ part) * 0x100000001B3;
    h ^= h >> 29;
  }
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9;
  return static_cast<std::size_t>(h ^ (h >> 31));
}

}  // namespace parley::server
