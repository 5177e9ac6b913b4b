#include "control/uploading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// An uploader that does what the test says, on virtual time.
class UploadingTest : public testing::Test {
 protected:
  struct Started {
    ProcessQueue::Job job;
    ChildProcess::Events events;
  };
  void advance(rtp::Duration by) {
    now += by;
    timers.run(now);
  }
  void done(std::size_t which) {
    started.at(which).events.on_line(R"({"stage":"done","size_bytes":77,"files":[]})");
    started.at(which).events.on_end({0, 0});
  }
  void fails(std::size_t which, const std::string& reason) {
    started.at(which).events.on_line(R"({"stage":"failed","reason":")" + reason +
                                     R"(","detail":"because"})");
    started.at(which).events.on_end({1, 0});
  }

  rtp::Time now{seconds(100)};
  Timers timers;
  std::vector<Started> started;
  bool no_program = false;
  std::vector<std::string> told;
  Uploading uploading{timers,
                      [this] { return now; },
                      [this](const ProcessQueue::Job& job, ChildProcess::Events events)
                          -> tl::expected<std::unique_ptr<ChildProcess>, std::string> {
                        if (no_program) return tl::unexpected(std::string("no such file"));
                        started.push_back({job, std::move(events)});
                        return nullptr;
                      },
                      2,
                      seconds(30),
                      {[this](const std::string& id, const Uploading::UploadedFiles&) {
                         told.push_back(id + " uploaded");
                       },
                       [this](const std::string& id, const std::string& reason,
                              const std::string&) { told.push_back(id + " delayed " + reason); },
                       [this](const std::string& id, const std::string& reason,
                              const std::string&) { told.push_back(id + " failed " + reason); },
                       [this](const std::string& id) { told.push_back(id + " deleted"); }}};
};

TEST_F(UploadingTest, SomeAtATime) {
  for (const char* id : {"a", "b", "c"}) uploading.upload(id, "p/");
  ASSERT_EQ(started.size(), 2U);
  EXPECT_THAT(started[0].job.arguments, ElementsAre("--key-prefix", "p/"));
  done(1);
  ASSERT_EQ(started.size(), 3U);
  done(2);
  done(0);
  EXPECT_THAT(told, ElementsAre("b uploaded", "c uploaded", "a uploaded"));
  EXPECT_EQ(uploading.stats().bytes, 231U);
}

TEST_F(UploadingTest, AStoreThatIsAwayIsAskedAgainForAsLongAsItTakes) {
  uploading.upload("a", "p/");
  rtp::Duration waited{};
  for (std::size_t tries = 0; waited < std::chrono::hours(24); ++tries) {
    ASSERT_EQ(started.size(), tries + 1);
    fails(tries, "store_unavailable");
    const rtp::Duration pause = std::min<rtp::Duration>(
        seconds(30) * (1 << std::min<std::size_t>(tries, 8)), Uploading::kLongestPause);
    advance(pause - seconds(1));
    EXPECT_EQ(started.size(), tries + 1) << "not before " << tries;
    advance(seconds(1));
    waited += pause;
  }
  EXPECT_THAT(told, ElementsAre("a delayed store_unavailable")) << "once";
  done(started.size() - 1);
  EXPECT_EQ(told.back(), "a uploaded");
}

TEST_F(UploadingTest, WhatIsDamagedHereIsGivenUp) {
  uploading.upload("a", "p/");
  fails(0, "local_damaged");
  EXPECT_THAT(told, ElementsAre("a failed local_damaged"));
  advance(std::chrono::hours(1));
  EXPECT_EQ(started.size(), 1U);
}

TEST_F(UploadingTest, DeletingEndsTheUploadAndTakesItsPlace) {
  uploading.upload("a", "p/");
  uploading.remove("a", "p/", {"x.webm", "manifest.json"});
  ASSERT_EQ(started.size(), 2U);
  EXPECT_THAT(started[1].job.arguments,
              ElementsAre("--key-prefix", "p/", "--delete", "x.webm", "manifest.json"));
  done(0);  // the one that was killed may have said so before
  EXPECT_THAT(told, IsEmpty());
  done(1);
  EXPECT_THAT(told, ElementsAre("a deleted"));
}

TEST_F(UploadingTest, AnUploadThatIsAskedForAgainBeginsAnew) {
  uploading.upload("a", "p/");
  uploading.upload("a", "p/");
  ASSERT_EQ(started.size(), 2U);
  done(0);
  EXPECT_THAT(told, IsEmpty()) << "there was more in the folder by then";
  done(1);
  EXPECT_THAT(told, ElementsAre("a uploaded"));
}

TEST_F(UploadingTest, ManyJobsWithoutAProgramAreAllTriedAgain) {
  no_program = true;
  for (int i = 0; i < 20'000; ++i) uploading.upload(std::to_string(i), "p/");
  EXPECT_EQ(uploading.stats().waiting, 20'000U);
  no_program = false;
  advance(seconds(30));
  EXPECT_EQ(started.size(), 2U);
  EXPECT_THAT(told, Contains("19999 delayed not_started"));
}

}  // namespace
}  // namespace parley::control
