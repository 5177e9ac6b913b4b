#include "server/local_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

TransportAddress at(const char* ip, std::uint16_t port = 0) {
  return *TransportAddress::parse_ip(ip, port);
}
const std::vector<TransportAddress> kInterfaces = {at("10.1.2.3"), at("2001:db8::5"),
                                                   at("127.0.0.1"), at("::1")};

TEST(Candidates, AWildcardStandsForAllInterfacesOfItsFamilyLoopbackLast) {
  EXPECT_THAT(candidates_for({at("0.0.0.0", 7), at("::", 7)}, {}, kInterfaces),
              ElementsAre(Candidate{"10.1.2.3", 7}, Candidate{"2001:db8::5", 7},
                          Candidate{"127.0.0.1", 7}, Candidate{"::1", 7}));
  EXPECT_THAT(candidates_for({at("0.0.0.0", 7)}, {}, kInterfaces),
              ElementsAre(Candidate{"10.1.2.3", 7}, Candidate{"127.0.0.1", 7}));
}

TEST(Candidates, ABoundAddressStandsForItself) {
  EXPECT_THAT(candidates_for({at("10.9.9.9", 7)}, {}, kInterfaces),
              ElementsAre(Candidate{"10.9.9.9", 7}));
}

TEST(Candidates, AnnouncedAddressesTakeThePlaceOfPrivateOnes) {
  EXPECT_THAT(candidates_for({at("0.0.0.0", 7)}, {"198.51.100.7"}, kInterfaces),
              ElementsAre(Candidate{"198.51.100.7", 7}, Candidate{"127.0.0.1", 7}));
  EXPECT_THAT(candidates_for({at("10.1.2.3", 7)}, {"198.51.100.7", "2001:db8::9"}, kInterfaces),
              ElementsAre(Candidate{"198.51.100.7", 7}));
}

TEST(Candidates, AHostWithoutANetworkStillServesItself) {
  EXPECT_THAT(candidates_for({at("0.0.0.0", 7)}, {}, {at("127.0.0.1")}),
              ElementsAre(Candidate{"127.0.0.1", 7}));
}

TEST(InterfaceAddresses, AreFoundHere) { EXPECT_THAT(interface_addresses(), Not(IsEmpty())); }

}  // namespace
}  // namespace parley::server
