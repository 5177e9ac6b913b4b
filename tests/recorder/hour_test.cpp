// Calls of an hour over a bad network, of a publisher whose clocks drift and are set, as files.
// Each packet carries the moment of its capture into the file: what the file says of a moment is
// compared for sound and picture, packet by packet.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "recorder/compose/av.h"
#include "recorder/muxer.h"
#include "rtp/bytes.h"
#include "tests/recorder/support.h"

namespace parley::recorder::test {
namespace {

using rtp::Duration;
using rtp::Time;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Random = std::mt19937;

constexpr Duration kWay = milliseconds(40);       // from the publisher to us, at least
constexpr Duration kEncoding = milliseconds(60);  // so much later the picture sets off
constexpr Duration kNumberUnit{10};               // 32 bits of it are eleven hours
constexpr double kSoundDrift = 80e-6;
constexpr double kPictureDrift = -60e-6;
constexpr double kWallDrift = 30e-6;
constexpr Duration kMostApart = milliseconds(40);
constexpr Duration kMostOff = milliseconds(500);

Duration between(Random& random, Duration from, Duration to) {
  return Duration(std::uniform_int_distribution<std::int64_t>(from.count(), to.count())(random));
}

// For a while these do not come.
struct Missing {
  Time from{};
  Time until{};
  bool sound = false;
  bool picture = false;
  bool reports = false;
  bool muted = false;  // and the publisher says so
  [[nodiscard]] bool covers(Time time) const noexcept { return time >= from && time < until; }
};
// The publisher's wall clock is set, by more than the network's jitter: less could as well be his
// microphone's clock.
struct ClockSet {
  Time at{};
  Duration by{};
};
struct Weather {
  Duration length{};
  Duration jitter{};
  Duration picture_interval{33'333};
  unsigned lost_percent = 2;
  std::vector<Missing> missing{};  // one after the other
  std::vector<ClockSet> clock_sets{};
};

enum class Trouble : std::uint8_t { Mute, NoSound, NoPicture, Nothing, NoReports, ClockIsSet };

// Without reports only the clocks' drift remains, and no file can know it: 140 ppm between sound
// and picture make 17 ms in two minutes.
constexpr Duration kMostBlind = minutes(2);

Missing missing_for(Trouble trouble, Time from, Duration lasts) {
  Missing missing{from, from + lasts};
  missing.muted = trouble == Trouble::Mute;
  missing.sound = trouble == Trouble::NoSound || trouble == Trouble::Nothing;
  missing.picture = trouble == Trouble::NoPicture || trouble == Trouble::Nothing;
  missing.reports = trouble == Trouble::NoReports || trouble == Trouble::Nothing;
  return missing;
}

// Something happens every `calm` or two; the first thing is a mute of `longest_mute`.
Weather weather_of(Random& random, Duration length, Duration calm, Duration longest_mute) {
  Weather weather{length, between(random, milliseconds(15), milliseconds(60))};
  Time at = kStart + seconds(12);
  for (bool first = true;; first = false) {
    at += between(random, calm, 2 * calm);
    const auto trouble = first ? Trouble::Mute : static_cast<Trouble>(random() % 6);
    Duration lasts = between(random, milliseconds(100), seconds(10));
    if (trouble == Trouble::Mute || trouble == Trouble::NoReports) {
      lasts = between(random, calm, std::min(4 * calm, kMostBlind));
    }
    if (trouble == Trouble::ClockIsSet) lasts = {};
    if (first) lasts = longest_mute;
    if (at + lasts + calm > kStart + length) return weather;
    weather.missing.push_back(missing_for(trouble, at, lasts));
    if (trouble == Trouble::Mute && !first) weather.missing.back().reports = random() % 2 == 0;
    if (trouble == Trouble::ClockIsSet) {
      const Duration by = between(random, milliseconds(100), seconds(2));
      weather.clock_sets.push_back({at, random() % 2 == 0 ? by : -by});
    }
    at += lasts;
  }
}

// Makes a track's packets, each frame with the number of its capture behind its bytes.
class Source {
 public:
  Source(rtp::MediaKind kind, double drift, std::uint32_t first) noexcept
      : kind_(kind), drift_(drift), first_(first) {}

