#include "rtp/link_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include <gtest/gtest.h>

#include "tests/sim/network.h"

namespace parley::rtp {
namespace {

constexpr std::int64_t kMs = 1'000;
constexpr std::int64_t kPicture = 33'333;

// Pictures of about a size, 30 a second, whose packets are sent at once, and sound between them,
// through a link with a queue.
class Road {
 public:
  explicit Road(double bps, std::uint64_t seed = 7) : rate(bps), dice_(seed) {}

  LinkModel model;
  std::int64_t now = 1'000 * kMs;
  double rate;
  std::int64_t jitter = 0;
  std::int64_t longer = 0;
  double drift = 0;         // of the receiver's clock
  double other = 0;         // bits per second of another's flow
  std::int64_t bucket = 0;  // bytes that pass at once

  void run(std::int64_t length, double video, bool audio = true) {
    for (const std::int64_t end = now + length; now < end; now += kMs) {
      if (other > 0 && now >= next_other_) {
        next_other_ = now + std::llround(1'200 * 8e6 / other);
        occupy(1'200);
      }
      if (audio && now % (20 * kMs) == 0) send(140);
      if (now < next_picture_) continue;
      next_picture_ = now + kPicture;
      const double scale = 0.7 + 0.6 * static_cast<double>(dice_.below(1'000)) / 1'000;
      for (auto left = std::llround(video / 240 * scale); left > 0; left -= 1'160) {
        send(std::min<std::int64_t>(left, 1'160));
      }
    }
  }

 private:
  void occupy(std::int64_t bytes) {
    free_ = std::max(free_, static_cast<double>(now)) + static_cast<double>(bytes) * 8e6 / rate;
  }
  void send(std::int64_t bytes) {
    tokens_ = std::min(static_cast<double>(bucket),
                       tokens_ + static_cast<double>(now - filled_) * rate / 8e6);
    filled_ = now;
    if (tokens_ >= static_cast<double>(bytes)) {
      tokens_ -= static_cast<double>(bytes);
    } else {
      occupy(bytes);
    }
    double at = std::max(free_, static_cast<double>(now)) + 30e3 + static_cast<double>(longer);
    if (jitter > 0) at += static_cast<double>(dice_.below(static_cast<std::uint64_t>(jitter)));
    last_ = std::max(last_, at);
    const auto arrived = std::llround(last_ * (1 + drift) / 250) * 250 + 77'000'000;
    model.on_packet(now, static_cast<std::uint32_t>(bytes), arrived - now);
  }

  sim::Dice dice_;
  double free_ = 0;
  double last_ = 0;
  double tokens_ = 0;
  std::int64_t filled_ = 0;
  std::int64_t next_picture_ = 0;
  std::int64_t next_other_ = 0;
};

TEST(LinkModel, KnowsALinkThatIsNotFullFromWhatWaitsInIt) {
  for (const double link : {1e6, 2e6, 5e6}) {
    for (const double load : {0.45, 0.6, 0.75, 0.85}) {
      SCOPED_TRACE(testing::Message() << link << " " << load);
      Road road(link);
      road.run(1'000 * kMs, link * load - 56e3);
      for (int i = 0; i < 50; ++i) {
        road.run(60 * kMs, link * load - 56e3);
        const auto fit = road.model.fit();
        ASSERT_TRUE(fit);
        EXPECT_NEAR(fit->rate, link, link * 0.05);
        EXPECT_LT(fit->doubt, 0.03);
        EXPECT_NEAR(fit->load, load, 0.25);
      }
    }
  }
}

// A queue grows there, slowly, and drains.
TEST(LinkModel, IsNotMistakenInALinkThatIsAlmostFull) {
  int known = 0;
  for (const double load : {0.7, 0.8, 0.85, 0.94, 0.97, 1.0}) {
    for (const std::uint64_t seed : {7U, 8U, 9U}) {
      SCOPED_TRACE(testing::Message() << load << " " << seed);
      Road road(1.7e6, seed);
      road.run(1'000 * kMs, 1.2e6);
      for (int i = 0; i < 200; ++i) {
        road.run(60 * kMs, 1.7e6 * (load + 0.15 * std::sin(i / 6.0)) - 56e3);
        const auto fit = road.model.fit();
        if (!fit) continue;
        ++known;
        EXPECT_NEAR(fit->rate, 1.7e6, 1.7e6 * 0.05);
      }
    }
  }
  EXPECT_GT(known, 3'300) << "of 3,600";
}

// From what it was it changes to each of `links`, and is known so soon.
void expect_followed(double from, std::initializer_list<double> links, std::int64_t soon) {
  Road road(from);
  road.run(2'000 * kMs, 700e3);
  for (const double link : links) {
    road.rate = link;
    road.run(soon, 700e3);
    const auto fit = road.model.fit();
    ASSERT_TRUE(fit) << link;
    EXPECT_NEAR(fit->rate, link, link * 0.05);
  }
}

TEST(LinkModel, FollowsALinkThatChangesWithinItsWindow) {
  expect_followed(2e6, {1.1e6, 1.8e6, 2.2e6, 1.2e6}, 450 * kMs);
}

TEST(LinkModel, FollowsAQuietLinkWithinTheShortOne) {
  for (const double link : {1.1e6, 2.2e6, 1.4e6}) expect_followed(1.7e6, {link}, 250 * kMs);
}

// So that the next layer, which takes three to four times as much, needs no probe.
TEST(LinkModel, KnowsALinkOfFourTimesWhatIsSent) {
  int known = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Road road(1e6, seed);
    road.run(1'000 * kMs, 1e6 / 4 - 56e3);
    for (int i = 0; i < 50; ++i) {
      road.run(60 * kMs, 1e6 / 4 - 56e3);
      const auto fit = road.model.fit();
      if (!fit) continue;
      ++known;
      EXPECT_NEAR(fit->rate, 1e6, 1e6 * 0.05);
    }
  }
  EXPECT_GT(known, 225) << "of 250";
}

TEST(LinkModel, DoesNotKnowWhatIsFarAway) {
  Road fast(20e6);
  fast.run(2'000 * kMs, 1.5e6);
  EXPECT_FALSE(fast.model.fit()) << "more than was tried";
  Road idle(1e9);
  idle.run(2'000 * kMs, 1.5e6);
  EXPECT_FALSE(idle.model.fit()) << "nothing waits";
  Road silent(1e6);
  silent.run(2'000 * kMs, 0);
  EXPECT_FALSE(silent.model.fit()) << "sound alone";
}

TEST(LinkModel, DoesNotKnowALinkWhoseBucketLetsBurstsPass) {
  Road road(2e6);
  road.bucket = 20'000;
  road.run(1'000 * kMs, 1e6);
  for (int i = 0; i < 50; ++i) {
    road.run(60 * kMs, 1e6);
    EXPECT_FALSE(road.model.fit());
  }
}

TEST(LinkModel, NeedsAWhileAfterAPause) {
  Road road(1e6);
  road.run(1'000 * kMs, 600e3);
  ASSERT_TRUE(road.model.fit());
  road.now += 400 * kMs;
  road.run(100 * kMs, 600e3);
  EXPECT_FALSE(road.model.fit());
  road.run(200 * kMs, 600e3);
  EXPECT_TRUE(road.model.fit());
}

TEST(LinkModel, MindsNeitherALongerWayNorAnotherClock) {
  Road road(2e6);
  road.now = (std::int64_t{1} << 32) - 3'000 * kMs;  // a low half that wraps
  road.drift = 500e-6;
  road.run(1'000 * kMs, 1.5e6);
  road.longer = 250 * kMs;
  for (int i = 0; i < 10; ++i) {  // as long as it sees the step it must not be sure of nonsense
    road.run(60 * kMs, 1.5e6);
    const auto fit = road.model.fit();
    if (!fit) continue;
    EXPECT_NEAR(fit->rate, 2e6, 2e6 * std::max(0.1, 4 * fit->doubt)) << i;
  }
  for (int i = 0; i < 50; ++i) {
    road.run(60 * kMs, 1.5e6);
    const auto fit = road.model.fit();
    ASSERT_TRUE(fit) << i;
    EXPECT_NEAR(fit->rate, 2e6, 2e6 * 0.05);
  }
}

// Packets overtake nothing, so jitter makes those of a burst come together, and later: the link
// looks somewhat slower than it is.
TEST(LinkModel, IsNearWhereThereIsJitterAndSaysThatItIsUnsure) {
  int looks = 0;
  int known = 0;
  int near = 0;
  double rate = 0;
  double doubt = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Road road(2e6, seed);
    road.jitter = 20 * kMs;
    road.run(1'000 * kMs, 1.5e6);
    for (int i = 0; i < 20; ++i, ++looks) {
      road.run(400 * kMs, 1.5e6);
      const auto fit = road.model.fit();
      if (!fit) continue;
      ++known;
      rate += fit->rate;
      doubt += fit->doubt;
      if (std::abs(fit->rate / 2e6 - 1) < 0.15) ++near;
    }
  }
  ASSERT_GT(known, looks * 8 / 10);
  EXPECT_GT(near, known * 9 / 10);
  EXPECT_NEAR(rate / known / 2e6, 0.97, 0.04);
  EXPECT_GT(doubt / known, 0.015);
}

// What is left beside another's flow, or a little more: their packets stand between ours.
TEST(LinkModel, SeesLessBesideAnother) {
  Road road(2e6);
  road.other = 1e6;
  road.run(1'000 * kMs, 600e3);
  for (int i = 0; i < 50; ++i) {
    road.run(60 * kMs, 600e3);
    const auto fit = road.model.fit();
    if (!fit) continue;
    EXPECT_GT(fit->rate, 0.7e6);
    EXPECT_LT(fit->rate, 2.05e6);
  }
}

// Where little is sent and much of another's, it seems to fit a link that is not there.
TEST(LinkModel, MustBeSurerOfALinkThatIsFarAway) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Road road(2e6, seed);
    road.other = 1.2e6;
    road.run(1'000 * kMs, 550e3);
    for (int i = 0; i < 100; ++i) {
      road.run(60 * kMs, 550e3);
      const auto fit = road.model.fit();
      EXPECT_LT(fit ? fit->rate : 0, 2.05e6) << seed;
    }
  }
}

}  // namespace
}  // namespace parley::rtp
