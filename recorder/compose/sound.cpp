#include "recorder/compose/sound.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "recorder/compose/mixer.h"

namespace parley::compose {
namespace {

constexpr float kAudible = 0.006F;  // -44 dB
constexpr rtp::Duration kBlockTime = std::chrono::milliseconds(Mixer::kBlockMs);
constexpr std::int64_t kBlocksPerWindow = Speakers::kWindow / kBlockTime;

// Blocks of 20 ms in, frames of the encoder's own size out.
class SoundFile {
 public:
  [[nodiscard]] static std::unique_ptr<SoundFile> create(const Settings& settings,
                                                         const std::filesystem::path& to) {
    auto file = std::unique_ptr<SoundFile>(new SoundFile);
    file->encoder_ = Encoder::audio(settings);
    if (!file->encoder_) return nullptr;
    file->output_ = OutputFile::create(to, settings.mp4() ? "mp4" : "matroska", *file->encoder_);
    const AVCodecContext& context = file->encoder_->context();
    file->frame_->format = context.sample_fmt;
    file->frame_->sample_rate = context.sample_rate;
    file->frame_->nb_samples = file->encoder_->frame_size();
    av_channel_layout_copy(&file->frame_->ch_layout, &context.ch_layout);
    if (!file->output_ || av_frame_get_buffer(file->frame_.get(), 0) < 0) return nullptr;
    return file;
  }

  [[nodiscard]] bool write(std::span<const float> block) {
    waiting_.insert(waiting_.end(), block.begin(), block.end());
    const auto size = static_cast<std::size_t>(frame_->nb_samples) * 2;
    std::size_t used = 0;
    for (; waiting_.size() - used >= size; used += size) {
      if (!encode(std::span(waiting_).subspan(used, size))) return false;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(used));
    return true;
  }
  [[nodiscard]] bool finish() {
    waiting_.resize(static_cast<std::size_t>(frame_->nb_samples) * 2);
    return encode(waiting_) && encoder_->send(nullptr) && drain() && output_->finish();
  }

 private:
  [[nodiscard]] bool encode(std::span<const float> samples) {
    if (av_frame_make_writable(frame_.get()) < 0) return false;
    if (frame_->format == AV_SAMPLE_FMT_FLTP) {
      for (std::size_t side = 0; side < 2; ++side) {
        auto* to = reinterpret_cast<float*>(frame_->data[side]);
        for (std::size_t i = side; i < samples.size(); i += 2) *to++ = samples[i];
      }
    } else {
      std::copy(samples.begin(), samples.end(), reinterpret_cast<float*>(frame_->data[0]));
    }
    frame_->pts = next_;
    next_ += frame_->nb_samples;
    return encoder_->send(frame_.get()) && drain();
  }
  [[nodiscard]] bool drain() {
    while (AVPacket* packet = encoder_->receive()) {
      if (!output_->write(*packet, 0, encoder_->time_base())) return false;
    }
    return true;
  }

  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<OutputFile> output_;
  av::Frame frame_{av_frame_alloc()};
  std::vector<float> waiting_;
  std::int64_t next_ = 0;
};

// The sounds of the files that go on at a time.
class Voices {
 public:
  explicit Voices(const Plan& plan) : plan_(plan) {}

  template <class Visit>
  void each(Offset now, const Visit& visit) {
    while (next_ < plan_.files.size() && plan_.files[next_].offset <= now) {
      const std::size_t file = next_++;
      if (!plan_.files[file].audio) continue;
      auto reader = StreamReader::open(plan_.files[file], AVMEDIA_TYPE_AUDIO);
      if (reader) open_.emplace(file, AudioInput(std::move(reader)));
    }
    for (auto at = open_.begin(); at != open_.end();) {
      const PlannedFile& file = plan_.files[at->first];
      if (now >= file.end()) {
        at = open_.erase(at);
        continue;
      }
      at->second.follow(file);
      visit(at->first, at->second, file.within(now));
      ++at;
    }
  }

