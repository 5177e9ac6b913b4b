#include "control/composing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/loop.h"

namespace parley::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A composer that does what the test says, on virtual time.
class ComposingTest : public testing::Test {
 protected:
  struct Started {
    ComposeJob job;
    ChildProcess::Events events;
  };
  void advance(rtp::Duration by) {
    now += by;
    timers.run(now);
  }
  void print(std::size_t which, const std::string& line) { started[which].events.on_line(line); }
  void end(std::size_t which, ChildProcess::End how) { started[which].events.on_end(how); }

  rtp::Time now{std::chrono::seconds(100)};
  Timers timers;
  std::vector<Started> started;
  bool no_program = false;
  std::vector<std::string> told;
  Composing composing{
      timers,
      [this] { return now; },
      [this](const ComposeJob& job, ChildProcess::Events events)
          -> tl::expected<std::unique_ptr<ChildProcess>, std::string> {
        if (no_program) return tl::unexpected(std::string("no such file or directory"));
        started.push_back({job, std::move(events)});
        return nullptr;
      },
      {1, 1},
      {[this](const std::string& id, int percent) {
         told.push_back(id + " " + std::to_string(percent) + "%");
       },
       [this](const std::string& id, const ComposedFile& file) {
         told.push_back(id + " " + file.name + " " + std::to_string(file.size_bytes));
       },
       [this](const std::string& id, const std::string& reason, const std::string& detail) {
         told.push_back(id + " failed: " + reason + ", " + detail);
       }}};
  static constexpr const char* kDone =
      R"({"stage":"done","file":"composite.mp4","length_ms":9000,"size_bytes":77,"sha256":"ab"})";
};

TEST_F(ComposingTest, OneAfterTheOtherInTheOrderOfTheirEnds) {
  for (const char* id : {"a", "b", "c"}) composing.add({id, {}});
  composing.add({"b", {}});  // is there already
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(composing.stats().waiting, 2U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(started.size(), i + 1);
    print(i, kDone);
    end(i, {0, 0});
  }
  EXPECT_THAT(told, ElementsAre("a composite.mp4 77", "b composite.mp4 77", "c composite.mp4 77"));
  EXPECT_EQ(started.size(), 3U);
  EXPECT_EQ(composing.stats().composed, 3U);
}

TEST_F(ComposingTest, ProgressRisesOverAllStages) {
  composing.add({"a", {}});
  for (const char* line : {R"({"stage":"sound","done_ms":4000,"length_ms":10000})",
                           R"({"stage":"picture","done_ms":5000,"length_ms":10000})",
                           R"({"stage":"picture","done_ms":4000,"length_ms":10000})", "no JSON",
                           R"({"stage":"join","done_ms":99999,"length_ms":10000})"}) {
    print(0, line);
  }
  EXPECT_THAT(told, ElementsAre("a 2%", "a 50%", "a 100%"));
}

TEST_F(ComposingTest, WhoIsKilledIsStartedAgainAndThenGivenUp) {
  composing.add({"a", {}});
  for (std::size_t i = 0; i < 2; ++i) {
    end(i, {0, 9});
    EXPECT_EQ(started.size(), i + 1) << "not at once";
    advance(Composing::kAfterCrash);
    ASSERT_EQ(started.size(), i + 2);
  }
  EXPECT_TRUE(told.empty());
  end(2, {0, 9});
  EXPECT_THAT(told, ElementsAre("a failed: crashed, signal 9"));
  advance(std::chrono::hours(1));
  EXPECT_EQ(started.size(), 3U);
}

TEST_F(ComposingTest, AFullDiskIsTriedAgainForAnHour) {
  composing.add({"a", {}});
  composing.add({"b", {}});
  const std::string full = R"({"stage":"failed","reason":"disk_full","detail":"no room"})";
  print(0, full);
  end(0, {1, 0});
  ASSERT_EQ(started.size(), 2U) << "the others meanwhile";
  EXPECT_EQ(started[1].job.recording_id, "b");
  print(1, kDone);
  end(1, {0, 0});
  for (std::size_t i = 2; i <= Composing::kDelays; ++i) {
    advance(Composing::kAfterDelay);
    ASSERT_EQ(started.size(), i + 1);
    print(i, full);
    end(i, {1, 0});
  }
  EXPECT_THAT(told, ElementsAre("b composite.mp4 77", "a failed: disk_full, no room"));
}

TEST_F(ComposingTest, WhoSaysNothingForAnHourIsStartedAgain) {
  composing.add({"a", {}});
  advance(ProcessQueue::kSilence - std::chrono::seconds(1));
  print(0, R"({"stage":"sound","done_ms":1,"length_ms":10})");
  advance(ProcessQueue::kSilence - std::chrono::seconds(1));
  EXPECT_EQ(composing.stats().running, 1U);
  advance(std::chrono::seconds(1));
  EXPECT_EQ(composing.stats().running, 0U);
  advance(Composing::kAfterCrash);
  EXPECT_EQ(started.size(), 2U);
}

