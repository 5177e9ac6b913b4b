#include "rtp/twcc.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "rtp/rtcp_reader.h"
#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

constexpr Time kStart{std::chrono::hours(100)};

// What the sender learns: for each number the last thing that was said of it.
class Sender {
 public:
  // Takes everything that is pending in packets of at most `room` bytes; returns how many.
  int collect(TwccRecorder& recorder, std::size_t room = 1200) {
    int packets = 0;
    while (true) {
      WireBytes out(room);
      const std::size_t size = recorder.build(Ssrc{1}, Ssrc{2}, out);
      if (size == 0) return packets;
      ++packets;
      EXPECT_EQ(size % 4, 0U);
      RtcpReader reader(ConstBytes(out).first(size));
      const auto message = reader.next();
      EXPECT_TRUE(message && std::holds_alternative<TransportCc>(*message));
      EXPECT_FALSE(reader.next());
      EXPECT_EQ(reader.malformed(), 0U);
      const auto feedback = TwccFeedback::parse(std::get<TransportCc>(*message).feedback);
      EXPECT_TRUE(feedback);
      if (!feedback) return packets;
      EXPECT_EQ(feedback->feedback_count(), static_cast<std::uint8_t>(packets_++));
      auto cursor = feedback->statuses();
      std::size_t count = 0;
      for (; const auto status = cursor.next(); ++count) {
        told_[unwrapper_.unwrap(status->seq).value] = *status;
      }
      EXPECT_EQ(count, feedback->status_count());
    }
  }
  [[nodiscard]] std::optional<TwccStatus> told(std::int64_t seq) const {
    const auto found = told_.find(seq);
    if (found == told_.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] std::size_t count() const { return told_.size(); }

 private:
  std::map<std::int64_t, TwccStatus> told_;
  SeqUnwrapper unwrapper_;
  int packets_ = 0;
};

Duration rounded(Time at) { return at.time_since_epoch() / 250 * 250; }

TEST(Twcc, TellsArrivalsAndLosses) {
  TwccRecorder recorder;
  recorder.on_packet(Seq{10}, kStart);
  recorder.on_packet(Seq{11}, kStart + milliseconds(2));
  recorder.on_packet(Seq{14}, kStart + milliseconds(90));
  Sender sender;
  EXPECT_EQ(sender.collect(recorder), 1);
  EXPECT_FALSE(recorder.pending());
  EXPECT_EQ(sender.told(10)->arrival, kStart.time_since_epoch());
  EXPECT_EQ(sender.told(11)->arrival - sender.told(10)->arrival, milliseconds(2));
  EXPECT_FALSE(sender.told(12)->received);
  EXPECT_FALSE(sender.told(13)->received);
  EXPECT_EQ(sender.told(14)->arrival - sender.told(11)->arrival, milliseconds(88));
}

TEST(Twcc, TellsALossAtTheBeginningOfTheNextPacket) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{65535}, kStart);
  sender.collect(recorder);
  recorder.on_packet(Seq{1}, kStart);
  sender.collect(recorder);
  EXPECT_TRUE(sender.told(65535)->received);
  EXPECT_FALSE(sender.told(65536)->received);
  EXPECT_TRUE(sender.told(65537)->received);
}

TEST(Twcc, CorrectsALossWhenThePacketComesLate) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{1}, kStart);
  recorder.on_packet(Seq{3}, kStart + milliseconds(10));
  sender.collect(recorder);
  EXPECT_FALSE(sender.told(2)->received);
  recorder.on_packet(Seq{2}, kStart + milliseconds(20));
  EXPECT_TRUE(recorder.pending());
  sender.collect(recorder);
  EXPECT_EQ(sender.told(2)->arrival - sender.told(1)->arrival, milliseconds(20));
  EXPECT_EQ(sender.told(3)->arrival - sender.told(1)->arrival, milliseconds(10));
}

TEST(Twcc, KeepsTheFirstArrivalOfADuplicate) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{1}, kStart);
  recorder.on_packet(Seq{1}, kStart + milliseconds(50));
  sender.collect(recorder);
  EXPECT_EQ(sender.told(1)->arrival, kStart.time_since_epoch());
  recorder.on_packet(Seq{1}, kStart + milliseconds(90));
  EXPECT_FALSE(recorder.pending());
}

