#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::RoomTraffic;
using server::Traffic;

constexpr PeerOptions kWatcher{
    .audio = false, .video = false, .audio_slots = 1, .video_slots = 1, .down = {.loss = 0.02}};

struct TrafficTest : ::testing::Test {
  TrafficTest() {
    sim.assign_all(watcher);
    connected = sim.connect_all();
    sim.run_for(seconds(5));
  }
  [[nodiscard]] RoomTraffic last_word() const { return sim.events_of<RoomTraffic>().back(); }

  Sim sim{91};
  SimPeer& publisher = sim.add_peer({.up = {.loss = 0.02}});
  SimPeer& watcher = sim.add_peer(kWatcher);
  bool connected = false;
};

TEST_F(TrafficTest, IsToldOnceASecondAndCountsWhatWasSentAgainOnce) {
  ASSERT_TRUE(connected);
  const auto words = sim.events_of<RoomTraffic>();
  EXPECT_GE(words.size(), 5U);
  EXPECT_LE(words.size(), 7U);
  for (std::size_t i = 1; i < words.size(); ++i) {
    EXPECT_GT(words[i].total.bytes_in, words[i - 1].total.bytes_in);
    EXPECT_FALSE(words[i].last);
  }
  EXPECT_GT(sim.counters.rtx_in.value(), 0U);
  EXPECT_GT(sim.counters.rtx_out.value(), 0U);
  // The one who watches gets what the other sends, from the first key frame on.
  const Traffic total = words.back().total;
  EXPECT_LE(total.bytes_out, total.bytes_in);
  EXPECT_GE(total.bytes_out * 10, total.bytes_in * 9);
}

TEST_F(TrafficTest, KeepsWhatBelongsToTracksAndSlotsThatAreGone) {
  const Traffic before = last_word().total;
  server::PeerParams params = watcher.params();
  params.slots.clear();
  sim.command(server::SetPeer{server::RoomId{1}, watcher.id(), params});
  params = publisher.params();
  params.publishes.clear();
  sim.command(server::SetPeer{server::RoomId{1}, publisher.id(), params});
  sim.run_for(seconds(2));
  const Traffic after = last_word().total;
  EXPECT_GE(after.bytes_in, before.bytes_in);
  EXPECT_GE(after.bytes_out, before.bytes_out);
}

TEST_F(TrafficTest, KeepsWhatBelongsToPeersThatHaveGone) {
  const Traffic before = last_word().total;
  sim.run_for(milliseconds(500));
  sim.command(server::RemovePeer{watcher.id()});
  sim.run_for(milliseconds(500));
  sim.command(server::RemovePeer{publisher.id()});
  const Traffic after = last_word().total;  // nobody is left: at once
  EXPECT_GT(after.bytes_in, before.bytes_in);
  EXPECT_GT(after.bytes_out, before.bytes_out);
  sim.command(server::CloseRoom{server::RoomId{1}});
  EXPECT_TRUE(last_word().last);
  EXPECT_EQ(last_word().total, after);
}

TEST_F(TrafficTest, ClosingTheRoomHasTheLastWord) {
  const Traffic before = last_word().total;
  sim.run_for(milliseconds(500));
  sim.command(server::CloseRoom{server::RoomId{1}});
  EXPECT_TRUE(last_word().last);
  EXPECT_GT(last_word().total.bytes_in, before.bytes_in);
  EXPECT_GT(last_word().total.bytes_out, before.bytes_out);
}

}  // namespace
}  // namespace parley::sim
