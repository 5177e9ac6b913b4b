#include "tests/recorder/support.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "recorder/muxer.h"
#include "rtp/bytes.h"
#include "rtp/packet.h"

namespace parley::recorder::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "parley-recorder-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

rtp::NtpTime ntp_at(rtp::Time time, rtp::Duration ahead) {
  // Any origin will do: only differences count.
  const auto us = static_cast<std::uint64_t>((time.time_since_epoch() + ahead).count());
  const std::uint64_t seconds = 3'900'000'000ULL + us / 1'000'000;
  const std::uint64_t fraction = ((us % 1'000'000) << 32U) / 1'000'000;
  return rtp::NtpTime{(seconds << 32U) + fraction};
}

VideoSource vp8_source() { return {rtp::Codec::Vp8, "vp8sim-sent.pcap", 0xb1fe4551}; }
VideoSource vp9_source() { return {rtp::Codec::Vp9, "vp9svc-sent.pcap", 0xa5249d58}; }
VideoSource h264_source() { return {rtp::Codec::H264, "h264sim-sent.pcap", 0x7ffb83de}; }
VideoSource av1_source() { return {rtp::Codec::Av1, "av1svc-sent.pcap", 0x5dded2ee}; }

namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t little32(const Bytes& b, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, b.data() + at, sizeof value);
  return value;
}

// The RTP packets of one SSRC in a pcapng file: enhanced packet blocks, with Ethernet, IPv4 and UDP
// headers of fixed size. Times are taken from the RTP timestamps.
std::vector<Bytes> read_capture(const VideoSource& source) {
  constexpr std::uint32_t kEnhancedPacket = 6;
  constexpr std::size_t kBlockHeader = 28;
  constexpr std::size_t kPacketHeaders = 14 + 20 + 8;
  const std::string text = text_of(fs::path{PARLEY_TEST_DATA} / "rtp" / source.capture);
  const Bytes all{text.begin(), text.end()};
  std::vector<Bytes> packets;
  for (std::size_t at = 0; at + kBlockHeader <= all.size(); at += little32(all, at + 4)) {
    if (little32(all, at) != kEnhancedPacket) continue;
    const std::size_t size = little32(all, at + 20);
    if (size <= kPacketHeaders) continue;
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at + kBlockHeader);
    Bytes bytes{begin + kPacketHeaders, begin + static_cast<std::ptrdiff_t>(size)};
    const auto packet = rtp::Packet::parse(bytes);
    if (packet && packet->ssrc().value == source.ssrc) packets.push_back(std::move(bytes));
  }
  return packets;
}

Event rtp_event(rtp::Codec codec, rtp::Time arrival, std::vector<std::uint8_t> bytes) {
  Event event;
  event.record.kind = rtp::Tap::Kind::Rtp;
  event.record.codec = codec;
  event.record.arrival = arrival;
  event.bytes = std::move(bytes);
  return event;
}

}  // namespace

