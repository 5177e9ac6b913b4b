#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace parley::compose {

// How the pictures of a call share one canvas.
//   Grid              all of one size, in rows
//   Speaker           who speaks is large, the others stand in a column at the right
//   Presenter         the shared screen is large, likewise; without one it is Speaker
//   PictureInPicture  one fills the canvas, the others stand small at the lower right
enum class LayoutKind : std::uint8_t { Grid, Speaker, Presenter, PictureInPicture };
[[nodiscard]] std::optional<LayoutKind> layout_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(LayoutKind kind) noexcept;

// In pixels, all even: colours are stored for two by two of them.
struct Size {
  int width = 0;
  int height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};
struct Area {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
  [[nodiscard]] bool empty() const noexcept { return width == 0; }
  friend bool operator==(const Area&, const Area&) = default;
};

// Where each of `count` tiles stands; empty where there is no room for it. `main` is the large one,
// where the layout has one (without it: the first). Areas do not overlap, but for the small ones of
// PictureInPicture, and lie within the canvas. All of them have the canvas's own proportions, as
// cameras mostly have, so that nothing has to be cut.
[[nodiscard]] std::vector<Area> arrange(LayoutKind kind, Size canvas, std::size_t count,
                                        std::optional<std::size_t> main);

// How a picture comes into its area. A camera is cut at two sides if that takes no more than a
// quarter of it, and then fills the area; everything else, and screens always, is shown whole
// between bars. A camera that is larger by a few pixels loses those at its edges and keeps each of
// the others: scaled by so little it would be blurred, and scaling costs a tenth of all the work.
struct Fit {
  Area from;  // of the picture
  Area to;    // within the canvas
  friend bool operator==(const Fit&, const Fit&) = default;
};
[[nodiscard]] Fit fit(Size picture, Area area, bool may_cut) noexcept;

}  // namespace parley::compose
