#include "rtp/sent_log.h"

#include <array>
#include <chrono>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

void send(SentLog& log, std::int64_t seq, std::size_t bytes = 1'000) {
  Rewrite rewrite;
  rewrite.seq = ExtSeq{seq};
  rewrite.timestamp = RtpTimestamp{static_cast<std::uint32_t>(seq)};
  log.on_sent(rewrite, Source{7, 2}, ExtSeq{seq + 5'000}, bytes);
}

std::vector<SentLog::Resend> nack(SentLog& log, std::initializer_list<std::uint16_t> lost,
                                  std::int64_t ms, std::int64_t rtt_ms = 50) {
  std::vector<Seq> seqs;
  for (const std::uint16_t seq : lost) seqs.emplace_back(seq);
  std::array<SentLog::Resend, 16> out;
  const std::size_t count = log.on_nack(seqs, at(ms), milliseconds(rtt_ms), out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(SentLog, TellsWhereASentPacketCameFrom) {
  SentLog log(64);
  for (std::int64_t seq = 65'530; seq < 65'545; ++seq) send(log, seq);
  const auto found = nack(log, {65'535, 3}, 100);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].source, (Source{7, 2}));
  EXPECT_EQ(found[0].source_seq, ExtSeq{65'535 + 5'000});
  EXPECT_EQ(found[1].rewrite.seq, ExtSeq{65'539});
  EXPECT_EQ(log.counters().resent, 2U);
}

TEST(SentLog, KnowsNothingOfWhatWasNeverSentOrLongAgo) {
  SentLog log(16);
  EXPECT_TRUE(nack(log, {1}, 0).empty());
  for (std::int64_t seq = 0; seq < 40; ++seq) send(log, seq);
  EXPECT_TRUE(nack(log, {40, 23, 60'000}, 10).empty());
  EXPECT_EQ(nack(log, {24}, 10).size(), 1U);
  EXPECT_EQ(log.counters().unknown, 4U);
}

// Two publishers count from anywhere; what was sent before a switch can still be asked for.
TEST(SentLog, RemembersSourcesOnBothSidesOfASwitch) {
  SentLog log(16);
  Rewrite rewrite;
  rewrite.seq = ExtSeq{10};
  log.on_sent(rewrite, Source{1, 0}, ExtSeq{-3}, 100);
  rewrite.seq = ExtSeq{11};
  log.on_sent(rewrite, Source{2, 1}, ExtSeq{5'000'000}, 100);
  const auto found = nack(log, {10, 11}, 0);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].source_seq, ExtSeq{-3});
  EXPECT_EQ(found[1].source_seq, ExtSeq{5'000'000});
  EXPECT_EQ(found[1].source, (Source{2, 1}));
}

TEST(SentLog, SendsAtMostOncePerRoundTrip) {
  SentLog log(16);
  send(log, 1);
  EXPECT_EQ(nack(log, {1}, 10).size(), 1U) << "the first one at once";
  EXPECT_EQ(nack(log, {1}, 59).size(), 0U);
  EXPECT_EQ(nack(log, {1}, 60).size(), 1U);
  EXPECT_EQ(log.counters().too_soon, 1U);
}

TEST(SentLog, SendsAtMostThreeTimes) {
  SentLog log(16);
  send(log, 1);
  int sent = 0;
  for (std::int64_t ms = 100; ms < 2'000; ms += 100) {
    sent += static_cast<int>(nack(log, {1}, ms).size());
  }
  EXPECT_EQ(sent, 3);
  EXPECT_EQ(log.counters().too_often, 16U);
}

TEST(SentLog, ResendsNoMoreThanAFifthOfWhatItSends) {
  SentLog log(1'024);
  std::int64_t resent = 0;
  for (std::int64_t seq = 0; seq < 10'000; ++seq) {
    send(log, seq);
    resent += static_cast<std::int64_t>(nack(log, {static_cast<std::uint16_t>(seq)}, seq).size());
  }
  EXPECT_LE(resent * 1'000, 10'000 * 1'000 / 5 + SentLog::kBudgetStartBytes);
  EXPECT_GE(resent, 2'000);
  EXPECT_EQ(log.counters().over_budget, static_cast<std::uint64_t>(10'000 - resent));
}

TEST(SentLog, LeavesUncountedWhatDoesNotFit) {
  SentLog log(16);
  for (std::int64_t seq = 0; seq < 4; ++seq) send(log, seq);
  const std::array<Seq, 3> lost{Seq{0}, Seq{1}, Seq{2}};
  std::array<SentLog::Resend, 2> out;
  EXPECT_EQ(log.on_nack(lost, at(10), std::nullopt, out), 2U);
  EXPECT_EQ(nack(log, {2}, 10).size(), 1U);
}

TEST(SentLog, TakesALatePacketWithoutForgettingNewerOnes) {
  SentLog log(16);
  send(log, 20);
  send(log, 4);
  EXPECT_EQ(nack(log, {20}, 10).size(), 1U);
  EXPECT_EQ(nack(log, {4}, 10).size(), 0U);
}

}  // namespace
}  // namespace parley::rtp