Script video(const VideoSource& source, rtp::Time from, rtp::Time until,
             std::uint32_t first_timestamp) {
  std::vector<Bytes> packets = read_capture(source);
  EXPECT_FALSE(packets.empty());
  const auto timestamp = [](Bytes& b) { return rtp::Packet::parse(b)->timestamp().value; };
  const auto seq = [](Bytes& b) { return rtp::Packet::parse(b)->seq().value; };
  const std::uint32_t base_timestamp = timestamp(packets.front());
  const std::uint16_t base_seq = seq(packets.front());
  const auto ticks = timestamp(packets.back()) - base_timestamp + 3'000;
  const auto count = static_cast<std::uint16_t>(seq(packets.back()) - base_seq + 1);
  const rtp::Duration length{std::int64_t{ticks} * 1'000'000 / 90'000};
  Script script;
  for (std::uint32_t round = 0; from + length * round < until; ++round) {
    for (const Bytes& captured : packets) {
      Bytes bytes = captured;
      auto packet = rtp::Packet::parse(bytes);
      const std::uint32_t since = packet->timestamp().value - base_timestamp;
      // Packets of a frame arrive a little after it was captured, within 5 ms.
      const rtp::Time arrival = from + length * round +
                                rtp::Duration{std::int64_t{since} * 1'000'000 / 90'000} +
                                std::chrono::milliseconds{30};
      if (arrival >= until) continue;
      packet->set_timestamp(rtp::RtpTimestamp{first_timestamp + since + round * ticks});
      packet->set_seq(
          rtp::Seq{static_cast<std::uint16_t>(packet->seq().value - base_seq + round * count)});
      script.push_back(rtp_event(source.codec, arrival, std::move(bytes)));
    }
  }
  return script;
}

Script audio(rtp::Time from, rtp::Time until, std::uint32_t first_timestamp,
             std::uint16_t first_seq) {
  Script script;
  for (rtp::Time t = from; t < until; t += kFrame20) {
    const auto n = static_cast<std::uint32_t>(script.size());
    std::vector<std::uint8_t> bytes(12);
    bytes[0] = 0x80;
    bytes[1] = 111;
    rtp::store16(bytes, 2, static_cast<std::uint16_t>(first_seq + n));
    rtp::store32(bytes, 4, first_timestamp + n * 960);
    rtp::store32(bytes, 8, 0x1234);
    bytes.insert(bytes.end(), {0xf8, 0xff, 0xfe});  // 20 ms of silence
    script.push_back(
        rtp_event(rtp::Codec::Opus, t + std::chrono::milliseconds{30}, std::move(bytes)));
  }
  return script;
}

Script with_reports(Script script, std::uint32_t clock_rate, rtp::Duration delay) {
  Script out;
  rtp::Time next = script.empty() ? kStart : script.front().record.arrival;
  for (Event& event : script) {
    if (event.record.kind == rtp::Tap::Kind::Rtp && event.record.arrival >= next) {
      const auto packet = rtp::Packet::parse(event.bytes);
      Event report;
      report.record.kind = rtp::Tap::Kind::SenderReport;
      report.record.arrival = event.record.arrival;
      report.record.codec = event.record.codec;
      // Sent now, about now: the media that arrives now was captured `delay` ago.
      report.record.ntp = ntp_at(event.record.arrival);
      report.record.timestamp = rtp::RtpTimestamp{
          packet->timestamp().value +
          static_cast<std::uint32_t>(delay.count() * std::int64_t{clock_rate} / 1'000'000)};
      out.push_back(std::move(report));
      next = event.record.arrival + std::chrono::seconds{1};
    }
    out.push_back(std::move(event));
  }
  return out;
}

Script without(Script script, rtp::Time from, rtp::Time until) {
  std::erase_if(script, [&](const Event& e) {
    return e.record.arrival >= from && e.record.arrival < until &&
           e.record.kind == rtp::Tap::Kind::Rtp;
  });
  return script;
}

Script lossy(Script script, unsigned percent, unsigned seed) {
  std::mt19937 random{seed};
  std::erase_if(script, [&](const Event& e) {
    return e.record.kind == rtp::Tap::Kind::Rtp && random() % 100 < percent;
  });
  return script;
}

Event mark(rtp::Tap::Kind kind, rtp::Time when) {
  Event event;
  event.record.kind = kind;
  event.record.arrival = when;
  return event;
}

TrackInfo camera(std::string track_id) {
  return {std::move(track_id), "pa_1", "alice", "Alice", "camera", rtp::MediaKind::Video};
}
TrackInfo microphone(std::string track_id) {
  return {std::move(track_id), "pa_1", "alice", "Alice", "microphone", rtp::MediaKind::Audio};
}

void push(rtp::Tap& tap, const Event& event) {
  rtp::Tap::Record record = event.record;
  record.bytes = event.bytes;
  ASSERT_TRUE(tap.push(record)) << "the test's ring is too small";
}

std::shared_ptr<rtp::Tap> make_tap(std::size_t bytes) { return std::make_shared<rtp::Tap>(bytes); }

Studio::Studio(const fs::path& folder, rtp::Duration key_frames_every)
    : folder_(folder), key_frames_every_(key_frames_every) {
  silence_ffmpeg();
  output_.open = [this](const RecordedFile& info) { files_.push_back({info, {}, {}, false, {}}); };
  output_.header = [](const std::string&) {};
  output_.bytes = [this](const std::string& name, std::uint64_t place, rtp::ConstBytes bytes) {
    auto& all = file(name).bytes;
    all.resize(std::max(all.size(), place + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(place));
  };
  output_.boundary = [](const std::string&, rtp::Duration) {};
  output_.gap = [this](const std::string& name, const Gap& gap) { file(name).gaps.push_back(gap); };
  output_.close = [this](const std::string& name, rtp::Duration duration) {
    File& f = file(name);
    f.info.duration_ms = to_ms(duration);
    f.closed = true;
    f.path = folder_ / name;
    std::ofstream{f.path, std::ios::binary}.write(reinterpret_cast<const char*>(f.bytes.data()),
                                                  static_cast<std::streamsize>(f.bytes.size()));
  };
}

Studio::File& Studio::file(const std::string& name) {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const File& f) { return f.info.name == name; });
  EXPECT_NE(found, files_.end()) << name;
  return *found;
}

void Studio::add(const TrackInfo& track, Script script) {
  std::stable_sort(script.begin(), script.end(), [](const Event& a, const Event& b) {
    return a.record.arrival < b.record.arrival;
  });
  tracks_.push_back({track, std::move(script), make_tap(), 0});
}

void Studio::run(rtp::Duration turn) {
  ParticipantRecording recording{kStart, tracks_.front().info, output_, key_frames_every_};
  for (Track& track : tracks_) recording.add_track(track.info, track.tap);
  bool more = true;
  for (rtp::Time now = kStart; more; now += turn) {
    more = false;
    for (Track& track : tracks_) {
      for (; track.next < track.script.size(); ++track.next) {
        if (track.script[track.next].record.arrival > now) break;
        push(*track.tap, track.script[track.next]);
      }
      more = more || track.next < track.script.size();
    }
    recording.drain();
    for (const Track& track : tracks_) {
      if (track.tap->take_key_frame_request()) asked_.push_back(now);
    }
  }
  recording.finish();
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), count);
  }
  ::pclose(pipe);
  return text;
}

