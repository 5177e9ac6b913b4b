#include "recorder/compose/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/manifest.h"

namespace parley::compose {
namespace {

using std::chrono::milliseconds;

// Alice for ten seconds with her screen from the third on, and Bob's sound from the fourth to the
// eighth.
recorder::Manifest recorded() {
  recorder::Manifest manifest;
  manifest.info.recording_id = "rec_1";
  manifest.duration_ms = 10'000;
  manifest.participants = {{"pa_a", "alice", "Alice", {}}, {"pa_b", "bob", "", {}}};
  const auto file = [](const char* name, const char* who, const char* source,
                       std::vector<std::string> codecs, std::int64_t offset, std::int64_t length) {
    recorder::ManifestFile entry;
    entry.file.name = name;
    entry.file.participant_id = who;
    entry.file.source = source;
    entry.file.codecs = std::move(codecs);
    entry.file.offset_ms = offset;
    entry.file.duration_ms = length;
    return entry;
  };
  manifest.files = {file("b.webm", "pa_b", "camera", {"opus"}, 4'000, 4'000),
                    file("a.webm", "pa_a", "camera", {"vp8", "opus"}, 0, 10'000),
                    file("a-screen.webm", "pa_a", "screen_share", {"vp8"}, 3'000, 7'000)};
  return manifest;
}

TEST(Plan, IsWhatTheRecorderWrote) {
  const auto plan = plan_of(recorded().to_json(), "folder");
  ASSERT_TRUE(plan.has_value()) << plan.error().detail;
  EXPECT_EQ(plan->length, milliseconds(10'000));
  ASSERT_EQ(plan->files.size(), 3U);
  EXPECT_EQ(plan->files[0].path, "folder/a.webm");
  EXPECT_TRUE(plan->files[0].audio && plan->files[0].video);
  EXPECT_FALSE(plan->files[1].audio);
  EXPECT_TRUE(plan->files[2].audio && !plan->files[2].video);
  ASSERT_EQ(plan->tiles.size(), 3U);
  EXPECT_EQ(plan->tiles[plan->files[0].tile].name, "Alice");
  EXPECT_FALSE(plan->tiles[plan->files[0].tile].screen);
  EXPECT_TRUE(plan->tiles[plan->files[1].tile].screen);
  EXPECT_EQ(plan->tiles[plan->files[2].tile].name, "bob") << "who has no name";
}

TEST(Plan, AnyPartOfAManifestIsRefusedAndTakesNobodyDown) {
  const std::string whole = recorded().to_json();
  const std::size_t end = whole.rfind('}');
  for (std::size_t length = 0; length <= end; ++length) {
    const auto plan = plan_of(whole.substr(0, length), "folder");
    ASSERT_FALSE(plan.has_value());
    EXPECT_EQ(plan.error().reason, "bad_manifest");
  }
}

TEST(Plan, WhatMakesNoSenseIsNamed) {
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = recorded().to_json();
    text.replace(text.find(from), from.size(), to);
    const auto plan = plan_of(text, "folder");
    return plan ? std::string() : plan.error().detail;
  };
  EXPECT_THAT(changed("a.webm", "../../secret.webm"), testing::HasSubstr("none of ours"));
  EXPECT_THAT(changed("\"schema\": 1", "\"schema\": 2"), testing::HasSubstr("schema"));
  EXPECT_THAT(changed("\"duration_ms\": 10000", "\"duration_ms\": -1"),
              testing::HasSubstr("duration_ms"));
  EXPECT_THAT(changed("\"duration_ms\": 10000", "\"duration_ms\": 99999999999999"),
              testing::HasSubstr("duration_ms"));
  EXPECT_THAT(changed("\"offset_ms\": 3000", "\"offset_ms\": \"x\""),
              testing::HasSubstr("a-screen.webm: offset_ms"));
}

TEST(Plan, OfAFolderWithoutOneSaysWhatToDo) {
  const auto plan = read_plan("/nowhere");
  ASSERT_FALSE(plan.has_value());
  EXPECT_THAT(plan.error().detail, testing::HasSubstr("folder of a finished recording"));
}

TEST(Plan, TilesAreNumberedAsTheyAppearAndShownInTheOrderOfPeople) {
  const std::string files =
      R"("participants":[{"participant_id":"pa_2"},{"participant_id":"pa_1"}],)"
      R"("files":[{"name":"b.webm","participant_id":"pa_2","codecs":["vp8"],"offset_ms":500,"duration_ms":9},)"
      R"({"name":"a.webm","participant_id":"pa_1","codecs":["vp8"],"offset_ms":100,"duration_ms":9}])";
  const auto plan = plan_of(R"({"schema":1,"duration_ms":1000,)" + files + "}", "folder");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->files[0].path, "folder/a.webm");
  EXPECT_EQ(plan->files[0].tile, 0U);
  EXPECT_EQ(plan->tiles[0].participant_id, "pa_1");
  EXPECT_LT(plan->tiles[1].place, plan->tiles[0].place);
}

TEST(Plan, KnowsLayoutsAndPauses) {
  const auto changes = [](const std::string& list) {
    return plan_of(R"({"schema":1,"duration_ms":9000,"files":[{"name":"a.webm","codecs":["vp8"],)"
                   R"("offset_ms":0,"duration_ms":9}],"changes":)" +
                       list + "}",
                   "folder");
  };
  const auto plan = changes(
      R"([{"at_ms":1000,"what":"pause"},{"at_ms":2000,"what":"resume"},{"at_ms":3000,"what":"pip"},)"
      R"({"at_ms":4000,"what":"pause"}])");
  ASSERT_TRUE(plan);
  using std::chrono::seconds;
  EXPECT_THAT(pauses_of(*plan),
              testing::ElementsAre(Pause{seconds(1), seconds(2)}, Pause{seconds(4), seconds(9)}));
  EXPECT_FALSE(changes(R"([{"at_ms":2000,"what":"pip"},{"at_ms":1000,"what":"grid"}])"));
  EXPECT_FALSE(changes(R"([7])"));
}

TEST(Pauses, AreLeftOutOfTheTimeLine) {
  const std::vector<Pause> pauses{{milliseconds(1'000), milliseconds(2'000)},
                                  {milliseconds(5'000), milliseconds(9'000)}};
  EXPECT_EQ(without(pauses, milliseconds(500)), milliseconds(500));
  EXPECT_EQ(without(pauses, milliseconds(1'500)), milliseconds(1'000));
  EXPECT_EQ(without(pauses, milliseconds(3'000)), milliseconds(2'000));
  EXPECT_EQ(without(pauses, milliseconds(9'500)), milliseconds(4'500));
  EXPECT_EQ(without({}, milliseconds(9'500)), milliseconds(9'500));
}

TEST(Pauses, MoveTheFilesBehindThem) {
  const Pause pause{milliseconds(2'000), milliseconds(4'000)};
  const Plan plan = without(std::span(&pause, 1), *plan_of(recorded().to_json(), "folder"));
  EXPECT_EQ(plan.length, milliseconds(8'000));
  ASSERT_EQ(plan.files.size(), 4U);
  const auto is = [&](std::size_t which, const char* name, int offset, int length, int skip) {
    const PlannedFile& file = plan.files[which];
    EXPECT_EQ(file.path.filename(), name);
    EXPECT_EQ(file.offset, milliseconds(offset)) << name;
    EXPECT_EQ(file.duration, milliseconds(length)) << name;
    EXPECT_EQ(file.skip, milliseconds(skip)) << name;
  };
  is(0, "a.webm", 0, 2'000, 0);
  is(1, "a.webm", 2'000, 6'000, 4'000);         // what went on over the pause
  is(2, "a-screen.webm", 2'000, 6'000, 1'000);  // what began in it
  is(3, "b.webm", 2'000, 4'000, 0);
}

}  // namespace
}  // namespace parley::compose
