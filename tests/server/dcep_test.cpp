#include "server/dcep.h"

#include <gtest/gtest.h>

namespace parley::server {
namespace {

// Written by hand after RFC 8832, section 5.1: unordered, at most three retransmissions, priority
// 256, label "pointer", protocol "v1".
const std::vector<std::uint8_t> kOpen = {0x03, 0x81, 0x01, 0x00, 0x00, 0x00, 0x00,
                                         0x03, 0x00, 0x07, 0x00, 0x02, 'p',  'o',
                                         'i',  'n',  't',  'e',  'r',  'v',  '1'};

TEST(Dcep, ReadsAndWritesWhatTheRfcSays) {
  const auto open = read_channel_open(kOpen);
  ASSERT_TRUE(open);
  EXPECT_EQ(open->label, "pointer");
  EXPECT_EQ(open->protocol, "v1");
  EXPECT_EQ(open->priority, 256);
  EXPECT_FALSE(open->delivery.ordered);
  EXPECT_EQ(open->delivery.max_retransmits, 3U);
  EXPECT_FALSE(open->delivery.max_lifetime_ms);
  EXPECT_EQ(write_channel_open(*open), kOpen);
}

TEST(Dcep, KnowsAllSixKindsOfChannels) {
  for (const bool ordered : {true, false}) {
    for (const Delivery& delivery :
         {Delivery{ordered, {}, {}}, Delivery{ordered, 0, {}}, Delivery{ordered, {}, 5'000}}) {
      const ChannelOpen open{delivery, 1, "", "x"};
      EXPECT_EQ(read_channel_open(write_channel_open(open)), open);
    }
  }
}

TEST(Dcep, RefusesWhateverIsCutOrLonger) {
  for (std::size_t size = 0; size < kOpen.size(); ++size) {
    EXPECT_FALSE(read_channel_open(rtp::ConstBytes(kOpen).first(size))) << size;
  }
  auto longer = kOpen;
  longer.push_back(0);
  EXPECT_FALSE(read_channel_open(longer));
}

TEST(Dcep, RefusesUnknownTypesAndLongNames) {
  for (const auto& [at, byte] : {std::pair<std::size_t, std::uint8_t>{0, 0x02},
                                 {1, 0x03},
                                 {1, 0x90},
                                 {8, 0xff},
                                 {10, 0xff}}) {
    auto spoilt = kOpen;
    spoilt[at] = byte;
    EXPECT_FALSE(read_channel_open(spoilt)) << at;
  }
  ChannelOpen open;
  open.label = std::string(ChannelOpen::kMaxLabel, 'l');
  EXPECT_TRUE(read_channel_open(write_channel_open(open)));
  open.label += 'l';
  EXPECT_FALSE(read_channel_open(write_channel_open(open)));
}

TEST(Dcep, AnAckIsOneByte) {
  EXPECT_TRUE(is_channel_ack(write_channel_ack()));
  EXPECT_FALSE(is_channel_ack({}));
  EXPECT_FALSE(is_channel_ack(kOpen));
}

}  // namespace
}  // namespace parley::server