  [[nodiscard]] rtp::RtpTimestamp timestamp(Time captured) const noexcept {
    const double rate = kind_ == rtp::MediaKind::Audio ? 48'000 : 90'000;
    const double s = std::chrono::duration<double>(captured - kStart).count() * (1 + drift_);
    return rtp::RtpTimestamp{first_ + static_cast<std::uint32_t>(std::llround(s * rate))};
  }
  [[nodiscard]] std::vector<Event> frame(Time captured, bool key) {
    std::vector<std::uint8_t> bytes{0xf8};  // Opus, one frame of 20 ms
    if (kind_ == rtp::MediaKind::Video) bytes = vp8(key);
    bytes.resize(bytes.size() + 4);
    rtp::store32(bytes, bytes.size() - 4,
                 static_cast<std::uint32_t>((captured - kStart) / kNumberUnit));
    std::vector<Event> packets;
    const std::size_t most = key ? 100 : 6;  // bytes in a packet: other pictures have two
    for (std::size_t at = 0; at < bytes.size(); at += most) {
      const std::size_t end = std::min(at + most, bytes.size());
      packets.push_back(
          packet(captured, at == 0, end == bytes.size(), {bytes.data() + at, bytes.data() + end}));
    }
    return packets;
  }
  // Of a frame, by its number: each lasts as long as the clock that drifts says.
  [[nodiscard]] Time frame_time(std::int64_t number, Duration interval) const noexcept {
    const double us = static_cast<double>(number * interval.count()) / (1 + drift_);
    return kStart + Duration(std::llround(us));
  }
  [[nodiscard]] static bool is_key_frame(rtp::ConstBytes packet) noexcept {
    return packet[12] == 0x10 && (packet[13] & 1U) == 0;
  }
  [[nodiscard]] Event report(Time now, Duration wall_ahead) const {
    Event event = mark(rtp::Tap::Kind::SenderReport, now);
    const double drifted = static_cast<double>((now - kStart).count()) * kWallDrift;
    event.record.ntp = ntp_at(now, wall_ahead + Duration(std::llround(drifted)));
    event.record.timestamp = timestamp(now);
    return event;
  }