TEST(Twcc, SplitsWhereArrivalsAreTooFarApart) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{1}, kStart);
  recorder.on_packet(Seq{2}, kStart + std::chrono::seconds(9));  // over 32,767 ticks
  EXPECT_EQ(sender.collect(recorder), 2);
  EXPECT_EQ(sender.told(2)->arrival - sender.told(1)->arrival, std::chrono::seconds(9));
}

TEST(Twcc, SplitsWhatDoesNotFit) {
  TwccRecorder recorder;
  Sender sender;
  for (std::uint16_t i = 0; i < 1000; ++i) {
    recorder.on_packet(Seq{i}, kStart + milliseconds(100) * (i % 2));  // two bytes a delta
  }
  EXPECT_GT(sender.collect(recorder, 200), 10);
  EXPECT_EQ(sender.count(), 1000U);
}

TEST(Twcc, TellsAGapWithinTheWindowAsLosses) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{0}, kStart);
  recorder.on_packet(Seq{2000}, kStart);
  EXPECT_EQ(sender.collect(recorder), 1);
  EXPECT_EQ(sender.count(), 2001U);
  EXPECT_EQ(recorder.untold(), 0U);
}

TEST(Twcc, CountsWhatAJumpBeyondTheWindowLeavesUntold) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{0}, kStart);
  recorder.on_packet(Seq{10000}, kStart);
  sender.collect(recorder);
  EXPECT_EQ(sender.count(), TwccRecorder::kWindow);
  EXPECT_EQ(recorder.untold(), 10001 - TwccRecorder::kWindow);
  recorder.on_packet(Seq{1}, kStart);
  EXPECT_EQ(recorder.untold(), 10002 - TwccRecorder::kWindow);
  EXPECT_FALSE(recorder.pending());
}

TEST(Twcc, WritesNothingIntoTooLittleRoom) {
  TwccRecorder recorder;
  recorder.on_packet(Seq{1}, kStart);
  WireBytes out(TwccRecorder::kMinSize - 1);
  EXPECT_EQ(recorder.build(Ssrc{1}, Ssrc{2}, out), 0U);
  EXPECT_TRUE(recorder.pending());
}

TEST(Twcc, ProgressesInTheLeastRoomThroughAnyGap) {
  TwccRecorder recorder;
  Sender sender;
  recorder.on_packet(Seq{0}, kStart);
  recorder.on_packet(Seq{1500}, kStart + milliseconds(200));
  sender.collect(recorder, TwccRecorder::kMinSize);
  EXPECT_EQ(sender.count(), 1501U);
  EXPECT_TRUE(sender.told(1500)->received);
}

// Random loss, reordering, pauses and feedback times: what the sender has heard in the end is what
// happened, whatever the packet sizes.
TEST(Twcc, TellsTheTruthOverAnyLink) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto chance = [&](double p) { return std::bernoulli_distribution(p)(random); };
    const double loss = std::uniform_real_distribution(0.0, 0.6)(random);
    const auto first = static_cast<std::uint16_t>(random());
    std::vector<std::pair<std::int64_t, std::int64_t>> arrivals;  // time in us, number
    std::int64_t sent_us = kStart.time_since_epoch().count();
    for (std::int64_t i = 0; i < 3000; ++i) {
      sent_us += static_cast<std::int64_t>(random() % 3000);
      if (chance(0.002)) sent_us += 9'000'000;
      if (chance(loss)) continue;
      arrivals.emplace_back(sent_us + static_cast<std::int64_t>(random() % 20'000), first + i);
    }
    std::sort(arrivals.begin(), arrivals.end());

    TwccRecorder recorder;
    Sender sender;
    std::map<std::int64_t, Time> truth;
    for (const auto& [at, number] : arrivals) {
      const Time when{Duration{at}};
      truth.try_emplace(number, when);
      recorder.on_packet(to_wire(ExtSeq{number}), when);
      if (chance(0.03)) sender.collect(recorder, 40 + random() % 1200);
    }
    sender.collect(recorder);
    ASSERT_EQ(recorder.untold(), 0U);
    for (std::int64_t i = truth.begin()->first; i <= truth.rbegin()->first; ++i) {
      const auto told = sender.told(i);
      ASSERT_TRUE(told) << "seed " << seed << " number " << i;
      const auto real = truth.find(i);
      ASSERT_EQ(told->received, real != truth.end()) << "seed " << seed << " number " << i;
      if (!told->received) continue;
      ASSERT_EQ(told->arrival, rounded(real->second)) << "seed " << seed << " number " << i;
    }
  }
}

