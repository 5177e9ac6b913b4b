#include "server/metrics.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/counters.h"

namespace parley::server {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, RendersWhatCallbacksSayNow) {
  Metrics metrics;
  double rooms = 1;
  metrics.gauge("parley_rooms", "Rooms open.", [&rooms] { return rooms; });
  EXPECT_THAT(metrics.render(), HasSubstr("parley_rooms 1"));
  rooms = 2;
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("# HELP parley_rooms Rooms open."));
  EXPECT_THAT(text, HasSubstr("# TYPE parley_rooms gauge"));
  EXPECT_THAT(text, HasSubstr("parley_rooms 2"));
}

TEST(Metrics, PutsSeriesOfOneNameIntoOneFamily) {
  Metrics metrics;
  metrics.counter("parley_joins_total", "Joins.", [] { return 3.0; }, {{"result", "ok"}});
  metrics.counter("parley_joins_total", "Joins.", [] { return 4.0; }, {{"result", "refused"}});
  const std::string text = metrics.render();
  EXPECT_EQ(text.find("# TYPE parley_joins_total"), text.rfind("# TYPE parley_joins_total"));
  EXPECT_THAT(text, HasSubstr("parley_joins_total{result=\"ok\"} 3"));
  EXPECT_THAT(text, HasSubstr("parley_joins_total{result=\"refused\"} 4"));
}

TEST(Metrics, ExportsAWorkersCountersWithTheirReasons) {
  WorkerCounters counters;
  counters.packets_in.add(5);
  counters.drop(Drop::StunAuth, 2);
  counters.turn.add(std::chrono::microseconds(20));
  counters.turn.add(std::chrono::seconds(5));
  Metrics metrics;
  metrics.add_worker(3, counters);
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("parley_worker_packets_in_total{worker=\"3\"} 5"));
  EXPECT_THAT(text, HasSubstr("parley_worker_drops_total{worker=\"3\",reason=\"stun_auth\"} 2"));
  EXPECT_THAT(text, HasSubstr("parley_worker_turn_seconds_count{worker=\"3\"} 2"));
  EXPECT_THAT(text, HasSubstr("parley_worker_turn_seconds_bucket{worker=\"3\",le=\"+Inf\"} 2"));
}

TEST(Counters, EveryDropReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Drop::Count_); ++i) {
    names.insert(name_of(static_cast<Drop>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Drop::Count_));
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace parley::server
