#include "server/srtp_index.h"

#include <set>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

using Verdict = SrtpIndex::Verdict;

std::uint64_t take(SrtpIndex& index, std::uint16_t seq) {
  const std::uint64_t guessed = index.guess(rtp::Seq{seq});
  EXPECT_EQ(index.check(guessed), Verdict::New) << seq;
  index.accept(guessed);
  return guessed;
}

TEST(SrtpIndex, BeginsInTheFirstRoundWhereverItBegins) {
  for (const int start : {0, 1, 32'767, 32'768, 65'535}) {
    const auto first = static_cast<std::uint16_t>(start);
    SrtpIndex index;
    EXPECT_EQ(take(index, first), first);
  }
}

TEST(SrtpIndex, CountsRoundsForwardsAndBackwards) {
  SrtpIndex index;
  EXPECT_EQ(take(index, 65'530), 65'530U);
  EXPECT_EQ(take(index, 2), 0x1'0002U);
  EXPECT_EQ(index.guess(rtp::Seq{65'535}), 65'535U) << "late, of the round before";
  EXPECT_EQ(take(index, 32'000), 0x1'7D00U);
  EXPECT_EQ(take(index, 64'000), 0x1'FA00U);
  EXPECT_EQ(take(index, 10), 0x2'000AU);
}

TEST(SrtpIndex, KnowsNothingBeforeTheFirstRound) {
  SrtpIndex index;
  take(index, 10);
  EXPECT_EQ(index.guess(rtp::Seq{65'000}), 65'000U) << "can only be a jump ahead";
}

TEST(SrtpIndex, TellsUsedFromNewAndFromTooOld) {
  SrtpIndex index;
  index.accept(5'000);
  index.accept(5'002);
  EXPECT_EQ(index.check(5'000), Verdict::Used);
  EXPECT_EQ(index.check(5'001), Verdict::New);
  EXPECT_EQ(index.check(5'002), Verdict::Used);
  EXPECT_EQ(index.check(5'003), Verdict::New);
  EXPECT_EQ(index.check(5'002 - SrtpIndex::kWindow + 1), Verdict::New);
  EXPECT_EQ(index.check(5'002 - SrtpIndex::kWindow), Verdict::TooOld);
}

TEST(SrtpIndex, AJumpClearsTheWindow) {
  for (const std::uint64_t step : {1U, 63U, 64U, 1'000U, 1'023U, 1'024U, 1'025U, 5'000U}) {
    SrtpIndex index;
    for (std::uint64_t i = 0; i < 2'048; ++i) index.accept(i);
    index.accept(2'047 + step);
    for (std::uint64_t i = 2'048; i < 2'047 + step; ++i) {
      if (2'047 + step - i < SrtpIndex::kWindow) {
        ASSERT_EQ(index.check(i), Verdict::New) << i;
      }
    }
    EXPECT_EQ(index.check(2'047 + step), Verdict::Used);
    if (step < SrtpIndex::kWindow) {
      EXPECT_EQ(index.check(2'047), Verdict::Used);
    }
  }
}

// Against a set of all that was taken.
TEST(SrtpIndex, AgreesWithASimpleModel) {
  SrtpIndex index;
  std::set<std::uint64_t> taken;
  std::uint64_t highest = 70'000;
  std::uint32_t chance = 99;
  const auto next = [&] { return (chance = chance * 1'664'525 + 1'013'904'223) >> 8; };
  index.accept(highest);
  taken.insert(highest);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t wanted = highest + 40 - next() % 1'200;
    const auto seq = rtp::Seq{static_cast<std::uint16_t>(wanted)};
    ASSERT_EQ(index.guess(seq), wanted);
    const bool old = wanted + SrtpIndex::kWindow <= highest;
    const Verdict expected = old                      ? Verdict::TooOld
                             : taken.contains(wanted) ? Verdict::Used
                                                      : Verdict::New;
    ASSERT_EQ(index.check(wanted), expected) << wanted << " below " << highest;
    if (expected != Verdict::New) continue;
    index.accept(wanted);
    taken.insert(wanted);
    highest = std::max(highest, wanted);
  }
}

}  // namespace
}  // namespace parley::server
