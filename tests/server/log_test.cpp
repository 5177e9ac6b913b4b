#include "server/log.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::server {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::internal::CaptureStderr(); }
  // Everything written since; ends the log, so its queue is empty.
  std::string written() {
    log::stop();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, WritesAnEventWithItsFieldsAsText) {
  log::start({});
  log::info("peer_connected",
            {{"room", std::uint64_t{7}}, {"ok", true}, {"loss", 0.5}, {"name", "Ann"}});
  EXPECT_THAT(written(), HasSubstr("info  peer_connected room=7 ok=true loss=0.5 name=Ann\n"));
}

TEST_F(LogTest, WritesJsonLines) {
  config::Log config;
  config.format = config::LogFormat::Json;
  log::start(config);
  log::warn("disk_slow", {{"ms", -3}, {"path", std::string("a \"b\"\n")}});
  const std::string text = written();
  EXPECT_THAT(text, HasSubstr(R"("level":"warning","event":"disk_slow","ms":-3,)"));
  EXPECT_THAT(text, HasSubstr(R"("path":"a \"b\"\u000a"})"));
}

TEST_F(LogTest, ANameCannotForgeALine) {
  log::start({});
  log::info("joined", {{"name", "x\nerror forged level=bad"}});
  const std::string text = written();
  EXPECT_THAT(text, HasSubstr(R"(name="x\u000aerror forged level=bad")"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_F(LogTest, LeavesOutLinesBelowItsLevel) {
  config::Log config;
  config.level = config::LogLevel::Warn;
  log::start(config);
  log::info("quiet");
  log::error("loud");
  EXPECT_THAT(written(), ::testing::AllOf(Not(HasSubstr("quiet")), HasSubstr("loud")));
}

TEST_F(LogTest, LimitsProvokedLinesToOneASecond) {
  log::start({});
  for (int i = 0; i < 1000; ++i) log::limited("bad_stun", {{"i", i}});
  const std::string text = written();
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, HasSubstr("bad_stun i=0"));
}

TEST_F(LogTest, WorksBeforeItWasStarted) {
  log::info("early");
  EXPECT_THAT(written(), HasSubstr("early"));
}

}  // namespace
}  // namespace parley::server
