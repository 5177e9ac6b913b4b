#include "rtp/classify.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

// The table of RFC 7983, section 7, written out once more, with the least sizes.
DatagramKind expected(unsigned first, unsigned second, std::size_t size) {
  if (first <= 3 && size >= 20) return DatagramKind::Stun;
  if (first >= 20 && first <= 63 && size >= 13) return DatagramKind::Dtls;
  if (first >= 128 && first <= 191) {
    if (second >= 192 && second <= 223)
      return size >= 8 ? DatagramKind::Rtcp : DatagramKind::Unknown;
    if (size >= 12) return DatagramKind::Rtp;
  }
  return DatagramKind::Unknown;
}

TEST(Classify, FollowsTheTableForEveryFirstByteAndLength) {
  for (unsigned first = 0; first < 256; ++first) {
    for (std::size_t size = 0; size <= 64; ++size) {
      for (const unsigned second : {0U, 96U, 191U, 192U, 200U, 223U, 224U}) {
        WireBytes datagram(size);
        if (size > 0) datagram[0] = static_cast<std::uint8_t>(first);
        if (size > 1) datagram[1] = static_cast<std::uint8_t>(second);
        const auto want = size == 0 ? DatagramKind::Unknown : expected(first, second, size);
        ASSERT_EQ(classify(datagram), want) << first << " " << second << " " << size;
      }
    }
  }
}

TEST(Classify, TakesPayloadTypesBelow64ForRtp) {
  // Chromium uses 35..63; with the marker they are 163..191, below the RTCP range.
  WireBytes datagram(12);
  datagram[0] = 0x80;
  for (unsigned type = 35; type < 64; ++type) {
    datagram[1] = static_cast<std::uint8_t>(0x80 | type);
    EXPECT_EQ(classify(datagram), DatagramKind::Rtp);
  }
}

}  // namespace
}  // namespace parley::rtp
