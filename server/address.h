#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rtp/types.h"

struct sockaddr;
struct sockaddr_storage;

// Where a datagram comes from or goes to. Always canonical: an IPv4-mapped IPv6 address becomes
// IPv4 on the way in, so two spellings of one address never compare as different (or pass as
// different before an access rule).
namespace parley::server {

class TransportAddress {
 public:
  constexpr TransportAddress() = default;  // 0.0.0.0:0, "nowhere"
  [[nodiscard]] static TransportAddress v4(const std::array<std::uint8_t, 4>& ip,
                                           std::uint16_t port) noexcept;
  // `scope` is the interface of a link-local address, as in sin6_scope_id; else it is dropped.
  [[nodiscard]] static TransportAddress v6(const std::array<std::uint8_t, 16>& ip,
                                           std::uint16_t port, std::uint32_t scope = 0) noexcept;
  // Nothing for a family other than AF_INET and AF_INET6.
  [[nodiscard]] static std::optional<TransportAddress> from(const sockaddr* address) noexcept;
  // "192.0.2.1:40000", "[2001:db8::1]:40000"; numbers only, no names, no zones.
  [[nodiscard]] static std::optional<TransportAddress> parse(std::string_view text) noexcept;
  // "192.0.2.1", "2001:db8::1": an address alone, with a port from elsewhere.
  [[nodiscard]] static std::optional<TransportAddress> parse_ip(std::string_view text,
                                                                std::uint16_t port) noexcept;

  // Fills `to` and returns the length that sendto() wants.
  std::size_t to(sockaddr_storage& to) const noexcept;
  [[nodiscard]] TransportAddress with_port(std::uint16_t port) const noexcept;

  [[nodiscard]] bool is_v4() const noexcept { return v4_; }
  [[nodiscard]] rtp::ConstBytes ip() const noexcept;  // 4 or 16 bytes
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::uint32_t scope() const noexcept { return scope_; }
  [[nodiscard]] bool is_unspecified() const noexcept;  // 0.0.0.0 or ::
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool same_ip(const TransportAddress& other) const noexcept;
  [[nodiscard]] std::string ip_string() const;  // "192.0.2.1", "2001:db8::1"
  [[nodiscard]] std::string to_string() const;  // what parse() reads
  [[nodiscard]] std::size_t hash() const noexcept;

  // Of each datagram, several times: by two words, and not by a call for sixteen bytes.
  friend bool operator==(const TransportAddress& a, const TransportAddress& b) noexcept {
    using Words = std::array<std::uint64_t, 2>;
    const auto [a0, a1] = std::bit_cast<Words>(a.ip_);
    const auto [b0, b1] = std::bit_cast<Words>(b.ip_);
    return a0 == b0 && a1 == b1 && a.port_ == b.port_ && a.scope_ == b.scope_ && a.v4_ == b.v4_;
  }

 private:
  std::array<std::uint8_t, 16> ip_{};  // IPv4 in the first four
  std::uint32_t scope_ = 0;
  std::uint16_t port_ = 0;
  bool v4_ = true;
};

// One way between us and a peer: which of the worker's sockets, our address on it (what the
// datagram was sent to, so that the answer leaves from there) and the peer's. Each TCP connection
// is a socket with a number of its own, which no later one gets.
struct Path {
  static constexpr int kFirstTcp = 1'024;
  [[nodiscard]] bool is_tcp() const noexcept { return socket >= kFirstTcp; }

  TransportAddress local;
  TransportAddress remote;
  int socket = 0;
  friend bool operator==(const Path&, const Path&) = default;
};

}  // namespace parley::server

template <>
struct std::hash<parley::server::TransportAddress> {
  std::size_t operator()(const parley::server::TransportAddress& a) const noexcept {
    return a.hash();
  }
};

template <>
struct std::hash<parley::server::Path> {
  std::size_t operator()(const parley::server::Path& p) const noexcept {
    // The socket tells our end apart from almost any other; == settles the rest.
    return p.remote.hash() * 31 + static_cast<std::size_t>(p.socket);
  }
};
