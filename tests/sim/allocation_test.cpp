#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

// Counts what the worker allocates; all of this program's memory goes this way.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (parley::sim::worker_running) ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace parley::sim {
namespace {

TEST(Allocation, TheSteadyStateAllocatesNothing) {
  Sim sim(41);
  sim.turn = milliseconds(5);  // so that several packets come at once
  PeerOptions options{.layers = 3, .audio_slots = 2, .video_slots = 2};
  // With loss, so that NACK, RTX and key frame requests are in it, too.
  options.up = options.down = {.loss = 0.02, .delay = milliseconds(15)};
  std::array<SimPeer*, 3> peers{};
  for (SimPeer*& peer : peers) peer = &sim.add_peer(options);
  for (SimPeer* peer : peers) sim.assign_all(*peer);
  ASSERT_TRUE(sim.connect_all());
  // Who speaks is told when it changes.
  for (std::size_t i = 0; i < peers.size(); ++i) {
    peers[i]->audio.set_level(static_cast<std::uint8_t>(20 + 20 * i), true);
  }
  sim.run_for(seconds(5));
  ASSERT_GT(allocations, 0U);  // the counter counts

  allocations = 0;
  const std::uint64_t media = sim.counters.media_out.value();
  const std::uint64_t rtx = sim.counters.rtx_out.value();
  sim.run_for(seconds(5));
  EXPECT_GT(sim.counters.media_out.value() - media, 4'000U);
  EXPECT_GT(sim.counters.rtx_out.value() - rtx, 50U);
  EXPECT_EQ(allocations, 0U);
}

TEST(Allocation, ATrackThatCrossesToAnotherWorkerAllocatesNothing) {
  Sim sim(42, {}, 2);
  SimPeer& publisher = sim.add_peer({});
  sim.mirror(publisher, 1);
  for (int i = 0; i < 3; ++i) {
    SimPeer& viewer = sim.add_peer(
        {.audio = false, .video = false, .audio_slots = 1, .video_slots = 1, .worker = 1});
    sim.assign_all(viewer);
  }
  ASSERT_TRUE(sim.connect_all());
  sim.run_for(seconds(5));

  allocations = 0;
  const std::uint64_t crossed = sim.counters_of(1).relayed_in.value();
  sim.run_for(seconds(5));
  EXPECT_GT(sim.counters_of(1).relayed_in.value() - crossed, 500U);
  EXPECT_EQ(allocations, 0U);
}

}  // namespace
}  // namespace parley::sim
