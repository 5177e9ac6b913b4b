#include "recorder/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/journal.h"
#include "recorder/names.h"

namespace parley::recorder {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

Manifest example() {
  Manifest manifest;
  manifest.info = {"rec_1", "seller", "rm_1", "A \"room\"\n", "se_1", 1'700'000'000'000};
  add_track(manifest.participants, {"tr_1", "pa_1", "alice", "Älice", "camera", {}});
  RecordedFile file{
      "pa_1-camera-1.webm", "pa_1", "alice", "camera", {"vp8", "opus"}, 20, 1'000, 4'711, "ab", 90};
  manifest.files.push_back({file, {{100, 250, "muted"}}});
  manifest.changes.push_back({600, "pip"});
  manifest.end_reason = "ended_by_host";
  manifest.extend_duration();
  return manifest;
}

TEST(Manifest, IsWrittenAsDocumented) {
  EXPECT_EQ(example().to_json(), R"({
  "schema": 1,
  "recording_id": "rec_1",
  "tenant": "seller",
  "room_id": "rm_1",
  "room_name": "A \"room\"\u000a",
  "session_id": "se_1",
  "started_ms": 1700000000000,
  "duration_ms": 1020,
  "size_bytes": 4711,
  "end_reason": "ended_by_host",
  "truncated": false,
  "failure": null,
  "participants": [
    {
      "participant_id": "pa_1",
      "identity": "alice",
      "name": "Älice",
      "tracks": [
        {
          "track_id": "tr_1",
          "source": "camera"
        }
      ]
    }
  ],
  "files": [
    {
      "name": "pa_1-camera-1.webm",
      "participant_id": "pa_1",
      "identity": "alice",
      "source": "camera",
      "codecs": [
        "vp8",
        "opus"
      ],
      "rotation": 90,
      "offset_ms": 20,
      "duration_ms": 1000,
      "size_bytes": 4711,
      "sha256": "ab",
      "gaps": [
        {
          "start_ms": 100,
          "ms": 250,
          "reason": "muted"
        }
      ]
    }
  ],
  "changes": [
    {
      "at_ms": 600,
      "what": "pip"
    }
  ]
}
)");
}

TEST(Manifest, SaysWhyARecordingFailed) {
  Manifest manifest;
  manifest.failure = Failed{"rec_1", "disk_full", "write: no space", {}};
  EXPECT_THAT(manifest.to_json(), testing::HasSubstr(R"("reason": "disk_full")"));
  EXPECT_THAT(manifest.to_json(), testing::HasSubstr(R"("files": [])"));
}

TEST(Manifest, NamesAParticipantOnceWithAllTracks) {
  std::vector<ManifestParticipant> participants;
  for (const char* id : {"tr_1", "tr_2", "tr_1"}) {
    add_track(participants, {id, "pa_1", "alice", "Alice", "camera", {}});
  }
  ASSERT_THAT(participants, SizeIs(1));
  EXPECT_THAT(participants[0].tracks, SizeIs(2));
}

std::string journal_text() {
  const Manifest m = example();
  return journal::recording_line(m.info) +
         journal::track_line({"tr_1", "pa_1", "alice", "Älice", "camera", {}}) +
         journal::file_line(m.files[0].file) +
         journal::gap_line(m.files[0].file.name, m.files[0].gaps[0]) +
         journal::change_line(m.changes[0]) + journal::end_line("ended_by_host", 1'020);
}

TEST(Journal, RemembersWhatTheManifestNeeds) {
  const auto contents = journal::parse(journal_text());
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->ended);
  Manifest manifest = contents->manifest;
  ASSERT_THAT(manifest.files, SizeIs(1));
  EXPECT_THAT(manifest.files[0].file.codecs, ElementsAre("vp8", "opus"));
  manifest.files[0].file.duration_ms = 1'000;
  manifest.files[0].file.size_bytes = 4'711;
  manifest.files[0].file.sha256 = "ab";
  EXPECT_EQ(manifest.to_json(), example().to_json());
}

// Left behind by a server that is older than this one.
TEST(Journal, KnowsFilesFromBeforeThereWereRotations) {
  const auto contents = journal::parse(journal::recording_line(example().info) +
                                       "file a.webm pa_1 alice camera vp8+opus 20\n");
  ASSERT_TRUE(contents);
  ASSERT_THAT(contents->manifest.files, SizeIs(1));
  EXPECT_EQ(contents->manifest.files[0].file.offset_ms, 20);
  EXPECT_EQ(contents->manifest.files[0].file.rotation, 0);
}

TEST(Journal, TellsThoseWhoFollowHowFarItIs) {
  const std::string journal = journal_text();
  const auto file = [](const std::string& name) {
    RecordedFile recorded;
    recorded.name = name;
    return journal::file_line(recorded);
  };
  const auto contents = journal::parse(
      journal + file("a.webm") + file("b.webm") + journal::closed_line("b.webm", 2'500),
      journal::whole_line("a.webm", {300, 9'000}) + journal::whole_line("b.webm", {310, 700}) +
          journal::reached_line(9'000) + "reached 9");
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->reached_ms, 9'000);
  ASSERT_THAT(contents->open, SizeIs(1)) << "b was closed since";
  EXPECT_EQ(contents->open.at("a.webm").header, 300U);
  EXPECT_EQ(contents->open.at("a.webm").bytes, 9'000U);
}

TEST(Journal, IsReadUpToWhereACrashCutIt) {
  const std::string text = journal_text();
  const std::size_t first_line = text.find('\n') + 1;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto contents = journal::parse(std::string_view{text}.substr(0, size));
    EXPECT_EQ(contents.has_value(), size >= first_line);
    EXPECT_FALSE(contents && contents->ended);
  }
}

TEST(Journal, TakesAnyBytesInNames) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (const std::string& text : {all, std::string{}, std::string{"%"}, std::string{"% 41"}}) {
    const auto contents =
        journal::parse(journal::recording_line({"rec", text, "rm", text, "se", -5}));
    ASSERT_TRUE(contents);
    EXPECT_EQ(contents->manifest.info.tenant, text);
    EXPECT_EQ(contents->manifest.info.room_name, text);
    EXPECT_EQ(contents->manifest.info.started_ms, -5);
  }
}

TEST(Names, AreIdsOrAreRefused) {
  EXPECT_TRUE(is_id("rec_Ab-9"));
  EXPECT_TRUE(is_id(std::string(64, 'a')));
  for (const std::string& bad :
       {std::string{}, std::string{".."}, std::string{"a/b"}, std::string{"a.b"},
        std::string(65, 'a'), std::string{"a\0b", 3}}) {
    EXPECT_FALSE(is_id(bad)) << bad;
  }
}

TEST(Names, OfAnythingBecomeHarmless) {
  EXPECT_EQ(sanitized("../../etc/passwd"), "______etc_passwd");
  EXPECT_EQ(sanitized(""), "_");
  EXPECT_EQ(sanitized(std::string(5'000, 'x')).size(), 64U);
  EXPECT_TRUE(is_id(sanitized("\xf0\x9f\x98\x80\0")));
}

}  // namespace
}  // namespace parley::recorder
