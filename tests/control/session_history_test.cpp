#include "control/session_history.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace parley::control {
namespace {

SessionRecord record(std::string id, std::int64_t started_ms, std::int64_t ended_ms) {
  SessionRecord one;
  one.id = std::move(id);
  one.tenant = "dealer";
  one.room_id = "room_1";
  one.room_name = "showroom";
  one.started_ms = started_ms;
  one.ended_ms = ended_ms;
  if (ended_ms != 0) one.end_reason = "departure_timeout";
  one.participants_peak = 2;
  one.participants_total = 3;
  return one;
}

std::vector<std::string> ids(const SessionHistory& history) {
  std::vector<std::string> all;
  history.for_each([&](const SessionRecord& one) { all.push_back(one.id); });
  return all;
}

TEST(SessionHistory, ARecordComesBackFromItsRow) {
  const SessionRecord before = record("sess_1", 1'000, 61'000);
  const auto after = SessionRecord::from_row(before.to_row());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->to_json().dump(), before.to_json().dump());
  EXPECT_FALSE(SessionRecord::from_row({"session", "sess_1", "dealer", "[1]", 1'000}));
}

TEST(SessionHistory, ToldByAgeAndFoundById) {
  SessionHistory history;
  history.remember(record("b", 2'000, 0));
  history.remember(record("a", 3'000, 0));
  history.remember(record("c", 1'000, 1'500));
  EXPECT_EQ(ids(history), (std::vector<std::string>{"c", "b", "a"}));
  ASSERT_NE(history.find("b"), nullptr);
  EXPECT_EQ(history.find("b")->started_ms, 2'000);
  EXPECT_EQ(history.find("d"), nullptr);
  EXPECT_EQ(history.complete_from_ms(), 0);
}

TEST(SessionHistory, OfTooManyTheOldestThatHasEndedIsForgotten) {
  SessionHistory history(2);
  std::vector<std::string> forgotten;
  history.on_forgotten = [&](const std::string& id) { forgotten.push_back(id); };
  history.remember(record("runs", 1'000, 0));
  history.remember(record("first", 2'000, 2'500));
  history.remember(record("second", 3'000, 3'500));
  EXPECT_EQ(ids(history), (std::vector<std::string>{"runs", "second"}));
  EXPECT_EQ(forgotten, std::vector<std::string>{"first"});
  EXPECT_EQ(history.complete_from_ms(), 2'001);
}

TEST(SessionHistory, WhatRunsStaysHoweverManyThereAre) {
  SessionHistory history(2);
  for (int i = 1; i <= 4; ++i) history.remember(record(std::to_string(i), i * 1'000, 0));
  EXPECT_EQ(ids(history).size(), 4U);
  history.find("3")->ended_ms = 9'000;
  history.remember(record("5", 10'000, 0));
  EXPECT_EQ(ids(history), (std::vector<std::string>{"1", "2", "4", "5"}));
}

}  // namespace
}  // namespace parley::control