 private:
  const Plan& plan_;
  std::size_t next_ = 0;
  std::map<std::size_t, AudioInput> open_;  // by file
};

}  // namespace

void Speakers::add(const std::vector<float>& levels) {
  const auto loudest = std::max_element(levels.begin(), levels.end());
  std::optional<std::size_t> who;
  if (loudest != levels.end() && *loudest > kAudible) {
    who = static_cast<std::size_t>(loudest - levels.begin());
  }
  if (who && who != current_) {
    lead_ = who == challenger_ ? lead_ + 1 : 1;
    challenger_ = who;
    if (!current_ || lead_ >= kWindowsToChange) current_ = who;
  } else if (who) {
    lead_ = 0;
  }
  said_.push_back(current_);
}

std::optional<std::size_t> Speakers::at(Offset time) const noexcept {
  const auto window = static_cast<std::size_t>(std::max(time, Offset(0)) / kWindow);
  if (said_.empty()) return std::nullopt;
  return said_[std::min(window, said_.size() - 1)];
}

// "2x140 -x3 ..." : tile 2 for 140 windows, nobody for three.
std::string Speakers::to_text() const {
  std::string text;
  for (std::size_t i = 0; i < said_.size();) {
    const auto other = std::find_if(said_.begin() + static_cast<std::ptrdiff_t>(i), said_.end(),
                                    [&](const auto& who) { return who != said_[i]; });
    const auto end = static_cast<std::size_t>(other - said_.begin());
    text += (said_[i] ? std::to_string(*said_[i]) : "-") + 'x' + std::to_string(end - i) + ' ';
    i = end;
  }
  return text;
}

std::optional<Speakers> Speakers::from_text(std::string_view text, std::size_t tiles) {
  constexpr std::size_t kMostWindows = kLongestRecording / kWindow;
  Speakers speakers;
  while (!text.empty()) {
    std::optional<std::size_t> who;
    std::size_t count = 0;
    const char* const end = text.data() + text.size();
    const char* at = text.data();
    if (*at == '-') {
      ++at;
    } else {
      const auto [rest, error] = std::from_chars(at, end, who.emplace());
      if (error != std::errc() || *who >= tiles) return std::nullopt;
      at = rest;
    }
    if (at == end || *at != 'x') return std::nullopt;
    const auto [rest, error] = std::from_chars(at + 1, end, count);
    if (error != std::errc() || rest == end || *rest != ' ') return std::nullopt;
    if (count > kMostWindows - speakers.said_.size()) return std::nullopt;
    speakers.said_.insert(speakers.said_.end(), count, who);
    text.remove_prefix(static_cast<std::size_t>(rest + 1 - text.data()));
  }
  return speakers;
}

struct SoundMaker::State {
  State(const Plan& of, std::unique_ptr<SoundFile> to)
      : plan(of), file(std::move(to)), voices(of), mixer(of.files.size()) {}
  [[nodiscard]] bool step();

  const Plan& plan;
  std::unique_ptr<SoundFile> file;
  Voices voices;
  Mixer mixer;
  Speakers speakers;
  std::vector<float> block = std::vector<float>(Mixer::kBlock * 2);
  std::vector<float> levels;
  std::int64_t next = 0;  // block
};

bool SoundMaker::State::step() {
  levels.resize(plan.tiles.size());
  mixer.make_room(plan.files.size());
  mixer.begin();
  voices.each(next * kBlockTime, [&](std::size_t number, AudioInput& input, Offset at) {
    input.read(at, block);
    mixer.add(number, block);
    float& level = levels[plan.files[number].tile];
    level = std::max(level, mixer.level(number));
  });
  mixer.end(block);
  // What is mixed comes one block late.
  if (next > 0 && !file->write(block)) return false;
  if (++next % kBlocksPerWindow != 0) return true;
  speakers.add(levels);
  std::fill(levels.begin(), levels.end(), 0.0F);
  return true;
}

SoundMaker::SoundMaker(const Plan& plan, const Settings& settings, std::filesystem::path to)
    : to_(std::move(to)) {
  if (auto file = SoundFile::create(settings, to_)) {
    state_ = std::make_unique<State>(plan, std::move(file));
  }
}
SoundMaker::~SoundMaker() = default;

const Speakers& SoundMaker::speakers() const noexcept { return state_->speakers; }

Result<void> SoundMaker::advance(std::int64_t to_block, const OnDone& on_done) {
  if (!state_) return cannot_write(to_);
  while (state_->next < to_block) {
    if (!state_->step()) return cannot_write(to_);
    if (state_->next % kBlocksPerWindow != 0) continue;
    if (!on_done(std::min<Offset>(state_->next * kBlockTime, state_->plan.length))) {
      return failed("stopped", "at the sound");
    }
  }
  return {};
}

Result<void> SoundMaker::advance(Offset until, const OnDone& on_done) {
  return advance(until / Speakers::kWindow * kBlocksPerWindow, on_done);
}

Result<void> SoundMaker::finish(const OnDone& on_done) {
  if (!state_) return cannot_write(to_);
  const std::int64_t blocks = (state_->plan.length + kBlockTime - Offset(1)) / kBlockTime;
  if (auto done = advance(blocks + 1, on_done); !done) return done;
  if (!state_->file->finish()) return cannot_write(to_);
  return {};
}

}  // namespace parley::compose
