#include "recorder/compose/note.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/upload/uploader.h"
#include "tests/recorder/support.h"

namespace parley::compose {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  const auto files = upload::files_in(text_of(folder / "manifest.json"));
  if (!files) return {files.error().detail};
  for (const upload::LocalFile& file : *files) names.push_back(file.name);
  return names;
}

// Whoever uploads in between must not look for what is just being replaced.
TEST(Note, IsTakenOutOfTheManifestBeforeItsFileIsReplaced) {
  const recorder::test::TemporaryFolder folder;
  std::ofstream(folder.path() / "manifest.json")
      << R"({"schema":1,"room_name":"kept","files":[{"name":"a.webm","size_bytes":1,"sha256":"00"}]})";
  const auto made = [&](const char* name) {
    std::ofstream(folder.path() / name) << "film";
    return Composed{folder.path() / name, std::chrono::seconds(1), 4, "ab", {}};
  };
  ASSERT_TRUE(note_composite(folder.path(), {"composite.mp4", "one"}, made("composite.mp4")));
  ASSERT_TRUE(
      note_composite(folder.path(), {"composite-sound.mp4", "two"}, made("composite-sound.mp4")));
  EXPECT_TRUE(noted_composite(folder.path(), {"composite.mp4", "one"}).has_value());

  ASSERT_TRUE(forget_composite(folder.path(), "composite.mp4"));
  EXPECT_FALSE(noted_composite(folder.path(), {"composite.mp4", "one"}).has_value());
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a.webm", "composite-sound.mp4"));
  EXPECT_THAT(text_of(folder.path() / "manifest.json"), HasSubstr("kept"));
  EXPECT_TRUE(forget_composite(folder.path(), "composite.mp4")) << "nothing to forget";
}

}  // namespace
}  // namespace parley::compose
