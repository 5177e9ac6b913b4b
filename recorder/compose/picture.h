#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "recorder/compose/canvas.h"
#include "recorder/compose/encoder.h"
#include "recorder/compose/input.h"
#include "recorder/compose/plan.h"
#include "recorder/compose/sound.h"

namespace parley::compose {

// The composed picture at each moment of a recording. Whoever is there has a tile; who sends no
// picture, or none for three seconds, is a card with his name. A shared screen stays as it is while
// nothing changes on it.
class Picture {
 public:
  static constexpr rtp::Duration kStale{3'000'000};

  // All must outlive it.
  Picture(const Plan& plan, const Settings& settings, const Speakers& speakers);

  // At that time; asked for in rising order. Nullptr without memory.
  [[nodiscard]] AVFrame* at(Offset time);

 private:
  struct Shown {
    std::size_t file = 0;
    std::size_t tile = 0;
    Area area;
    std::optional<Offset> since;  // of the picture in it; none: a card
    friend bool operator==(const Shown&, const Shown&) = default;
  };
  [[nodiscard]] std::vector<Shown> present(Offset time);
  [[nodiscard]] std::optional<std::size_t> main_of(const std::vector<Shown>& shown,
                                                   Offset time) const;
  [[nodiscard]] const AVFrame* picture_of(Shown& shown, Offset time);
  void draw(const Shown& shown, const AVFrame* picture);
  [[nodiscard]] const Mask& name_of(std::size_t tile, Area area);

  const Plan& plan_;
  const Settings& settings_;
  const Speakers& speakers_;
  Canvas canvas_;
  std::map<std::size_t, std::unique_ptr<VideoInput>> inputs_;  // by file; null: has no picture
  std::map<std::pair<std::size_t, int>, Mask> names_;          // by tile and height
  std::vector<Shown> last_;
};

}  // namespace parley::compose
