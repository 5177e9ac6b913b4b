#include "recorder/compose/chapters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::compose {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

// A minute of Ada, Ben from 10 to 40 s with a moment away, Ada's screen from 40.5 to 50 s.
Plan call() {
  Plan plan;
  plan.length = seconds(60);
  plan.tiles = {{"pa_a", "Ada", false}, {"pa_b", "Ben", false}, {"pa_a", "Ada", true}};
  const auto file = [](std::size_t tile, milliseconds begin, milliseconds end) {
    return PlannedFile{"x.webm", tile, true, true, begin, end - begin};
  };
  plan.files = {file(0, seconds(0), seconds(60)), file(1, seconds(10), seconds(20)),
                file(1, seconds(22), seconds(40)), file(2, milliseconds(40'500), seconds(50))};
  return plan;
}

TEST(Chapters, WhoComesGoesAndSharesAScreen) {
  EXPECT_THAT(chapters_of(call(), {}),
              ElementsAre(Chapter{seconds(0), "Ada joins"}, Chapter{seconds(10), "Ben joins"},
                          Chapter{seconds(40), "Ben leaves, Ada shares a screen"},
                          Chapter{seconds(50), "Ada stops sharing"}));
}

TEST(Chapters, WhoSpeaksForLongAfterAnother) {
  Plan plan = call();
  plan.files.resize(2);
  plan.files[1].duration = seconds(50);
  Speakers speakers;
  const auto speak = [&](int for_s, float ada, float ben) {
    for (int i = 0; i < for_s * 5; ++i) speakers.add({ada, ben, 0});
  };
  speak(20, 0.1F, 0);
  speak(20, 0, 0.1F);
  speak(10, 0.1F, 0);  // not for long
  speak(10, 0, 0.1F);
  const auto chapters = chapters_of(plan, speakers);
  ASSERT_EQ(chapters.size(), 3U);
  EXPECT_EQ(chapters[2].title, "Ben speaks");
  EXPECT_NEAR(static_cast<double>(recorder::to_ms(chapters[2].at)), 20'800, 400);
}

TEST(Chapters, BeginAtTheStartWhoeverComesLater) {
  Plan plan = call();
  plan.files.erase(plan.files.begin());
  const auto chapters = chapters_of(plan, {});
  EXPECT_EQ(chapters[0], (Chapter{seconds(0), "Start"}));
  EXPECT_EQ(chapters[1].title, "Ben joins");
}

TEST(Chapters, AreWrittenAsWebVtt) {
  const std::vector<Chapter> chapters{{seconds(0), "A & <B>\nC --> D"},
                                      {milliseconds(3'723'004), "end"}};
  EXPECT_EQ(web_vtt(chapters, seconds(4'000)),
            "WEBVTT\n\n00:00:00.000 --> 01:02:03.004\nA &amp; &lt;B&gt; C --&gt; D\n\n"
            "01:02:03.004 --> 01:06:40.000\nend\n");
}

TEST(Chapters, HaveALimit) {
  Plan plan;
  plan.length = kLongestRecording;
  plan.tiles = {{"pa_a", "Ada", false}};
  for (int i = 0; i < 9'000; ++i) {
    plan.files.push_back({"x.webm", 0, true, true, seconds(10 * i), seconds(5)});
  }
  EXPECT_EQ(chapters_of(plan, {}).size(), 2'000U);
}

}  // namespace
}  // namespace parley::compose
