#include "recorder/compose/film.h"

#include <algorithm>
#include <memory>
#include <system_error>

#include "recorder/compose/pieces.h"

namespace parley::compose {
namespace {

namespace fs = std::filesystem;

constexpr rtp::Duration kTold = std::chrono::milliseconds(200);  // between two words of progress
constexpr rtp::Duration kToldJoining = std::chrono::seconds(10);

// One that does not read is removed: the next run makes it anew.
Result<void> check(const std::vector<Pieces>& inputs) {
  for (const Pieces& input : inputs) {
    if (!input.broken()) continue;
    std::error_code ignored;
    fs::remove(*input.broken(), ignored);
    return failed("disk_error", input.broken()->filename().string() + " does not read");
  }
  return {};
}

// What Opus's encoder puts in front begins before zero, and WebM's times do not. Left to itself the
// muxer would move the picture with it.
class Lead {
 public:
  void take_off(AVPacket& packet) {
    if (!lead_) lead_ = std::max<std::int64_t>(0, -packet.pts);
    packet.pts += *lead_;
    packet.dts += *lead_;
  }

 private:
  std::optional<std::int64_t> lead_;  // in the sound's time base
};

}  // namespace

Film::Film(const Plan& plan, const Settings& settings, const Speakers& speakers,
           const WorkFolder& work)
    : plan_(plan), settings_(settings), speakers_(speakers), work_(work) {}

Result<void> Film::advance(Offset until, const OnDone& on_done) {
  while (time_of(made() + frame_of(kPiece)) <= until) {
    if (auto done = make_next(made() + frame_of(kPiece), on_done); !done) return done;
  }
  return {};
}

Result<void> Film::finish(const OnDone& on_done) {
  const std::int64_t frames =
      std::max<std::int64_t>(1, frame_of(plan_.length + Offset(999'999 / settings_.fps)));
  while (made() < frames) {
    if (auto done = make_next(frames, on_done); !done) return done;
  }
  return {};
}

Result<void> Film::make_next(std::int64_t frames, const OnDone& on_done) {
  const std::int64_t first = made();
  const fs::path piece = work_.picture(static_cast<std::int64_t>(pieces_.size()));
  pieces_.push_back(piece);
  if (fs::exists(piece)) {
    picture_.reset();
    return {};
  }
  if (!work_.has_room()) return work_.no_room();
  if (!picture_) picture_.emplace(plan_, settings_, speakers_);
  const auto made =
      make(first, std::min(first + frame_of(kPiece), frames), part_of(piece), on_done);
  return made ? keep(piece) : made;
}

Result<void> Film::make(std::int64_t first, std::int64_t end, const fs::path& to,
                        const OnDone& on_done) {
  const auto encoder = Encoder::video(settings_);
  if (!encoder) return failed("no_codec", "this FFmpeg encodes no " + settings_.codec);
  const auto file = OutputFile::create(to, "matroska", *encoder);
  if (!file) return cannot_write(to);
  const auto drain = [&] {
    while (AVPacket* packet = encoder->receive()) {
      packet->duration = 1;
      if (!file->write(*packet, 0, encoder->time_base())) return false;
    }
    return true;
  };
  const std::int64_t told_every = std::max<std::int64_t>(1, frame_of(kTold));
  for (std::int64_t number = first; number < end; ++number) {
    // What is there in the middle of its time: half a frame early or late at most.
    AVFrame* const frame = picture_->at(time_of(number) + Offset(500'000 / settings_.fps));
    if (frame == nullptr) return failed("no_memory", "for a picture");
    frame->pts = number;
    if (!encoder->send(frame)) return failed("no_codec", "the encoder refused a picture");
    if (!drain()) return cannot_write(to);
    if (number % told_every == 0 && !on_done(time_of(number))) {
      return failed("stopped", "at the picture");
    }
  }
  if (!encoder->send(nullptr) || !drain() || !file->finish()) return cannot_write(to);
  return {};
}

Result<void> join(const Settings& settings, const fs::path& sound,
                  const std::vector<fs::path>& pictures, const fs::path& to,
                  const OnDone& on_done) {
  std::vector<Pieces> inputs;
  if (!pictures.empty()) inputs.emplace_back(pictures, AVMEDIA_TYPE_VIDEO);
  inputs.emplace_back(std::vector{sound}, AVMEDIA_TYPE_AUDIO);
  if (auto whole = check(inputs); !whole) return whole;
  std::vector<const AVCodecParameters*> streams;
  for (const Pieces& input : inputs) {
    if (input.parameters() == nullptr) return failed("disk_error", "a piece does not open");
    streams.push_back(input.parameters());
  }
  const fs::path part = part_of(to);
  const auto file = OutputFile::create(part, settings.mp4() ? "mp4" : "webm", streams);
  if (!file) return cannot_write(part);
  Offset told{};
  Lead lead;
  for (;;) {
    std::optional<std::size_t> next;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].peek() == nullptr) continue;
      if (!next || inputs[i].time() < inputs[*next].time()) next = i;
    }
    if (!next) break;
    const Offset time = inputs[*next].time();
    AVPacket* const packet = inputs[*next].peek();
    if (*next == inputs.size() - 1 && !settings.mp4()) lead.take_off(*packet);
    if (!file->write(*packet, static_cast<int>(*next), inputs[*next].time_base())) {
      return cannot_write(part);
    }
    inputs[*next].pop();
    if (time - told < kToldJoining) continue;
    told = time;
    if (!on_done(time)) return failed("stopped", "while joining");
  }
  if (auto whole = check(inputs); !whole) return whole;
  if (!file->finish()) return cannot_write(part);
  return keep(to);
}

}  // namespace parley::compose
