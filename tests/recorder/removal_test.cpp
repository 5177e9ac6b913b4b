// What cannot be removed from the disk is told, with the reason.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/recorder/recorder_fixture.h"

namespace parley::recorder::test {
namespace {

TEST(Removal, ThatFailsSaysWhy) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "no folder";
  std::ofstream(file) << "x";
  Events events;
  Recorder recorder{config_in(file), events.sink()};
  EXPECT_FALSE(recorder.remove("rec_1"));
  const auto event = events.next();
  ASSERT_TRUE(event);
  const auto* left = std::get_if<NotRemoved>(&*event);
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(left->recording_id, "rec_1");
  EXPECT_EQ(left->detail, "rename: Not a directory");
}

TEST(Removal, ThatAPowerCutMayUndoIsNotTold) {
  const TemporaryFolder folder;
  const auto gone = folder.path() / "gone";
  Events events;
  Recorder recorder{config_in(gone), events.sink()};
  EXPECT_TRUE(recorder.remove("rec_1"));
  const auto event = events.next();
  ASSERT_TRUE(event);
  EXPECT_TRUE(std::holds_alternative<NotRemoved>(*event)) << "its directory cannot be synced";
}

}  // namespace
}  // namespace parley::recorder::test
