#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "recorder/compose/picture.h"
#include "recorder/compose/work_folder.h"

namespace parley::compose {

// The picture of a recording, in pieces of half a minute. One that is there is not made again.
class Film {
 public:
  static constexpr rtp::Duration kPiece = std::chrono::seconds(30);

  // All must outlive it; the plan may grow at its end between two calls.
  Film(const Plan& plan, const Settings& settings, const Speakers& speakers,
       const WorkFolder& work);

  // Those pieces that end by then.
  [[nodiscard]] Result<void> advance(Offset until, const OnDone& on_done);
  // The rest.
  [[nodiscard]] Result<void> finish(const OnDone& on_done);
  [[nodiscard]] const std::vector<std::filesystem::path>& pieces() const noexcept {
    return pieces_;
  }

 private:
  [[nodiscard]] Result<void> make_next(std::int64_t frames, const OnDone& on_done);
  [[nodiscard]] Result<void> make(std::int64_t first, std::int64_t end,
                                  const std::filesystem::path& to, const OnDone& on_done);
  [[nodiscard]] std::int64_t frame_of(Offset time) const noexcept {
    return time.count() * settings_.fps / 1'000'000;
  }
  [[nodiscard]] Offset time_of(std::int64_t frame) const noexcept {
    return Offset(frame * 1'000'000 / settings_.fps);
  }
  [[nodiscard]] std::int64_t made() const noexcept {  // frames
    return static_cast<std::int64_t>(pieces_.size()) * frame_of(kPiece);
  }

  const Plan& plan_;
  const Settings& settings_;
  const Speakers& speakers_;
  const WorkFolder& work_;
  std::optional<Picture> picture_;  // opened at the first piece that is not there
  std::vector<std::filesystem::path> pieces_;
};

// Puts the pieces and the sound into one file, by time: a player reads on while it plays.
[[nodiscard]] Result<void> join(const Settings& settings, const std::filesystem::path& sound,
                                const std::vector<std::filesystem::path>& pictures,
                                const std::filesystem::path& to, const OnDone& on_done);

}  // namespace parley::compose