std::string text_of(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Probe probe(const fs::path& file) {
  const std::string path = "'" + file.string() + "'";
  Probe result;
  std::map<std::string, std::string> codec_of;
  std::istringstream streams{output_of(
      "ffprobe -v error -show_entries stream=index,codec_name:format=duration -of compact " +
      path)};
  for (std::string line; std::getline(streams, line);) {
    if (line.starts_with("stream|index=")) {
      const std::string index = line.substr(13, line.find('|', 13) - 13);
      const std::string codec = line.substr(line.find("codec_name=") + 11);
      codec_of[index] = codec;
      result.codecs.push_back(codec);
    } else if (line.starts_with("format|duration=")) {
      result.duration_s = std::atof(line.c_str() + 16);
    } else if (!line.empty()) {
      result.errors += line + "\n";
    }
  }
  std::istringstream packets{
      output_of("ffprobe -v error -show_entries packet=stream_index,pts_time -of csv=p=0 " + path)};
  for (std::string line; std::getline(packets, line);) {
    const std::size_t comma = line.find(',');
    if (comma == std::string::npos) continue;
    const std::string codec = codec_of[line.substr(0, comma)];
    const double time = std::atof(line.c_str() + comma + 1);
    if (result.packets[codec]++ == 0) result.first_s[codec] = time;
    result.last_s[codec] = std::max(result.last_s[codec], time);
  }
  result.errors +=
      output_of("ffmpeg -nostdin -v error -i " + path + " -enc_time_base -1 -f null -");
  std::sort(result.codecs.begin(), result.codecs.end());
  return result;
}

}  // namespace parley::recorder::test