 private:
  // A frame tag, in a key frame with start code, width and height, and something to see.
  static std::vector<std::uint8_t> vp8(bool key) {
    if (!key) return {0x11, 0, 0, 1, 2, 3};
    std::vector<std::uint8_t> bytes{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
    bytes.resize(26, 0x55);
    return bytes;
  }
  [[nodiscard]] Event packet(Time captured, bool first, bool last,
                             std::vector<std::uint8_t> payload) {
    Event event = mark(rtp::Tap::Kind::Rtp, captured);
    const bool picture = kind_ == rtp::MediaKind::Video;
    event.record.codec = picture ? rtp::Codec::Vp8 : rtp::Codec::Opus;
    event.bytes.resize(12);
    event.bytes[0] = 0x80;
    event.bytes[1] = static_cast<std::uint8_t>(picture ? 96U | (last ? 0x80U : 0U) : 111U);
    rtp::store16(event.bytes, 2, seq_++);
    rtp::store32(event.bytes, 4, timestamp(captured).value);
    rtp::store32(event.bytes, 8, picture ? 2 : 1);
    if (picture) event.bytes.push_back(first ? 0x10 : 0x00);  // RFC 7741: the start of a partition
    event.bytes.insert(event.bytes.end(), payload.begin(), payload.end());
    return event;
  }

  rtp::MediaKind kind_;
  double drift_;
  std::uint32_t first_;
  std::uint16_t seq_ = 65'000;
};

// The publisher, the network and the recording, ten milliseconds at a time.
class Call {
 public:
  Call(const Weather& weather, Random& random, const std::filesystem::path& folder)
      : weather_(weather), random_(random), folder_(folder) {
    // The numbers wrap on the way, at different moments.
    const auto wraps_within = [&](double rate) {
      const double s = std::chrono::duration<double>(weather.length).count();
      return 0U - static_cast<std::uint32_t>(s * rate * (0.2 + 0.6 * unit(random_)));
    };
    add({microphone(), Source{rtp::MediaKind::Audio, kSoundDrift, wraps_within(48'000)}, kFrame20,
         Duration{}});
    add({camera(), Source{rtp::MediaKind::Video, kPictureDrift, wraps_within(90'000)},
         weather.picture_interval, kEncoding});
    output_.open = [this](const RecordedFile& file) { open(file); };
    output_.header = [](const std::string&) {};
    output_.bytes = [this](const std::string&, std::uint64_t place, rtp::ConstBytes bytes) {
      out_.seekp(static_cast<std::streamoff>(place));
      out_.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    };
    output_.boundary = [](const std::string&, Duration) {};
    output_.gap = [](const std::string&, const Gap&) {};
    output_.close = [this](const std::string&, Duration duration) {
      files_.back().duration_ms = to_ms(duration);
      out_.close();
    };
  }

  void run() {
    ParticipantRecording recording{kStart, tracks_.front().info, output_, std::chrono::seconds{10}};
    for (const Track& track : tracks_) recording.add_track(track.info, track.tap);
    const Time end = kStart + weather_.length;
    for (Time now = kStart; now < end + seconds(1); now += milliseconds(10)) {
      for (Track& track : tracks_) {
        if (now < end) send(track, now);
        for (; !track.on_way.empty() && track.on_way.begin()->first <= now;
             track.on_way.erase(track.on_way.begin())) {
          if (admits(track, track.on_way.begin()->second)) {
            push(*track.tap, track.on_way.begin()->second);
          }
        }
      }
      recording.drain();
    }
    recording.finish();
  }
  [[nodiscard]] const std::vector<RecordedFile>& files() const noexcept { return files_; }

 private:
  struct Track {
    TrackInfo info;
    Source source;
    Duration interval{};
    Duration later{};  // on its way, than the reports
    Time next = kStart;
    std::int64_t count = 0;
    Time next_report = kStart + milliseconds(700);
    bool key_wanted = true;
    bool muted = false;
    bool seen = false;
    std::shared_ptr<rtp::Tap> tap = make_tap(1U << 20U);
    std::multimap<Time, Event> on_way{};  // by arrival
  };

  static double unit(Random& random) { return std::uniform_real_distribution<double>()(random); }
  void add(Track track) { tracks_.push_back(std::move(track)); }
  void open(const RecordedFile& file) {
    files_.push_back(file);
    out_.open(folder_ / file.name, std::ios::binary);
  }

  [[nodiscard]] Missing missing_at(Time now) {
    while (past_ < weather_.missing.size() && weather_.missing[past_].until <= now) ++past_;
    const bool some = past_ < weather_.missing.size() && weather_.missing[past_].covers(now);
    return some ? weather_.missing[past_] : Missing{};
  }
  [[nodiscard]] Duration wall_ahead(Time now) const {
    Duration ahead{};
    for (const ClockSet& set : weather_.clock_sets) ahead += set.at <= now ? set.by : Duration{};
    return ahead;
  }

  void send(Track& track, Time now) {
    const bool sound = track.info.kind == rtp::MediaKind::Audio;
    const Missing missing = missing_at(now);
    if (sound && track.muted != missing.muted) {
      track.muted = missing.muted;
      on_its_way(track, mark(missing.muted ? rtp::Tap::Kind::Muted : rtp::Tap::Kind::Unmuted, now));
    }
    for (; track.next <= now; track.next = track.source.frame_time(++track.count, track.interval)) {
      track.key_wanted = track.tap->take_key_frame_request() || track.key_wanted || !track.seen;
      if (sound && missing.muted) continue;
      const bool key = std::exchange(track.key_wanted, false);
      const bool lost = sound ? missing.sound : missing.picture;
      for (Event& packet : track.source.frame(track.next, key && !sound)) {
        if (!lost) send_packet(track, std::move(packet), sound);
      }
    }
    if (track.next_report > now) return;
    track.next_report = now + between(random_, seconds(1), seconds(5));
    if (!missing.reports) on_its_way(track, track.source.report(now, wall_ahead(now)));
  }
  // As the server does: no picture before the first key frame, which is asked for until it comes.
  [[nodiscard]] static bool admits(Track& track, const Event& event) {
    const bool picture = event.record.codec == rtp::Codec::Vp8 && !event.bytes.empty();
    if (picture && Source::is_key_frame(event.bytes)) track.seen = true;
    return track.seen || !picture;
  }
  // Of the picture nine of ten that are lost are sent again.
  void send_packet(Track& track, Event packet, bool sound) {
    packet.record.arrival += track.later;
    if (random_() % 100 < weather_.lost_percent) {
      if (sound || random_() % 10 == 0) return;
      packet.record.arrival += milliseconds(100);
    }
    on_its_way(track, std::move(packet));
  }
  void on_its_way(Track& track, Event event) {
    event.record.arrival += kWay + between(random_, Duration{}, weather_.jitter);
    const Time arrival = event.record.arrival;
    track.on_way.emplace(arrival, std::move(event));
  }

  const Weather& weather_;
  Random& random_;
  std::filesystem::path folder_;
  ParticipantRecording::Output output_;
  std::ofstream out_;
  std::vector<RecordedFile> files_;
  std::vector<Track> tracks_;
  std::size_t past_ = 0;  // of what is missing
};

// What a file says of a moment: how long after its capture it stands, on the recording's time line.
struct Placed {
  Duration captured{};
  Duration late{};
};
struct Placing {
  std::array<std::vector<Placed>, kStreams> of;
  Duration begin = Duration::max();
  Duration end{};
};

void read(const std::filesystem::path& path, const RecordedFile& file, Placing& placing) {
  AVFormatContext* opened = nullptr;
  ASSERT_EQ(avformat_open_input(&opened, path.c_str(), nullptr, nullptr), 0) << path;
  const compose::av::Input input{opened};
  const compose::av::Packet packet{av_packet_alloc()};
  for (; av_read_frame(input.get(), packet.get()) >= 0; av_packet_unref(packet.get())) {
    const AVStream& stream = *input->streams[packet->stream_index];
    const auto us = [&](std::int64_t ticks) {
      return Duration(av_rescale_q(ticks, stream.time_base, {1, 1'000'000}));
    };
    const bool sound = stream.codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    const Duration time = milliseconds(file.offset_ms) + us(packet->pts);
    placing.begin = std::min(placing.begin, time);
    placing.end = std::max(placing.end, time + us(packet->duration));
    const rtp::ConstBytes bytes{packet->data, static_cast<std::size_t>(packet->size)};
    if (bytes.size() < 5 || (sound && bytes[0] != 0xf8)) continue;  // silence of the recorder's own
    const Duration captured = kNumberUnit * rtp::load32(bytes, bytes.size() - 4);
    placing.of[index(sound ? Stream::Audio : Stream::Video)].push_back({captured, time - captured});
  }
}

// How far apart the file has sound and picture of one moment, at most.
struct Apart {
  Duration worst{};
  Duration when{};
  std::size_t compared = 0;  // pictures
};
Apart apart_in(const Placing& placing) {
  constexpr Duration kSettled = seconds(10);
  constexpr Duration kSameMoment = milliseconds(50);
  Apart apart;
  const auto& sound = placing.of[index(Stream::Audio)];
  if (sound.empty()) return apart;
  auto near = sound.begin();
  for (const Placed& picture : placing.of[index(Stream::Video)]) {
    const auto distance = [&](const Placed& p) {
      return std::chrono::abs(p.captured - picture.captured);
    };
    while (near + 1 != sound.end() && distance(near[1]) <= distance(near[0])) ++near;
    if (distance(*near) > kSameMoment || picture.captured < kSettled) continue;
    ++apart.compared;
    const Duration now = std::chrono::abs(picture.late - near->late);
    if (now <= apart.worst) continue;
    apart.worst = now;
    apart.when = picture.captured;
  }
  return apart;
}

bool is_long() { return std::getenv("PARLEY_LONG") != nullptr; }

void expect_together(const Weather& weather, Random& random) {
  const TemporaryFolder folder;
  Call call{weather, random, folder.path()};
  call.run();
  Placing placing;
  for (const RecordedFile& file : call.files()) read(folder.path() / file.name, file, placing);
  const Apart apart = apart_in(placing);
  const Duration length = placing.end - placing.begin;
  const Duration off = std::max(std::chrono::abs(placing.end - weather.length),
                                std::chrono::abs(length - weather.length));
  EXPECT_LE(apart.worst, kMostApart) << "at " << to_ms(apart.when) << " ms";
  EXPECT_LT(off, kMostOff);
  EXPECT_GT(apart.compared, weather.length / weather.picture_interval / 4);
  if (!is_long()) return;
  std::printf("%lld s, %zu pictures: %.1f ms from their sound at most, %.3f s off in length\n",
              static_cast<long long>(weather.length / seconds(1)), apart.compared,
              std::chrono::duration<double, std::milli>(apart.worst).count(),
              std::chrono::duration<double>(off).count());
}

TEST(HourOfRecording, KeepsSoundAndPictureTogetherAndItsLength) {
  silence_ffmpeg();
  for (unsigned seed = 1; seed <= (is_long() ? 10 : 8); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Weather weather = is_long() ? weather_of(random, minutes(60), seconds(20), minutes(10))
                                      : weather_of(random, seconds(75), seconds(4), seconds(10));
    expect_together(weather, random);
  }
}

// The sound's clock runs fast, and nothing is ever missing where a file could take it back.
TEST(HourOfRecording, KeepsThemTogetherWhereNothingEverHappens) {
  silence_ffmpeg();
  Random random(1);
  Weather weather{is_long() ? minutes(60) : minutes(10), milliseconds(30)};
  weather.lost_percent = 0;
  expect_together(weather, random);
}

TEST(HourOfRecording, OfEightWithAMuteOfOneIsNoOther) {
  if (!is_long()) GTEST_SKIP() << "takes ten seconds";
  silence_ffmpeg();
  Random random(8);
  Weather weather = weather_of(random, hours(8), minutes(1), hours(1));
  weather.picture_interval = milliseconds(200);
  expect_together(weather, random);
}

}  // namespace
}  // namespace parley::recorder::test