TEST_F(ComposingTest, WhatIsWrongWithTheRecordingIsToldAtOnce) {
  composing.add({"a", {}});
  print(0, R"({"stage":"failed","reason":"bad_manifest","detail":"it lists no files"})");
  end(0, {1, 0});
  EXPECT_THAT(told, ElementsAre("a failed: bad_manifest, it lists no files"));
}

TEST_F(ComposingTest, AProgramThatComesBackIsStartedForAllThatWait) {
  no_program = true;
  for (const char* id : {"a", "b"}) composing.add({id, {}});
  EXPECT_TRUE(told.empty());
  no_program = false;
  advance(Composing::kAfterDelay);
  ASSERT_EQ(started.size(), 1U);
  print(0, kDone);
  end(0, {0, 0});
  ASSERT_EQ(started.size(), 2U);
}

TEST_F(ComposingTest, AProgramThatIsNotThereForAnHourIsNamed) {
  no_program = true;
  composing.add({"a", {}});
  for (int i = 0; i < Composing::kDelays; ++i) advance(Composing::kAfterDelay);
  EXPECT_THAT(told, ElementsAre("a failed: not_started, no such file or directory"));
}

TEST_F(ComposingTest, ALiveOneRunsBesideTheOthersAndWhatItLeavesWaitsForNone) {
  composing.add({"old", {}});
  composing.follow({"new", {"--live"}});
  ASSERT_EQ(started.size(), 2U);
  EXPECT_EQ(composing.stats().live, 1U);
  EXPECT_EQ(composing.stats().running, 1U);
  print(1, kDone);
  end(1, {0, 0});
  EXPECT_TRUE(told.empty()) << "its recording is not known to be over";
  composing.add({"new", {"--live"}});
  ASSERT_EQ(started.size(), 3U);
  print(2, kDone);
  end(2, {0, 0});
  EXPECT_THAT(told, ElementsAre("new composite.mp4 77"));
}

TEST_F(ComposingTest, ALiveOneThatIsKilledIsStartedAgainThreeTimesAndNobodyIsTold) {
  composing.follow({"a", {"--live"}});
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(started.size(), i + 1);
    end(i, {0, 9});
    advance(Composing::kAfterCrash);
  }
  EXPECT_EQ(started.size(), 3U);
  EXPECT_TRUE(told.empty());
}

TEST_F(ComposingTest, ALiveOneThatSaysSomethingMayBeKilledAsOftenAsItIs) {
  composing.follow({"a", {"--live"}});
  for (std::size_t i = 0; i < 9; ++i) {
    ASSERT_EQ(started.size(), i + 1);
    print(i, R"({"stage":"live","done_ms":1,"length_ms":1})");
    end(i, {0, 9});
    advance(Composing::kAfterCrash);
  }
}

TEST_F(ComposingTest, AfterStopNothingIsStarted) {
  composing.add({"a", {}});
  composing.add({"b", {}});
  composing.stop();
  advance(std::chrono::hours(1));
  EXPECT_EQ(started.size(), 1U);
}

class ChildProcessTest : public testing::Test {
 protected:
  // What /bin/sh prints and how it ends.
  void run(const std::string& script) {
    auto started = ChildProcess::start(loop, "/bin/sh", {"-c", script},
                                       {[this](std::string_view line) { lines.emplace_back(line); },
                                        [this](ChildProcess::End how) {
                                          end = how;
                                          child.reset();  // from within
                                          loop.stop();
                                        }});
    ASSERT_TRUE(started.has_value()) << started.error();
    child = std::move(*started);
    loop.run();
  }
  server::Loop loop;
  std::unique_ptr<ChildProcess> child;
  std::vector<std::string> lines;
  ChildProcess::End end;
};

TEST_F(ChildProcessTest, GivesItsLinesAndItsEnd) {
  run("echo one; printf 'tw'; printf 'o\\n'; echo to nobody >&2; printf half; exit 3");
  EXPECT_THAT(lines, ElementsAre("one", "two"));
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
}

TEST_F(ChildProcessTest, SaysWhatKilledIt) {
  run("kill -9 $$");
  EXPECT_EQ(end.signal, 9);
}

TEST_F(ChildProcessTest, LeavesOutLinesThatAreTooLong) {
  run("head -c 70000 /dev/zero | tr '\\0' x; echo; echo after");
  EXPECT_THAT(lines, ElementsAre("after"));
}

TEST_F(ChildProcessTest, IsKilledByItsOwnersEnd) {
  std::string pid;
  auto started = ChildProcess::start(loop, "/bin/sh", {"-c", "echo $$; exec sleep 600"},
                                     {[&](std::string_view line) {
                                        pid = line;
                                        child.reset();
                                        loop.stop();
                                      },
                                      {}});
  ASSERT_TRUE(started.has_value());
  child = std::move(*started);
  loop.run();
  EXPECT_FALSE(pid.empty());
  // The loop's end waits for it: a sleep that lived on would keep this test for ten minutes.
}

TEST_F(ChildProcessTest, AProgramThatIsNotThereIsAnError) {
  const auto started = ChildProcess::start(loop, "/nowhere/parley-compose", {}, {});
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error(), HasSubstr("no such file"));
}

}  // namespace
}  // namespace parley::control
