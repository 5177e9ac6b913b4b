#include "recorder/timeline.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/recorder/support.h"

namespace parley::recorder::test {
namespace {

using rtp::Duration;
using rtp::Time;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A publisher whose clocks drift, over a network that delays.
class Publisher {
 public:
  static constexpr Duration kDelay = milliseconds{40};

  Publisher(std::uint32_t rate, double drift, std::uint32_t first) noexcept
      : rate_(rate), drift_(drift), first_(first) {}
  // Of what is captured at this server time.
  [[nodiscard]] rtp::RtpTimestamp timestamp(Time captured) const noexcept {
    const double s = std::chrono::duration<double>(captured - kStart).count() * (1 + drift_);
    const auto ticks = static_cast<std::int64_t>(s * rate_ + 0.5);
    return rtp::RtpTimestamp{static_cast<std::uint32_t>(first_ + ticks) + jump_};
  }
  void jump(std::uint32_t ticks) noexcept { jump_ += ticks; }

 private:
  std::uint32_t rate_;
  double drift_;
  std::uint32_t first_;
  std::uint32_t jump_ = 0;
};

// Both tracks of a participant, 20 ms at a time.
struct Pair {
  Pair() : audio_publisher(48'000, 80e-6, 5), video_publisher(90'000, -60e-6, 0xffff'f000) {}

  // How far apart the two clocks put what was captured together.
  Duration step(Time captured) {
    std::uniform_int_distribution<int> jitter{0, 15'000};
    const Time audio_arrival = captured + Publisher::kDelay + Duration{jitter(random)};
    // The picture is encoded for longer.
    const Time video_arrival =
        captured + Publisher::kDelay + milliseconds{60} + Duration{jitter(random)};
    const Time a = audio.on_frame(audio_publisher.timestamp(captured), audio_arrival);
    const Time v = video.on_frame(video_publisher.timestamp(captured), video_arrival);
    error = std::max(error, std::chrono::abs(a - captured - Publisher::kDelay));
    EXPECT_GE(a, last);
    last = a;
    return std::chrono::abs(a - v);
  }
  void report(Time now, Duration ntp_ahead = {}) {
    report_audio(now, ntp_ahead);
    report_video(now, ntp_ahead);
  }
  void report_audio(Time now, Duration ntp_ahead = {}) {
    audio.on_report(ntp_at(now, ntp_ahead), audio_publisher.timestamp(now), now + arrival_delay());
  }
  void report_video(Time now, Duration ntp_ahead = {}) {
    video.on_report(ntp_at(now, ntp_ahead), video_publisher.timestamp(now), now + arrival_delay());
  }
  Duration arrival_delay() {
    return Publisher::kDelay + Duration{std::uniform_int_distribution<int>{0, 15'000}(random)};
  }

  std::mt19937 random{1};
  PublisherClock clock;
  TrackClock audio{clock, 48'000};
  TrackClock video{clock, 90'000};
  Publisher audio_publisher;
  Publisher video_publisher;
  Duration error{};
  Time last{};
};

TEST(Timeline, KeepsSoundAndPictureTogetherForEightHours) {
  Pair pair;
  Duration worst{};
  Time next_report = kStart + seconds{1};
  for (Time t = kStart; t < kStart + hours{8}; t += milliseconds{100}) {
    if (t >= next_report) {
      pair.report(t);
      next_report += seconds{5};
    }
    const Duration apart = pair.step(t);
    if (t > kStart + seconds{10}) worst = std::max(worst, apart);
  }
  EXPECT_LT(worst, milliseconds{40});
  EXPECT_LT(pair.error, milliseconds{100});  // of the whole time line, after eight hours
  EXPECT_EQ(pair.audio.jumps() + pair.video.jumps(), 0U);
}

TEST(Timeline, FollowsArrivalWhenThereAreNoReports) {
  Pair pair;
  Duration worst{};
  for (Time t = kStart; t < kStart + hours{8}; t += milliseconds{100}) {
    worst = std::max(worst, pair.step(t));
  }
  EXPECT_LT(worst, milliseconds{150});  // the picture's longer way cannot be known
  EXPECT_LT(pair.error, milliseconds{100});
}

TEST(Timeline, DoesNotNoticeThatThePublishersClockIsSet) {
  for (const Duration by :
       {Duration{seconds{3'600}}, Duration{seconds{-5}}, Duration{seconds{2}},
        Duration{milliseconds{300}}, Duration{milliseconds{-300}}, Duration{milliseconds{-60}}}) {
    Pair pair;
    Duration worst{};
    for (int i = 0; i < 600; ++i) {
      const Time t = kStart + milliseconds{100} * i;
      // The two tracks report at different moments; in between one knows and the other does not.
      const Duration ahead = i < 200 ? Duration{} : by;
      if (i % 50 == 10) pair.report_audio(t, ahead);
      if (i % 50 == 40) pair.report_video(t, ahead);
      const Duration apart = pair.step(t);
      if (i > 100) worst = std::max(worst, apart);
    }
    EXPECT_LT(worst, milliseconds{40});
    EXPECT_EQ(pair.audio.jumps() + pair.video.jumps(), 0U);
    EXPECT_LT(pair.error, milliseconds{100});
  }
}

TEST(Timeline, IsRightAtOnceAfterAnHourOfSilence) {
  Pair pair;
  Duration worst{};
  const auto silent = [](Time t) { return t > kStart + minutes{2} && t < kStart + minutes{62}; };
  for (Time t = kStart; t < kStart + minutes{64}; t += milliseconds{100}) {
    if ((t - kStart) % seconds{5} == Duration{}) pair.report(t);
    if (silent(t)) {
      static_cast<void>(
          pair.video.on_frame(pair.video_publisher.timestamp(t), t + seconds{1} / 10));
      continue;
    }
    const Duration apart = pair.step(t);
    if (t > kStart + seconds{10}) worst = std::max(worst, apart);
  }
  EXPECT_LT(worst, milliseconds{40});
}

TEST(Timeline, FollowsASendersClockThatStoodStillWithTheNextReport) {
  for (const unsigned ms : {100U, 300U, 1'000U, 2'500U}) {
    Pair pair;
    Duration worst{};
    for (int i = 0; i < 600; ++i) {
      const Time t = kStart + milliseconds{100} * i;
      if (i == 300) pair.audio_publisher.jump(0U - 48U * ms);
      if (i % 50 == 10) pair.report_video(t);
      if (i % 50 == 40) pair.report_audio(t);
      const Duration apart = pair.step(t);
      if (i > 400) worst = std::max(worst, apart);
    }
    EXPECT_LT(worst, milliseconds{40}) << ms;
  }
}

// Some senders put the timestamp of their last frame into a report, however old that is.
TEST(Timeline, IsNotMovedByReportsOfOldFrames) {
  Pair pair;
  Duration worst{};
  for (int i = 0; i < 600; ++i) {
    const Time t = kStart + milliseconds{100} * i;
    if (i % 50 == 10) pair.report_audio(t);
    if (i % 50 == 20) {
      const Time frame = t - milliseconds{i % 100 == 20 ? 1 : 700};
      pair.video.on_report(ntp_at(t), pair.video_publisher.timestamp(frame),
                           t + pair.arrival_delay());
    }
    const Duration apart = pair.step(t);
    if (i > 100) worst = std::max(worst, apart);
  }
  EXPECT_LT(worst, milliseconds{40});
  EXPECT_EQ(pair.video.jumps(), 0U);
}

TEST(Timeline, StaysOnTheWallWhenTimestampsJump) {
  for (const std::uint32_t by : {48'000U * 3'600U, 0U - 48'000U * 3'600U, 0x7000'0000U}) {
    Pair pair;
    for (int i = 0; i < 600; ++i) {
      const Time t = kStart + milliseconds{100} * i;
      if (i == 300) pair.audio_publisher.jump(by);
      if (i % 20 == 10) pair.report(t);
      pair.step(t);
    }
    EXPECT_EQ(pair.audio.jumps(), 1U);
    EXPECT_LT(pair.error, milliseconds{150});
  }
}

TEST(Timeline, GoesOnWhereASenderPausedItsClock) {
  PublisherClock clock;
  TrackClock audio{clock, 48'000};
  std::uint32_t timestamp = 0;
  Time now = kStart;
  Time at{};
  for (int i = 0; i < 500; ++i, now += kFrame20, timestamp += 960) {
    at = audio.on_frame(rtp::RtpTimestamp{timestamp}, now);
  }
  now += minutes{1};  // a telephone call; the timestamps did not go on
  for (int i = 0; i < 500; ++i, now += kFrame20, timestamp += 960) {
    at = audio.on_frame(rtp::RtpTimestamp{timestamp}, now);
  }
  EXPECT_LT(std::chrono::abs(at - (now - kFrame20)), milliseconds{100});
}

TEST(Timeline, IsNotMovedByANetworkThatStallsAndCatchesUp) {
  PublisherClock clock;
  TrackClock audio{clock, 48'000};
  Duration worst{};
  for (int i = 0; i < 1'000; ++i) {
    const Time sent = kStart + kFrame20 * i;
    const Time stall_end = kStart + seconds{14};
    const Time arrival = sent > kStart + seconds{10} ? std::max(sent, stall_end) : sent;
    const Time at = audio.on_frame(rtp::RtpTimestamp{static_cast<std::uint32_t>(i) * 960},
                                   arrival + milliseconds{20});
    worst = std::max(worst, std::chrono::abs(at - sent - milliseconds{20}));
  }
  EXPECT_LT(worst, milliseconds{60});
  EXPECT_EQ(audio.jumps(), 0U);
}

TEST(Timeline, NeverRunsBackwards) {
  std::mt19937 random{3};
  for (int seed = 0; seed < 200; ++seed) {
    PublisherClock clock;
    TrackClock track{clock, 90'000};
    Time now = kStart;
    Time last{};
    for (int i = 0; i < 300; ++i) {
      now += Duration{random() % 50'000};
      if (random() % 5 == 0) {
        track.on_report(rtp::NtpTime{random() * 0x1'0000'0001ULL},
                        rtp::RtpTimestamp{static_cast<std::uint32_t>(random())}, now);
      }
      const auto wild = static_cast<std::uint32_t>(random());
      const Time at = track.on_frame(
          rtp::RtpTimestamp{random() % 3 == 0 ? wild : static_cast<std::uint32_t>(i) * 3'000}, now);
      EXPECT_GT(at, last);
      EXPECT_LT(at, now + seconds{1});
      last = at;
    }
  }
}

}  // namespace
}  // namespace parley::recorder::test
