#include "rtp/receive_stream.h"

#include <chrono>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "rtp/clock_map.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using Verdict = ReceiveStream::Verdict;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

struct Feed {
  ReceiveStream stream{90'000};
  std::int64_t ms = 1'000;
  ReceiveStream::Received operator()(std::uint16_t seq) {
    ms += 10;
    return stream.on_packet(Seq{seq}, RtpTimestamp{static_cast<std::uint32_t>(ms * 90)}, 1'000,
                            at(ms));
  }
};

TEST(ReceiveStream, CountsOnOverTheEndOfTheRange) {
  Feed feed;
  EXPECT_EQ(feed(65'534).seq, ExtSeq{65'534});
  EXPECT_EQ(feed(65'535).seq, ExtSeq{65'535});
  EXPECT_EQ(feed(0).seq, ExtSeq{65'536});
  EXPECT_EQ(feed.stream.take_report(at(feed.ms))->highest_seq, 65'536U);
}

TEST(ReceiveStream, ReportsNothingBeforeTheFirstPacket) {
  ReceiveStream stream(48'000);
  EXPECT_FALSE(stream.take_report(at(1)));
}

TEST(ReceiveStream, TellsDuplicatesFromLatePackets) {
  Feed feed;
  EXPECT_EQ(feed(10).verdict, Verdict::New);
  EXPECT_EQ(feed(12).verdict, Verdict::New);
  EXPECT_EQ(feed(12).verdict, Verdict::Duplicate);
  EXPECT_EQ(feed(11).verdict, Verdict::New);
  EXPECT_EQ(feed(11).verdict, Verdict::Duplicate);
  EXPECT_EQ(feed.stream.duplicates(), 2U);
  EXPECT_EQ(feed.stream.cumulative_lost(), 0);
}

TEST(ReceiveStream, LetsAnEarlierPacketBeginTheStream) {
  Feed feed;
  EXPECT_EQ(feed(10).verdict, Verdict::New);
  const auto earlier = feed(9);
  EXPECT_EQ(earlier.verdict, Verdict::New);
  EXPECT_EQ(earlier.seq, ExtSeq{9});
  EXPECT_EQ(feed(9).verdict, Verdict::Duplicate);
  EXPECT_EQ(feed.stream.cumulative_lost(), 0);
}

TEST(ReceiveStream, RefusesWhatIsOlderThanItsWindow) {
  Feed feed;
  for (std::uint16_t seq = 0; seq < 2'000; ++seq) (void)feed(seq);
  EXPECT_EQ(feed(1'999 - 1'023).verdict, Verdict::Duplicate);
  EXPECT_EQ(feed(1'999 - 1'024).verdict, Verdict::TooOld);
}

TEST(ReceiveStream, BelievesAJumpOnlyWhenItGoesOn) {
  Feed feed;
  (void)feed(100);
  EXPECT_EQ(feed(40'000).verdict, Verdict::TooOld);
  EXPECT_EQ(feed(101).verdict, Verdict::New);
  EXPECT_EQ(feed(40'001).verdict, Verdict::TooOld);
  const auto restarted = feed(40'002);
  EXPECT_EQ(restarted.verdict, Verdict::Restarted);
  EXPECT_GT(restarted.seq, ExtSeq{101});
  EXPECT_EQ(restarted.seq.value % 65'536, 40'002);
  EXPECT_EQ(feed(40'003).verdict, Verdict::New);
  EXPECT_EQ(feed.stream.cumulative_lost(), 0);
}

TEST(ReceiveStream, RestartsAtALowerNumberBeyondTheOldOnes) {
  Feed feed;
  (void)feed(50'000);
  (void)feed(200);
  const auto restarted = feed(201);
  EXPECT_EQ(restarted.verdict, Verdict::Restarted);
  EXPECT_EQ(restarted.seq, ExtSeq{65'536 + 201});
}

// RFC 3550, A.3: the fraction is of the interval, the sum is of all.
TEST(ReceiveStream, ReportsLossOfTheIntervalAndOfAll) {
  Feed feed;
  for (std::uint16_t seq = 0; seq < 100; ++seq) {
    if (seq % 4 != 3) (void)feed(seq);  // loses 25, the last one not noticed yet
  }
  auto report = feed.stream.take_report(at(feed.ms));
  EXPECT_EQ(report->cumulative_lost, 24);
  EXPECT_EQ(report->fraction_lost, 24 * 256 / 99);
  for (std::uint16_t seq = 100; seq < 200; ++seq) (void)feed(seq);
  report = feed.stream.take_report(at(feed.ms));
  EXPECT_EQ(report->cumulative_lost, 25);
  EXPECT_EQ(report->fraction_lost, 1 * 256 / 101);
  report = feed.stream.take_report(at(feed.ms));
  EXPECT_EQ(report->fraction_lost, 0);
}

TEST(ReceiveStream, KeepsARecoveredPacketCountedAsLost) {
  Feed feed;
  (void)feed(1);
  (void)feed(3);
  EXPECT_EQ(feed.stream.on_recovered(Seq{2}, 1'000, at(feed.ms)).verdict, Verdict::New);
  EXPECT_EQ(feed.stream.on_recovered(Seq{2}, 1'000, at(feed.ms)).verdict, Verdict::Duplicate);
  EXPECT_EQ(feed.stream.cumulative_lost(), 1);
}

TEST(ReceiveStream, IsNotBegunByARetransmission) {
  ReceiveStream stream(90'000);
  EXPECT_EQ(stream.on_recovered(Seq{7}, 100, at(1)).verdict, Verdict::TooOld);
  EXPECT_FALSE(stream.highest());
}

TEST(ReceiveStream, MeasuresNoJitterOfASteadyStreamAndSomeOfAShakyOne) {
  Feed steady;
  for (std::uint16_t seq = 0; seq < 200; ++seq) (void)steady(seq);
  EXPECT_EQ(steady.stream.jitter(), 0U);

  ReceiveStream shaky(90'000);
  for (std::uint16_t seq = 0; seq < 400; ++seq) {  // every other packet 10 ms late
    const std::int64_t ms = 20 * seq + (seq % 2) * 10;
    (void)shaky.on_packet(Seq{seq}, RtpTimestamp{static_cast<std::uint32_t>(20 * 90 * seq)}, 100,
                          at(ms));
  }
  EXPECT_NEAR(shaky.jitter(), 900, 20);  // 10 ms at 90 kHz
}

TEST(ReceiveStream, EchoesTheLastSenderReport) {
  Feed feed;
  (void)feed(1);
  EXPECT_EQ(feed.stream.take_report(at(feed.ms))->last_sr, 0U);
  feed.stream.on_sender_report(NtpTime{0x1234'5678'9abc'def0}, at(2'000));
  const auto report = feed.stream.take_report(at(2'500));
  EXPECT_EQ(report->last_sr, 0x5678'9abcU);
  EXPECT_EQ(report->delay_since_last_sr, 32'768U);
}

// Every packet once, some twice, some never, slightly shuffled: against sets.
TEST(ReceiveStream, AgreesWithASimpleCountUnderLossReorderAndDuplicates) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::int64_t> sent;
    for (std::int64_t i = 0; i < 5'000; ++i) {
      const auto dice = random() % 100;
      if (dice < 10 && i > 0) continue;
      sent.push_back(i);
      if (dice > 95) sent.push_back(i);
    }
    for (std::size_t i = 1; i + 10 < sent.size(); ++i) {
      if (random() % 10 == 0) std::swap(sent[i], sent[i + random() % 8]);
    }
    const std::int64_t base = 65'000;
    ReceiveStream stream(90'000);
    std::set<std::int64_t> seen;
    for (const std::int64_t i : sent) {
      const auto got =
          stream.on_packet(Seq{static_cast<std::uint16_t>(base + i)},
                           RtpTimestamp{static_cast<std::uint32_t>(i * 900)}, 100, at(i * 10));
      ASSERT_EQ(got.seq, ExtSeq{base + i});
      ASSERT_EQ(got.verdict, seen.insert(i).second ? Verdict::New : Verdict::Duplicate);
    }
    const std::int64_t expected = *seen.rbegin() - *seen.begin() + 1;
    EXPECT_EQ(stream.cumulative_lost(), expected - static_cast<std::int64_t>(seen.size()));
  }
}

}  // namespace
}  // namespace parley::rtp
