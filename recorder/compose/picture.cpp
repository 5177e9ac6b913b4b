#include "recorder/compose/picture.h"

#include <algorithm>
#include <utility>

#include "recorder/compose/label.h"

namespace parley::compose {

Picture::Picture(const Plan& plan, const Settings& settings, const Speakers& speakers)
    : plan_(plan), settings_(settings), speakers_(speakers), canvas_(settings.size) {}

// A tile for each that has a file at that time. Of two files of one tile the later one counts.
std::vector<Picture::Shown> Picture::present(Offset time) {
  std::vector<Shown> shown;
  for (std::size_t file = 0; file < plan_.files.size(); ++file) {
    const PlannedFile& planned = plan_.files[file];
    if (planned.offset > time) break;
    if (planned.end() <= time) {
      inputs_.erase(file);
      continue;
    }
    const auto same = std::find_if(shown.begin(), shown.end(),
                                   [&](const Shown& s) { return s.tile == planned.tile; });
    if (same != shown.end()) {
      same->file = file;
    } else {
      shown.push_back({file, planned.tile, {}, std::nullopt});
    }
  }
  const auto place = [&](const Shown& s) { return std::pair(plan_.tiles[s.tile].place, s.tile); };
  std::sort(shown.begin(), shown.end(),
            [&](const Shown& a, const Shown& b) { return place(a) < place(b); });
  return shown;
}

// Who is large: a screen where there is one (but for the layout of who speaks), else who speaks.
std::optional<std::size_t> Picture::main_of(const std::vector<Shown>& shown, Offset time) const {
  std::optional<std::size_t> screen;
  std::optional<std::size_t> speaker;
  const auto speaks = speakers_.at(time);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const PlannedTile& tile = plan_.tiles[shown[i].tile];
    if (tile.screen) {
      screen = i;
    } else if (speaks && shown[i].tile == *speaks) {
      speaker = i;
    }
  }
  const bool prefers_speaker = settings_.layout_at(time) == LayoutKind::Speaker;
  return screen && !(prefers_speaker && speaker) ? screen : speaker;
}

const AVFrame* Picture::picture_of(Shown& shown, Offset time) {
  const PlannedFile& file = plan_.files[shown.file];
  const auto [at, added] = inputs_.try_emplace(shown.file);
  const Offset within = file.within(time);
  if (added && file.video) {
    if (auto reader = StreamReader::open(file, AVMEDIA_TYPE_VIDEO)) {
      at->second = std::make_unique<VideoInput>(std::move(reader), file.rotation_degrees);
      at->second->skip_to(within);
    }
  }
  VideoInput* const input = at->second.get();
  if (input == nullptr) {
    if (file.growing) inputs_.erase(at);  // it may open yet
    return nullptr;
  }
  input->follow(file);
  const AVFrame* const picture = input->at(within);
  if (picture == nullptr) return nullptr;
  if (!plan_.tiles[shown.tile].screen && within - input->since() > kStale) return nullptr;
  shown.since = input->since();
  return picture;
}

const Mask& Picture::name_of(std::size_t tile, Area area) {
  const int height = std::clamp(area.height / 18, 12, 40);
  const auto [at, added] = names_.try_emplace({tile, height});
  if (added && settings_.names) at->second = letters(plan_.tiles[tile].name, height);
  return at->second;
}

void Picture::draw(const Shown& shown, const AVFrame* picture) {
  const bool screen = plan_.tiles[shown.tile].screen;
  const Fit place =
      picture == nullptr ? Fit{} : fit({picture->width, picture->height}, shown.area, !screen);
  if (place.to != shown.area) canvas_.card(shown.area);  // else nothing of it would be seen
  if (picture != nullptr) canvas_.draw(*picture, place, shown.tile);
  canvas_.label(name_of(shown.tile, shown.area), shown.area, picture == nullptr);
}

AVFrame* Picture::at(Offset time) {
  if (canvas_.frame() == nullptr) return nullptr;
  std::vector<Shown> shown = present(time);
  const auto main = main_of(shown, time);
  const LayoutKind layout = settings_.layout_at(time);
  const auto areas = arrange(layout, settings_.size, shown.size(), main);
  std::vector<const AVFrame*> pictures(shown.size());
  for (std::size_t i = 0; i < shown.size(); ++i) {
    shown[i].area = areas[i];
    // Decoded even where there is no room for it, so that it is there when there is.
    pictures[i] = picture_of(shown[i], time);
  }
  if (shown == last_) return canvas_.frame();
  const bool moved = !std::equal(shown.begin(), shown.end(), last_.begin(), last_.end(),
                                 [](const Shown& a, const Shown& b) { return a.area == b.area; });
  const bool overlap = layout == LayoutKind::PictureInPicture;
  canvas_.begin(moved);
  // The large one first: what is small may stand on it.
  const auto each = [&](bool large) {
    for (std::size_t i = 0; i < shown.size(); ++i) {
      if (shown[i].area.empty() || (i == main.value_or(0)) != large) continue;
      if (moved || overlap || !(shown[i] == last_[i])) draw(shown[i], pictures[i]);
    }
  };
  each(true);
  each(false);
  last_ = std::move(shown);
  return canvas_.frame();
}

}  // namespace parley::compose
