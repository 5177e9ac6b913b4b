#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
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

// Mixes all sound of a recording into a file of its own, and finds out who speaks.
class SoundMaker {
 public:
  // The plan must outlive it. It may grow at its end between two calls.
  SoundMaker(const Plan& plan, const Settings& settings, std::filesystem::path to);
  ~SoundMaker();
  SoundMaker(const SoundMaker&) = delete;
  SoundMaker& operator=(const SoundMaker&) = delete;

  [[nodiscard]] Result<void> advance(Offset until, const OnDone& on_done);
  // To the plan's end. Nothing may follow.
  [[nodiscard]] Result<void> finish(const OnDone& on_done);
  // Up to there; valid once advance() or finish() succeeded.
  [[nodiscard]] const Speakers& speakers() const noexcept;

 private:
  struct State;
  [[nodiscard]] Result<void> advance(std::int64_t to_block, const OnDone& on_done);
  std::filesystem::path to_;
  std::unique_ptr<State> state_;
};

}  // namespace parley::compose
