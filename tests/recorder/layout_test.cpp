#include "recorder/compose/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::compose {
namespace {

constexpr Size kCanvas{1'280, 720};

bool inside(const Area& area, Size canvas) {
  return area.x >= 0 && area.y >= 0 && area.x + area.width <= canvas.width &&
         area.y + area.height <= canvas.height;
}
bool overlap(const Area& a, const Area& b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
double proportion(int width, int height) { return static_cast<double>(width) / height; }

TEST(Arrange, OneHasAllOfTheCanvasInEachLayout) {
  for (const auto kind : {LayoutKind::Grid, LayoutKind::Speaker, LayoutKind::Presenter,
                          LayoutKind::PictureInPicture}) {
    EXPECT_THAT(arrange(kind, kCanvas, 1, std::nullopt),
                testing::ElementsAre(Area{0, 0, 1'280, 720}));
  }
}

TEST(Arrange, TilesLieWithinTheCanvasAreEvenAndDoNotOverlap) {
  for (const Size canvas : {kCanvas, Size{640, 480}, Size{720, 1'280}, Size{320, 180}}) {
    for (const auto kind : {LayoutKind::Grid, LayoutKind::Speaker, LayoutKind::Presenter}) {
      for (std::size_t count = 1; count <= 64; ++count) {
        const auto areas = arrange(kind, canvas, count, count / 2);
        ASSERT_EQ(areas.size(), count);
        for (std::size_t i = 0; i < count; ++i) {
          if (areas[i].empty()) continue;
          EXPECT_TRUE(inside(areas[i], canvas)) << count;
          EXPECT_EQ((areas[i].x | areas[i].y | areas[i].width | areas[i].height) & 1, 0);
          EXPECT_NEAR(proportion(areas[i].width, areas[i].height),
                      proportion(canvas.width, canvas.height), 0.2)
              << name_of(kind) << " of " << count;
          for (std::size_t other = 0; other < i; ++other) {
            EXPECT_FALSE(!areas[other].empty() && overlap(areas[i], areas[other]));
          }
        }
        EXPECT_FALSE(areas[count / 2].empty());
      }
    }
  }
}

TEST(Arrange, AGridShowsEverybodyInOneSize) {
  for (std::size_t count = 2; count <= 64; ++count) {
    const auto areas = arrange(LayoutKind::Grid, kCanvas, count, std::nullopt);
    for (const Area& area : areas) {
      EXPECT_EQ(area.width, areas[0].width);
      EXPECT_GT(area.width, 0) << count;
    }
  }
}

TEST(Arrange, TheMainOneIsLargest) {
  for (const auto kind :
       {LayoutKind::Speaker, LayoutKind::Presenter, LayoutKind::PictureInPicture}) {
    const auto areas = arrange(kind, kCanvas, 4, 2);
    for (const std::size_t other : {0U, 1U, 3U}) EXPECT_LT(areas[other].width * 2, areas[2].width);
  }
}

TEST(Arrange, NobodyNeedsNoRoom) {
  EXPECT_TRUE(arrange(LayoutKind::Speaker, kCanvas, 0, std::nullopt).empty());
}

TEST(Fit, ACameraOfTheSameProportionsFillsItsArea) {
  const Fit whole = fit({640, 360}, {10, 20, 320, 180}, true);
  EXPECT_EQ(whole.from, (Area{0, 0, 640, 360}));
  EXPECT_EQ(whole.to, (Area{10, 20, 320, 180}));
}

TEST(Fit, ACameraIsCutALittleAtTwoSides) {
  const Fit cut = fit({640, 480}, {0, 0, 320, 180}, true);
  EXPECT_EQ(cut.from, (Area{0, 60, 640, 360}));
  EXPECT_EQ(cut.to, (Area{0, 0, 320, 180}));
}

TEST(Fit, ACameraThatIsAFewPixelsLargerLosesThemAndIsNotScaled) {
  const Fit sharp = fit({640, 360}, {8, 184, 628, 352}, true);
  EXPECT_EQ(sharp.from, (Area{6, 4, 628, 352}));
  EXPECT_EQ(sharp.to, (Area{8, 184, 628, 352}));
  const Fit taller = fit({640, 400}, {0, 0, 628, 352}, true);
  EXPECT_EQ(taller.from, (Area{6, 24, 628, 352}));
  const Fit screen = fit({640, 360}, {8, 184, 628, 352}, false);
  EXPECT_EQ(screen.from, (Area{0, 0, 640, 360}));
  const Fit larger = fit({680, 382}, {8, 184, 628, 352}, true);
  EXPECT_EQ(larger.from.width, 680);
  const Fit smaller = fit({626, 352}, {8, 184, 628, 352}, true);
  EXPECT_EQ(smaller.from.width, 626);
}

TEST(Fit, APhoneHeldUprightIsShownWhole) {
  const Fit whole = fit({360, 640}, {0, 0, 640, 360}, true);
  EXPECT_EQ(whole.from, (Area{0, 0, 360, 640}));
  EXPECT_EQ(whole.to, (Area{218, 0, 202, 360}));
}

TEST(Fit, AScreenIsNeverCut) {
  const Fit whole = fit({640, 480}, {0, 0, 320, 180}, false);
  EXPECT_EQ(whole.from, (Area{0, 0, 640, 480}));
  EXPECT_EQ(whole.to, (Area{40, 0, 240, 180}));
}

TEST(Fit, NothingIsEverStretched) {
  for (int width = 16; width < 2'000; width += 61) {
    for (int height = 16; height < 2'000; height += 67) {
      for (const bool may_cut : {false, true}) {
        const Area area{8, 8, 320, 180};
        const Fit it = fit({width, height}, area, may_cut);
        const double before = proportion(it.from.width, it.from.height);
        const double after = proportion(it.to.width, it.to.height);
        // Two pixels of the smaller side are as good as even numbers get.
        const double step =
            2.0 / std::min({it.to.width, it.to.height, it.from.width, it.from.height});
        EXPECT_NEAR(after / before, 1, step + 0.01) << width << "x" << height;
        EXPECT_LE(it.from.x + it.from.width, width);
        EXPECT_LE(it.from.y + it.from.height, height);
        EXPECT_GE(it.to.x, area.x);
        EXPECT_LE(it.to.x + it.to.width, area.x + area.width);
        EXPECT_GE(it.to.y, area.y);
        EXPECT_LE(it.to.y + it.to.height, area.y + area.height);
      }
    }
  }
}

TEST(LayoutNames, AreReadAsTheyAreWritten) {
  for (const auto kind : {LayoutKind::Grid, LayoutKind::Speaker, LayoutKind::Presenter,
                          LayoutKind::PictureInPicture}) {
    EXPECT_EQ(layout_of(name_of(kind)), kind);
  }
  EXPECT_EQ(layout_of("mosaic"), std::nullopt);
}

}  // namespace
}  // namespace parley::compose
