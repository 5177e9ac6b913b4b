#include "rtp/rate_meter.h"

#include <chrono>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

TEST(RateMeter, SaysNothingOfAStreamThatNeverCame) {
  RateMeter meter;
  EXPECT_EQ(meter.bitrate(at(5'000)), Bitrate{0});
  EXPECT_EQ(meter.per_second(at(5'000)), 0.0);
}

TEST(RateMeter, MeasuresASteadyStreamWithinTwoPercent) {
  RateMeter meter;
  for (std::int64_t ms = 1'000; ms < 5'000; ms += 10) {
    meter.add(1'250, ms % 40 == 0 ? 1 : 0, at(ms));
    if (ms < 2'000) continue;
    EXPECT_NEAR(static_cast<double>(meter.bitrate(at(ms)).value), 1e6, 2e4);
    EXPECT_NEAR(meter.per_second(at(ms)), 25, 1.5);
  }
  EXPECT_EQ(meter.total_bytes(), 500'000U);
}

TEST(RateMeter, MeasuresYoungStreamsOverTheTimeSeen) {
  RateMeter meter;
  for (std::int64_t ms = 0; ms < 400; ms += 10) meter.add(1'250, 1, at(ms));
  EXPECT_NEAR(static_cast<double>(meter.bitrate(at(400)).value), 1e6, 3e4);
}

TEST(RateMeter, DoesNotTakeTheFirstPacketForAFlood) {
  RateMeter meter;
  meter.add(1'250, 1, at(77));
  EXPECT_LE(meter.bitrate(at(77)).value, 50'000);
}

TEST(RateMeter, MeasuresTheLastMomentsToo) {
  RateMeter meter;
  EXPECT_EQ(meter.bitrate(at(0), 4), Bitrate{0});
  for (std::int64_t ms = 0; ms < 2'000; ms += 10) meter.add(1'250, 1, at(ms));
  for (std::int64_t ms = 2'000; ms < 2'195; ms += 10) meter.add(3'750, 1, at(ms));
  EXPECT_NEAR(static_cast<double>(meter.bitrate(at(2'195), 4).value), 3e6, 2e5);
  EXPECT_EQ(meter.bitrate(at(2'195), 100), meter.bitrate(at(2'195))) << "no more than there are";
  EXPECT_EQ(meter.bitrate(at(2'401), 4), Bitrate{0});
}

TEST(RateMeter, ForgetsWhatIsOlderThanASecond) {
  RateMeter meter;
  for (std::int64_t ms = 0; ms < 2'000; ms += 10) meter.add(1'000, 1, at(ms));
  EXPECT_GT(meter.bitrate(at(2'500)).value, 0);
  EXPECT_EQ(meter.bitrate(at(3'001)), Bitrate{0});
  EXPECT_EQ(meter.per_second(at(100'000)), 0.0);
}

}  // namespace
}  // namespace parley::rtp