// Base 5, seven statuses, reference 1 (64 ms), feedback 9; a two-bit vector, a run of two losses.
WireBytes small_feedback() {
  // small, lost, large, small, lost, lost, lost | deltas 4, -2, 1
  return {0, 5, 0, 9, 0, 0, 1, 9, 0xd2, 0x40, 0x00, 0x02, 4, 0xff, 0xfe, 1};
}

TEST(TwccFeedback, ReadsVectorsRunsAndNegativeDeltas) {
  const auto wire = small_feedback();
  const auto feedback = TwccFeedback::parse(wire);
  ASSERT_TRUE(feedback);
  EXPECT_EQ(feedback->base_seq(), Seq{5});
  EXPECT_EQ(feedback->status_count(), 9U);
  EXPECT_EQ(feedback->feedback_count(), 9);
  EXPECT_EQ(feedback->reference_time(), milliseconds(64));
  auto cursor = feedback->statuses();
  EXPECT_EQ(cursor.next()->arrival, milliseconds(65));
  EXPECT_FALSE(cursor.next()->received);
  const auto earlier = cursor.next();
  EXPECT_EQ(earlier->seq, Seq{7});
  EXPECT_EQ(earlier->arrival, std::chrono::microseconds(64'500));
  EXPECT_EQ(cursor.next()->arrival, std::chrono::microseconds(64'750));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(cursor.next()->received);
  EXPECT_FALSE(cursor.next());
}

TEST(TwccFeedback, ReadsOneBitVectorsAndANegativeReference) {
  // 1 0 then zeros: the 14 symbols outlast the two statuses.
  const WireBytes wire{0xff, 0xff, 0, 2, 0xff, 0xff, 0xff, 0, 0xa0, 0x00, 2};
  const auto feedback = TwccFeedback::parse(wire);
  ASSERT_TRUE(feedback);
  EXPECT_EQ(feedback->reference_time(), milliseconds(-64));
  auto cursor = feedback->statuses();
  EXPECT_TRUE(cursor.next()->received);
  const auto second = cursor.next();
  EXPECT_EQ(second->seq, Seq{0});
  EXPECT_FALSE(second->received);
}

TEST(TwccFeedback, RefusesEveryTruncation) {
  for_each_truncation(small_feedback(), [](const WireBytes& cut) {
    EXPECT_FALSE(TwccFeedback::parse(cut)) << cut.size();
  });
}

TEST(TwccFeedback, RefusesWhatIsNoFeedback) {
  const auto with_chunk = [](std::uint16_t count, std::uint16_t chunk) {
    return WireBytes{
        0, 5, static_cast<std::uint8_t>(count >> 8), static_cast<std::uint8_t>(count), 0, 0,
        0, 0, static_cast<std::uint8_t>(chunk >> 8), static_cast<std::uint8_t>(chunk)};
  };
  EXPECT_FALSE(TwccFeedback::parse(with_chunk(0, 0x0001))) << "no status";
  EXPECT_FALSE(TwccFeedback::parse(with_chunk(1, 0x0000))) << "an empty run";
  EXPECT_FALSE(TwccFeedback::parse(with_chunk(1, 0x6001))) << "a reserved symbol in a run";
  EXPECT_FALSE(TwccFeedback::parse(with_chunk(1, 0xf000))) << "a reserved symbol in a vector";
  EXPECT_TRUE(TwccFeedback::parse(with_chunk(1, 0x1fff))) << "a run may outlast the statuses";
  EXPECT_FALSE(TwccFeedback::parse(with_chunk(8193, 0x1fff))) << "over the limit";
}

}  // namespace
}  // namespace parley::rtp
