#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>

#include <gtest/gtest.h>

extern "C" {
#include <libavformat/avformat.h>
}

#include "recorder/muxer.h"
#include "rtp/packet.h"
#include "tests/recorder/support.h"

// Calls by chance: everything that happens to media on its way, by a seed, and what comes of it
// must be files that open, whose time goes on, and that are as long as the call was.
namespace parley::recorder::test {
namespace {

using std::chrono::milliseconds;
using Random = std::mt19937;

constexpr int kScripts = 120;
constexpr int kLongScripts = 10'000;
constexpr rtp::Duration kTolerance = milliseconds(700);

bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }
milliseconds between(Random& random, int from, int to) {
  return milliseconds(from + static_cast<int>(random() % static_cast<unsigned>(to - from)));
}

// Those that take media away or move it within what its receiver waits for: the file's time holds.
Script shaken(Script script, Random& random, rtp::Duration length) {
  if (chance(random, 40)) {
    constexpr unsigned kPercents[] = {5, 20, 50};
    script = lossy(std::move(script), kPercents[random() % 3], static_cast<unsigned>(random()));
  }
  if (chance(random, 30)) {
    const rtp::Time from =
        kStart + between(random, 500, static_cast<int>(length / milliseconds(1)) - 1'500);
    script = without(std::move(script), from, from + between(random, 100, 1'000));
  }
  if (chance(random, 30)) {  // some come twice
    Script twice;
    for (const Event& event : script) {
      twice.push_back(event);
      if (chance(random, 5)) twice.push_back(event);
    }
    script = std::move(twice);
  }
  if (chance(random, 30)) {  // some come late, behind others
    for (Event& event : script) {
      if (chance(random, 5)) event.record.arrival += between(random, 1, 60);
    }
    std::stable_sort(script.begin(), script.end(), [](const Event& a, const Event& b) {
      return a.record.arrival < b.record.arrival;
    });
  }
  return script;
}

// Those that nobody sends who means well.
void spoil(Script& script, Random& random) {
  for (Event& event : script) {
    if (event.bytes.size() < 20 || !chance(random, 3)) continue;
    switch (random() % 3) {
      case 0:
        event.bytes.resize(12 + random() % (event.bytes.size() - 12));
        break;
      case 1:
        event.bytes[12 + random() % (event.bytes.size() - 12)] ^=
            static_cast<std::uint8_t>(1U << (random() % 8));
        break;
      default:
        if (auto packet = rtp::Packet::parse(event.bytes)) {
          packet->set_timestamp(rtp::RtpTimestamp{static_cast<std::uint32_t>(random())});
        }
    }
  }
}

struct CloseInput {
  void operator()(AVFormatContext* input) const noexcept { avformat_close_input(&input); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};

// What is wrong with a file; empty: nothing.
std::string problem_of(const Studio::File& file) {
  AVFormatContext* opened = nullptr;
  if (avformat_open_input(&opened, file.path.c_str(), nullptr, nullptr) < 0) return "does not open";
  const std::unique_ptr<AVFormatContext, CloseInput> input(opened);
  if (input->nb_streams != file.info.codecs.size()) return "has other streams than it says";
  const std::unique_ptr<AVPacket, FreePacket> packet(av_packet_alloc());
  std::vector<std::optional<std::int64_t>> last(input->nb_streams);
  std::size_t packets = 0;
  std::int64_t ms = 0;  // the header of a fragmented file does not say
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    auto& before = last[static_cast<std::size_t>(packet->stream_index)];
    const std::int64_t now = packet->pts;
    const AVRational tick = input->streams[packet->stream_index]->time_base;
    ms = std::max(ms, av_rescale_q(now + packet->duration, tick, {1, 1'000}));
    av_packet_unref(packet.get());
    if (before && now < *before) return "its time runs backwards";
    before = now;
    ++packets;
  }
  if (packets == 0) return "is empty";
  if (std::abs(ms - file.info.duration_ms) > 500) {
    return "is " + std::to_string(ms) + " ms long, not " + std::to_string(file.info.duration_ms);
  }
  return "";
}

TEST(RtpScripts, GiveFilesAsLongAsTheCallWhateverHappened) {
  silence_ffmpeg();
  const int count = std::getenv("PARLEY_LONG") != nullptr ? kLongScripts : kScripts;
  for (int seed = 0; seed < count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(static_cast<unsigned>(seed));
    const rtp::Duration length = between(random, 3'000, 7'000);
    const VideoSource sources[] = {vp8_source(), h264_source(), vp9_source(), av1_source()};
    const VideoSource source = sources[random() % 4];
    const auto timestamp = static_cast<std::uint32_t>(random());  // it may wrap on the way
    Script picture = video(source, kStart, kStart + length, timestamp);
    Script sound =
        audio(kStart, kStart + length, timestamp + 77, static_cast<std::uint16_t>(random()));
    const bool reports = chance(random, 70);
    if (reports) picture = with_reports(std::move(picture), 90'000, between(random, 10, 200));
    if (reports) sound = with_reports(std::move(sound), 48'000, between(random, 10, 200));
    picture = shaken(std::move(picture), random, length);
    sound = shaken(std::move(sound), random, length);
    const bool spoilt = chance(random, 25);
    if (spoilt) spoil(picture, random);
    if (spoilt) spoil(sound, random);

    const TemporaryFolder folder;
    Studio studio{folder.path()};
    studio.add(camera(), std::move(picture));
    studio.add(microphone(), std::move(sound));
    studio.run();
    rtp::Duration end{};
    for (const Studio::File& file : studio.files()) {
      EXPECT_EQ(problem_of(file), "") << file.path.filename();
      end = std::max<rtp::Duration>(end, milliseconds(file.info.offset_ms + file.info.duration_ms));
    }
    ASSERT_FALSE(studio.files().empty());
    EXPECT_LT(end, length + kTolerance);
    if (!spoilt) {
      EXPECT_GT(end, length - kTolerance - milliseconds(1'000));
    }
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace parley::recorder::test
