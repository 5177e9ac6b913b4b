#include "recorder/compose/layout.h"

#include <algorithm>
#include <array>
#include <utility>

namespace parley::compose {
namespace {

constexpr int kGap = 8;
constexpr double kMostCut = 0.25;
constexpr double kNearly = 0.05;
constexpr int kColumnShare = 5;   // of the canvas's width
constexpr int kPictureShare = 4;  // of the canvas's width, in PictureInPicture

constexpr std::array<std::pair<LayoutKind, std::string_view>, 4> kNames{{
    {LayoutKind::Grid, "grid"},
    {LayoutKind::Speaker, "speaker"},
    {LayoutKind::Presenter, "presenter"},
    {LayoutKind::PictureInPicture, "pip"},
}};

int even(double length) noexcept { return std::max(2, static_cast<int>(length) / 2 * 2); }

// The largest area of the canvas's proportions within so much room.
Size within(Size canvas, int width, int height) noexcept {
  const double scale = std::min(static_cast<double>(width) / canvas.width,
                                static_cast<double>(height) / canvas.height);
  return {even(canvas.width * scale), even(canvas.height * scale)};
}

std::vector<Area> grid(Size canvas, std::size_t count) {
  const int tiles = static_cast<int>(count);
  Size best;
  int best_columns = 1;
  for (int columns = 1; columns <= tiles; ++columns) {
    const int rows = (tiles + columns - 1) / columns;
    const int gap = tiles == 1 ? 0 : kGap;
    const int width = (canvas.width - gap * (columns + 1)) / columns;
    const int height = (canvas.height - gap * (rows + 1)) / rows;
    if (width < 16 || height < 16) continue;
    const Size size = within(canvas, width, height);
    if (size.width <= best.width) continue;
    best = size;
    best_columns = columns;
  }
  std::vector<Area> areas(count);
  if (best.width == 0) return areas;
  const int rows = (tiles + best_columns - 1) / best_columns;
  const int whole_height = rows * best.height + (rows - 1) * kGap;
  for (int i = 0; i < tiles; ++i) {
    const int row = i / best_columns;
    const int in_row = std::min(best_columns, tiles - row * best_columns);
    const int row_width = in_row * best.width + (in_row - 1) * kGap;
    const int x = (canvas.width - row_width) / 2 + i % best_columns * (best.width + kGap);
    const int y = (canvas.height - whole_height) / 2 + row * (best.height + kGap);
    areas[static_cast<std::size_t>(i)] = {x / 2 * 2, y / 2 * 2, best.width, best.height};
  }
  return areas;
}

std::vector<Area> beside_column(Size canvas, std::size_t count, std::size_t main) {
  std::vector<Area> areas(count);
  const int column = even(canvas.width / kColumnShare);
  const Size large = within(canvas, canvas.width - column - 3 * kGap, canvas.height - 2 * kGap);
  const Size small = within(canvas, column, canvas.height);
  areas[main] = {kGap, (canvas.height - large.height) / 4 * 2, large.width, large.height};
  const int x = (canvas.width - kGap - small.width) / 2 * 2;
  int y = areas[main].y;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == main) continue;
    if (y + small.height > canvas.height - kGap) break;
    areas[i] = {x, y, small.width, small.height};
    y += small.height + kGap;
  }
  return areas;
}

std::vector<Area> picture_in_picture(Size canvas, std::size_t count, std::size_t main) {
  std::vector<Area> areas(count);
  areas[main] = {0, 0, canvas.width, canvas.height};
  const Size small = within(canvas, canvas.width / kPictureShare, canvas.height);
  const int y = (canvas.height - small.height - 2 * kGap) / 2 * 2;
  int x = (canvas.width - small.width - 2 * kGap) / 2 * 2;
  for (std::size_t i = 0; i < count && x >= kGap; ++i) {
    if (i == main) continue;
    areas[i] = {x, y, small.width, small.height};
    x -= small.width + kGap;
  }
  return areas;
}

// A little larger than its area on both sides.
bool nearly_fits(const Fit& fit) noexcept {
  const auto nearly = [](int from, int to) { return from >= to && from * (1 - kNearly) <= to; };
  return nearly(fit.from.width, fit.to.width) && nearly(fit.from.height, fit.to.height);
}

}  // namespace

std::optional<LayoutKind> layout_of(std::string_view name) noexcept {
  for (const auto& [kind, its_name] : kNames) {
    if (its_name == name) return kind;
  }
  return std::nullopt;
}

std::string_view name_of(LayoutKind kind) noexcept {
  return kNames[static_cast<std::size_t>(kind)].second;
}

std::vector<Area> arrange(LayoutKind kind, Size canvas, std::size_t count,
                          std::optional<std::size_t> main) {
  if (count == 0) return {};
  const std::size_t large = main && *main < count ? *main : 0;
  if (kind == LayoutKind::Grid || count == 1) return grid(canvas, count);
  if (kind == LayoutKind::PictureInPicture) return picture_in_picture(canvas, count, large);
  return beside_column(canvas, count, large);
}

Fit fit(Size picture, Area area, bool may_cut) noexcept {
  if (picture.width <= 0 || picture.height <= 0 || area.empty()) return {};
  const double across = static_cast<double>(area.width) / picture.width;
  const double down = static_cast<double>(area.height) / picture.height;
  const double shown = std::min(across, down) / std::max(across, down);  // of the picture, if cut
  Fit fit{{0, 0, picture.width, picture.height}, area};
  if (may_cut && 1 - shown <= kMostCut) {
    if (across > down) {
      fit.from.height = even(picture.height * shown);
    } else {
      fit.from.width = even(picture.width * shown);
    }
    if (nearly_fits(fit)) {
      fit.from.width = area.width;
      fit.from.height = area.height;
    }
    fit.from.x = (picture.width - fit.from.width) / 4 * 2;
    fit.from.y = (picture.height - fit.from.height) / 4 * 2;
    return fit;
  }
  const double scale = std::min(across, down);
  fit.to.width = std::min(area.width, even(picture.width * scale + 0.5));
  fit.to.height = std::min(area.height, even(picture.height * scale + 0.5));
  fit.to.x += (area.width - fit.to.width) / 4 * 2;
  fit.to.y += (area.height - fit.to.height) / 4 * 2;
  return fit;
}

}  // namespace parley::compose
