#include "server/address.h"

#include <unordered_set>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace parley::server {
namespace {

TEST(TransportAddress, ReadsWhatItWrites) {
  for (const char* text : {"192.0.2.1:40000", "[2001:db8::1]:443", "0.0.0.0:0", "[::]:65535"}) {
    const auto address = TransportAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(TransportAddress, RefusesWhatIsNoAddressWithAPort) {
  for (const char* text :
       {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3:4", "::1:80",
        "[1.2.3.4]:80", "[::1]", "[::1]80", "host:80", "[fe80::1%eth0]:80", "1.2.3.4:80 ",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa]:1"}) {
    EXPECT_FALSE(TransportAddress::parse(text)) << text;
  }
}

TEST(TransportAddress, TakesAnIpv4MappedAddressForIpv4) {
  const auto mapped = TransportAddress::parse("[::ffff:127.0.0.1]:80");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(*mapped, TransportAddress::parse("127.0.0.1:80"));
  EXPECT_TRUE(mapped->is_v4());
  EXPECT_TRUE(mapped->is_loopback());
}

TEST(TransportAddress, SurvivesTheWayThroughASocketAddress) {
  for (const char* text : {"192.0.2.1:40000", "[2001:db8::1]:443"}) {
    const auto address = TransportAddress::parse(text);
    sockaddr_storage storage;
    const std::size_t size = address->to(storage);
    EXPECT_EQ(size, address->is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(TransportAddress::from(reinterpret_cast<const sockaddr*>(&storage)), address);
  }
  sockaddr_storage unix_socket{};
  unix_socket.ss_family = AF_UNIX;
  EXPECT_FALSE(TransportAddress::from(reinterpret_cast<const sockaddr*>(&unix_socket)));
}

TEST(TransportAddress, KeepsTheInterfaceOfALinkLocalAddressOnly) {
  std::array<std::uint8_t, 16> link_local = {0xFE, 0x80};
  std::array<std::uint8_t, 16> global = {0x20, 0x01};
  EXPECT_EQ(TransportAddress::v6(link_local, 1, 7).scope(), 7U);
  EXPECT_EQ(TransportAddress::v6(global, 1, 7).scope(), 0U);
  EXPECT_FALSE(TransportAddress::v6(link_local, 1, 7) == TransportAddress::v6(link_local, 1, 8));
}

TEST(TransportAddress, TellsTheSpecialOnesApart) {
  EXPECT_TRUE(TransportAddress::parse("[::]:1")->is_unspecified());
  EXPECT_TRUE(TransportAddress::parse("0.0.0.0:1")->is_unspecified());
  EXPECT_TRUE(TransportAddress::parse("[::1]:1")->is_loopback());
  EXPECT_TRUE(TransportAddress::parse("127.9.9.9:1")->is_loopback());
  EXPECT_FALSE(TransportAddress::parse("[2001::1]:1")->is_loopback());
  EXPECT_TRUE(
      TransportAddress::parse("10.0.0.1:1")->same_ip(*TransportAddress::parse("10.0.0.1:2")));
}

TEST(TransportAddress, HashesPortsAndAddressesApart) {
  std::unordered_set<std::size_t> seen;
  for (std::uint16_t port = 1; port <= 1'000; ++port) {
    seen.insert(TransportAddress::v4({10, 0, 0, 1}, port).hash());
    seen.insert(
        TransportAddress::v4(
            {10, 0, static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)}, 9)
            .hash());
  }
  EXPECT_GE(seen.size(), 1'999U);  // 10.0.0.1:9 is in both
}

}  // namespace
}  // namespace parley::server
