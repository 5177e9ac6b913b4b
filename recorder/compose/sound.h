#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/compose/encoder.h"
#include "recorder/compose/plan.h"

namespace parley::compose {

// Who speaks when: the tile that a layout shows large.
class Speakers {
 public:
  static constexpr rtp::Duration kWindow{200'000};
  // The levels of a window, by tile: root mean squares, 0 to 1.
  void add(const std::vector<float>& levels);
  // Nobody before anybody has spoken.
  [[nodiscard]] std::optional<std::size_t> at(Offset time) const noexcept;

  // As text, to go on with after a crash; nothing for text of another kind, or of other tiles.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static std::optional<Speakers> from_text(std::string_view text, std::size_t tiles);

 private:
  static constexpr std::size_t kWindowsToChange = 5;  // a second: coughs change nothing
  std::vector<std::optional<std::size_t>> said_;
  std::optional<std::size_t> current_;
  std::optional<std::size_t> challenger_;
  std::size_t lead_ = 0;
};

// Called now and then with how much is done; false stops the work.
using OnDone = std::function<bool(Offset)>;

// Mixes all sound of the recording into a file of its own, and finds out who speaks.
[[nodiscard]] Result<Speakers> make_sound(const Plan& plan, const Settings& settings,
                                          const std::filesystem::path& to, const OnDone& on_done);

}  // namespace parley::compose
