#include "server/client/pcap.h"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/server/hex.h"

namespace parley::client {
namespace {

using test::hex;

// IPv4 and UDP from port 5000 to 6000 around three bytes of payload.
const char* const kDatagram =
    "4500001f 00000000 4011 0000 0a000001 0a000002 1388 1770 000b 0000 AABBCC";

TEST(Pcap, ReadsClassicFilesInBothByteOrders) {
  const std::string little =
      "d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000"
      "01000000 07000000 1f000000 1f000000 " +
      std::string(kDatagram) + "02000000 08000000 1f000000 1f000000 " + kDatagram;
  const std::string big =
      "a1b23c4d 0002 0004 00000000 00000000 0000ffff 00000065"
      "00000001 00001b58 0000001f 0000001f " +
      std::string(kDatagram) + "00000002 00001f40 0000001f 0000001f " + kDatagram;
  for (const std::string& text : {little, big}) {
    const auto bytes = hex(text);
    const auto read = parse_pcap(bytes);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 2U);
    EXPECT_EQ((*read)[0].at, rtp::Duration(0));
    EXPECT_EQ((*read)[1].at, rtp::Duration(1'000'001));
    EXPECT_EQ((*read)[0].source_port, 5000);
    EXPECT_EQ((*read)[0].destination_port, 6000);
    EXPECT_EQ((*read)[0].payload, hex("AABBCC"));
  }
}

TEST(Pcap, ReadsTheCapturesOfChromium) {
  for (const char* name : {"vp8sim", "h264sim", "vp9svc", "av1svc"}) {
    const auto read = read_pcap(std::string(PARLEY_TEST_DATA "/rtp/") + name + "-sent.pcap");
    ASSERT_TRUE(read) << name;
    EXPECT_GT(read->size(), 2'000U) << name;
    EXPECT_GT(read->back().at, std::chrono::seconds(5)) << name;
  }
}

TEST(Pcap, LeavesOutWhatIsNotUdpOverIpv4) {
  const auto bytes =
      hex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"
          "01000000 00000000 10000000 10000000 000102030405060708090a0b 0806 0000"  // ARP
          "01000000 00000000 00000000 00000000");
  const auto read = parse_pcap(bytes);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->empty());
}

TEST(Pcap, RefusesWhatIsNoCaptureAndEveryCutInsideAPacket) {
  EXPECT_EQ(parse_pcap(hex("")).error(), PcapError::Truncated);
  EXPECT_EQ(parse_pcap(hex("00112233 44556677")).error(), PcapError::NotPcap);
  EXPECT_EQ(read_pcap("/nonexistent").error(), PcapError::CannotRead);
  std::ifstream in(PARLEY_TEST_DATA "/rtp/vp8sim-sent.pcap", std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  const std::vector<std::uint8_t> whole(text.begin(), text.begin() + 4'000);
  std::size_t complete = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> cut(whole.begin(),
                                        whole.begin() + static_cast<std::ptrdiff_t>(size));
    complete += parse_pcap(cut) ? 1U : 0U;
  }
  EXPECT_LT(complete, 20U);  // only cuts between two blocks make a shorter capture
}

}  // namespace
}  // namespace parley::client
