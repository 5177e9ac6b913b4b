#include "rtp/sequence.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

TEST(SeqUnwrapper, CountsOnPastTheWrap) {
  SeqUnwrapper unwrapper;
  EXPECT_EQ(unwrapper.unwrap(Seq{65535}).value, 65535);
  EXPECT_EQ(unwrapper.unwrap(Seq{0}).value, 65536);
  EXPECT_EQ(unwrapper.unwrap(Seq{65534}).value, 65534);  // late, from before the wrap
}

TEST(SeqUnwrapper, GoesBelowZeroForWhatCameBeforeTheFirst) {
  SeqUnwrapper unwrapper;
  EXPECT_EQ(unwrapper.unwrap(Seq{2}).value, 2);
  EXPECT_EQ(unwrapper.unwrap(Seq{65535}).value, -1);
  EXPECT_EQ(unwrapper.unwrap(Seq{3}).value, 3);
}

TEST(TimestampUnwrapper, CountsOnPastTheWrap) {
  TimestampUnwrapper unwrapper;
  EXPECT_EQ(unwrapper.unwrap(RtpTimestamp{0xffff'ff00}).value, 0xffff'ff00);
  EXPECT_EQ(unwrapper.unwrap(RtpTimestamp{0x100}).value, 0x1'0000'0100);
  EXPECT_EQ(unwrapper.unwrap(RtpTimestamp{0xffff'fff0}).value, 0xffff'fff0);
  EXPECT_EQ(unwrapper.unwrap(RtpTimestamp{0x8000'0000}).value, 0x1'8000'0000);
}

TEST(Newer, LooksTheShorterWayRound) {
  EXPECT_TRUE(is_newer(Seq{1}, Seq{65535}));
  EXPECT_FALSE(is_newer(Seq{65535}, Seq{1}));
  EXPECT_FALSE(is_newer(Seq{7}, Seq{7}));
  EXPECT_FALSE(is_newer(Seq{0x8000}, Seq{0}));
  EXPECT_FALSE(is_newer(Seq{0}, Seq{0x8000}));
  EXPECT_TRUE(is_newer(RtpTimestamp{5}, RtpTimestamp{0xffff'fff0}));
  EXPECT_FALSE(is_newer(RtpTimestamp{0xffff'fff0}, RtpTimestamp{5}));
}

TEST(ToWire, CutsToSixteenBits) {
  EXPECT_EQ(to_wire(ExtSeq{65537}), Seq{1});
  EXPECT_EQ(to_wire(ExtSeq{-1}), Seq{65535});
}

}  // namespace
}  // namespace parley::rtp
