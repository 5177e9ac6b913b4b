#include "rtp/sent_log.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t ms) { return Time{milliseconds(ms)}; }

// As if the source counted from `shift` less.
void send(SentLog& log, std::int64_t seq, std::size_t bytes = 1'000, Source source = {7, 2},
          std::int64_t shift = -5'000) {
  Rewrite rewrite;
  rewrite.seq = ExtSeq{seq};
  PacketInfo info;
  info.seq = ExtSeq{seq - shift};
  log.on_sent(rewrite, source, info, bytes);
}

// What is to be sent again, and is.
std::vector<SentLog::Resend> nack(SentLog& log, std::initializer_list<std::uint16_t> lost,
                                  std::int64_t ms, std::int64_t rtt_ms = 50) {
  std::vector<SentLog::Resend> resends;
  for (const std::uint16_t seq : lost) {
    const auto resend = log.on_nack(Seq{seq}, at(ms), milliseconds(rtt_ms));
    if (!resend) continue;
    log.on_resent(resend->seq, at(ms), 1'000);
    resends.push_back(*resend);
  }
  return resends;
}

TEST(SentLog, TellsWhereASentPacketCameFrom) {
  SentLog log(64);
  for (std::int64_t seq = 65'530; seq < 65'545; ++seq) send(log, seq);
  const auto found = nack(log, {65'535, 3}, 100);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].source, (Source{7, 2}));
  EXPECT_EQ(found[0].source_seq(), ExtSeq{65'535 + 5'000});
  EXPECT_EQ(found[1].seq, ExtSeq{65'539});
  EXPECT_EQ(log.counters().resent, 2U);
}

TEST(SentLog, KnowsNothingOfWhatWasNeverSentOrLongAgo) {
  SentLog log(64);
  EXPECT_TRUE(nack(log, {1}, 0).empty());
  for (std::int64_t seq = 0; seq < 100; ++seq) send(log, seq);
  EXPECT_TRUE(nack(log, {100, 35, 60'000}, 10).empty());
  EXPECT_EQ(nack(log, {36}, 10).size(), 1U);
  EXPECT_EQ(log.counters().unknown, 4U);
}

TEST(SentLog, KnowsNothingOfAHoleNorOfWhatLiesBeforeALongOne) {
  SentLog log(64);
  for (const std::int64_t seq : {1, 2, 3, 7, 8}) send(log, seq);
  EXPECT_TRUE(nack(log, {4, 5, 6}, 10).empty());
  EXPECT_EQ(nack(log, {3, 7}, 10).size(), 2U);
  send(log, 71);  // overwrites 7's place, and clears the others'
  EXPECT_EQ(nack(log, {8, 71}, 10).size(), 2U);
  EXPECT_TRUE(nack(log, {7, 40}, 10).empty());
  send(log, 1'000);
  EXPECT_TRUE(nack(log, {8, 71, 950}, 10).empty());
}

// Two publishers count from anywhere; what was sent before a switch can still be asked for.
TEST(SentLog, RemembersSourcesOnBothSidesOfASwitch) {
  SentLog log(64);
  send(log, 10, 100, Source{1, 0}, 13);
  send(log, 11, 100, Source{2, 1}, -4'999'989);
  const auto found = nack(log, {10, 11}, 0);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].source_seq(), ExtSeq{-3});
  EXPECT_EQ(found[1].source_seq(), ExtSeq{5'000'000});
  EXPECT_EQ(found[1].source, (Source{2, 1}));
}

TEST(SentLog, ForgetsTheOldestStretch) {
  SentLog log(4'096);
  for (std::int64_t i = 0; i < 100; ++i) send(log, i, 100, Source{1, 0}, i);
  EXPECT_TRUE(nack(log, {35}, 0).empty());
  const auto found = nack(log, {36, 99}, 0);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].source_seq(), ExtSeq{0});
  EXPECT_EQ(found[1].source_seq(), ExtSeq{0});
}

TEST(SentLog, SendsNothingAgainOfWhatWasGivenUp) {
  SentLog log(64);
  for (std::int64_t seq = 0; seq < 20; ++seq) send(log, seq);
  log.begin_anew(ExtSeq{10});
  EXPECT_TRUE(nack(log, {0, 9}, 10).empty());
  EXPECT_FALSE(log.on_lost(Seq{9}, false));
  EXPECT_EQ(log.counters().needless, 3U);
  EXPECT_EQ(nack(log, {10, 19}, 10).size(), 2U);
}

TEST(SentLog, AllowsSomeForWhatItBeginsAnewWith) {
  SentLog log(64);
  for (std::uint16_t seq = 0; seq < 40; ++seq) {
    send(log, seq, 10);
    nack(log, {seq}, 10);
  }
  ASSERT_GT(log.counters().over_budget, 0U);
  send(log, 40, 10);
  EXPECT_TRUE(nack(log, {40}, 20).empty());
  log.begin_anew(ExtSeq{40});
  EXPECT_EQ(nack(log, {40}, 30).size(), 1U);
}

// Whatever a publisher and a network do, a packet that is sent again carries the numbers that it
// had the first time.
TEST(SentLog, GivesBackTheNumbersOfTheFirstTime) {
  constexpr std::size_t kPackets = 400;
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    Forwarder forwarder(MediaKind::Video, 90'000, Seq{static_cast<std::uint16_t>(random())},
                        RtpTimestamp{static_cast<std::uint32_t>(random())});
    SentLog log(2'048);
    struct Sent {
      Rewrite rewrite;
      Source source;
      PacketInfo info;
    };
    std::map<std::uint16_t, Sent> sent;
    const auto give = [&](const PacketInfo& info, Source source) {
      const auto rewrite = forwarder.on_packet(info, source);
      if (!rewrite) return;
      log.on_sent(*rewrite, source, info, 15'000);  // so that the budget lasts
      sent[static_cast<std::uint16_t>(rewrite->seq.value)] = {*rewrite, source, info};
    };
    Source source{1, 0};
    forwarder.set_target(source);
    PacketInfo info;
    info.codec = Codec::Vp8;
    info.seq = ExtSeq{static_cast<std::int64_t>(random() % 100'000)};
    info.picture.picture_id_at = info.picture.tl0_picture_index_at = info.picture.has_key_index =
        true;
    info.picture.picture_id_long = chance(50);
    std::vector<std::pair<PacketInfo, Source>> late;
    for (std::size_t i = 0; i < kPackets; ++i) {
      ++info.seq.value;
      info.arrival += milliseconds(10);
      info.padding_only = chance(3);
      info.marker = chance(30);
      if (chance(50)) {
        info.timestamp.value += 3'000;
        info.picture.picture_id =
            (info.picture.picture_id + 1) & (info.picture.picture_id_long ? 0x7fff : 0x7f);
        info.picture.tl0_picture_index =
            static_cast<std::uint8_t>(info.picture.tl0_picture_index + 1);
        info.picture.key_index = (info.picture.key_index + 1) & 0x1f;
        if (info.frame_number) ++*info.frame_number;
      }
      info.key_frame = i == 0;
      if (chance(2)) {  // another source
        source = {source.track + 1, static_cast<std::uint8_t>(random() % 3)};
        forwarder.set_target(source);
        info.seq.value += static_cast<std::int64_t>(random() % 10'000) - 5'000;
        info.timestamp.value = static_cast<std::uint32_t>(random());
        info.picture.picture_id = static_cast<std::uint16_t>(random() & 0x7f);
        info.frame_number = static_cast<std::uint16_t>(random());
        info.key_frame = true;
        late.clear();
      }
      PacketInfo one = info;
      if (one.padding_only) one.picture = {};
      if (chance(10) && !one.key_frame) {
        late.emplace_back(one, source);  // or never
      } else {
        give(one, source);
      }
      if (!late.empty() && chance(20)) {
        give(late.front().first, late.front().second);
        late.erase(late.begin());
      }
    }
    std::size_t found = 0;
    for (const auto& [seq, was] : sent) {
      const auto resend = log.on_nack(Seq{seq}, at(100), std::nullopt);
      if (!resend) continue;
      ++found;
      EXPECT_EQ(resend->source, was.source) << seed;
      EXPECT_EQ(resend->source_seq(), was.info.seq) << seed;
      const Rewrite again = resend->rewrite(was.info);
      EXPECT_EQ(again.seq, was.rewrite.seq) << seed;
      EXPECT_EQ(again.timestamp, was.rewrite.timestamp) << seed;
      EXPECT_EQ(again.marker, was.rewrite.marker) << seed;
      if (was.info.padding_only) continue;
      EXPECT_EQ(again.frame_number, was.rewrite.frame_number) << seed;
      EXPECT_EQ(again.picture, was.rewrite.picture) << seed;
    }
    EXPECT_GE(found, sent.size() * 9 / 10) << seed;
  }
}

// The receiver's own idea of it may be shorter by a little.
TEST(SentLog, SendsAtMostOncePerRoundTrip) {
  SentLog log(64);
  send(log, 1);
  EXPECT_EQ(nack(log, {1}, 10).size(), 1U) << "the first one at once";
  EXPECT_EQ(nack(log, {1}, 47).size(), 0U);
  EXPECT_EQ(nack(log, {1}, 48).size(), 1U);
  EXPECT_EQ(log.counters().too_soon, 1U);
}

TEST(SentLog, SendsAtMostSixTimes) {
  SentLog log(64);
  send(log, 1);
  int sent = 0;
  for (std::int64_t ms = 100; ms < 2'000; ms += 100) {
    sent += static_cast<int>(nack(log, {1}, ms).size());
  }
  EXPECT_EQ(sent, 6);
  EXPECT_EQ(log.counters().too_often, 13U);
}

TEST(SentLog, CopiesCountAmongTheSix) {
  SentLog log(64);
  send(log, 1);
  int sent = 0;
  for (std::int64_t ms = 100; ms < 2'000; ms += 100) {
    const auto resend = log.on_nack(Seq{1}, at(ms), milliseconds(50));
    if (!resend) continue;
    for (int copies = resend->twice ? 2 : 1; copies > 0; --copies, ++sent) {
      log.on_resent(resend->seq, at(ms), 1'000);
    }
  }
  EXPECT_EQ(sent, 6);
}

TEST(SentLog, SendsTwoCopiesOfWhatWasLostAgain) {
  SentLog log(64);
  send(log, 1);
  const auto first = log.on_nack(Seq{1}, at(100), milliseconds(50));
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->twice);
  log.on_resent(first->seq, at(100), 1'000);
  const auto second = log.on_nack(Seq{1}, at(150), milliseconds(50));
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->twice);
}

// A NACK on its way does not know it yet, feedback does.
TEST(SentLog, WhatFeedbackTellsToBeLostIsSentAgainUnlessAnotherCopyMayArrive) {
  SentLog log(64);
  send(log, 1);
  EXPECT_FALSE(log.on_lost(Seq{1}, true)) << "was not sent again";
  const auto first = log.on_lost(Seq{1}, false);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->twice);
  log.on_resent(first->seq, at(100), 1'000);
  EXPECT_FALSE(log.on_lost(Seq{1}, false)) << "was sent again";
  EXPECT_TRUE(nack(log, {1}, 101).empty()) << "he cannot know that it was";

  const auto second = log.on_lost(Seq{1}, true);
  ASSERT_TRUE(second) << "no matter how soon after the first";
  EXPECT_TRUE(second->twice);
  log.on_resent(second->seq, at(102), 1'000);
  log.on_resent(second->seq, at(102), 1'000);
  EXPECT_FALSE(log.on_lost(Seq{1}, true)) << "one of two";
  EXPECT_TRUE(log.on_lost(Seq{1}, true)) << "both";
}

TEST(SentLog, WhatFeedbackTellsCountsAgainstTheSameLimits) {
  SentLog log(64);
  send(log, 1);
  int sent = 0;
  for (auto resend = log.on_lost(Seq{1}, false); resend; resend = log.on_lost(Seq{1}, true)) {
    log.on_resent(resend->seq, at(100), 1'000);
    ASSERT_LE(++sent, 6);
  }
  EXPECT_EQ(sent, 6);
  EXPECT_EQ(log.counters().too_often, 1U);
  SentLog poor(1'024);
  std::int64_t resent = 0;
  for (std::int64_t seq = 0; seq < 10'000; ++seq) {
    send(poor, seq);
    const auto resend = poor.on_lost(Seq{static_cast<std::uint16_t>(seq)}, false);
    if (!resend) continue;
    poor.on_resent(resend->seq, at(seq), 1'000);
    ++resent;
  }
  EXPECT_EQ(poor.counters().over_budget, static_cast<std::uint64_t>(10'000 - resent));
  EXPECT_LE(resent, 2'000 + SentLog::kBudgetStartBytes / 1'000);
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

TEST(SentLog, CountsOnlyWhatWasReallySentAgain) {
  SentLog log(64);
  send(log, 1);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(log.on_nack(Seq{1}, at(10), std::nullopt));
  EXPECT_EQ(nack(log, {1}, 10).size(), 1U);
  EXPECT_TRUE(nack(log, {1}, 10).empty());
  EXPECT_EQ(log.counters().resent, 1U);
}

TEST(SentLog, TakesALatePacketWithoutForgettingNewerOnes) {
  SentLog log(64);
  send(log, 3);
  send(log, 90);
  send(log, 5);
  send(log, 70);
  EXPECT_EQ(nack(log, {90, 70}, 10).size(), 2U);
  EXPECT_EQ(nack(log, {5}, 10).size(), 0U) << "too long ago";
}

}  // namespace
}  // namespace parley::rtp
