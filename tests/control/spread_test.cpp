#include <algorithm>

#include <gtest/gtest.h>

#include "tests/control/call_fixture.h"

namespace parley::control {
namespace {

// A room with more participants than one worker is to take: `config.workers.max_room_peers` is 1.
class Spread : public CallTest {
 protected:
  Spread() { config.workers.max_room_peers = 1; }

  // Where each command of a kind went.
  template <class Command>
  std::vector<std::size_t> workers_of() const {
    std::vector<std::size_t> found;
    for (const auto& [worker, command] : commands) {
      if (std::holds_alternative<Command>(command)) found.push_back(worker);
    }
    return found;
  }
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(Spread, TheSecondPeerGoesToTheOtherWorkerWithMirrorsOfWhatThereIs) {
  room();
  join(1, "ada");
  publish(1);
  EXPECT_THAT(workers_of<server::OpenRoom>(), ElementsAre(0U));
  EXPECT_THAT(workers_of<server::OpenMirror>(), IsEmpty());
  join(2, "ben");
  const Json answer = subscribe(2);
  EXPECT_THAT(workers_of<server::OpenRoom>(), ElementsAre(0U, 1U));
  EXPECT_THAT(workers_of<server::SetPeer>(), ElementsAre(0U, 1U));
  EXPECT_THAT(workers_of<server::OpenRelay>(), ElementsAre(0U, 0U));
  EXPECT_THAT(workers_of<server::OpenMirror>(), ElementsAre(1U, 1U));
  EXPECT_NE(answer.find("sdp")->as_string()->find("192.0.2.1 40001"), std::string::npos)
      << "the answer names the other worker's port";
  // The slots are filled there, and only after the mirrors are open.
  const auto is_of = [&](auto test) {
    return std::find_if(commands.begin(), commands.end(),
                        [&](const auto& entry) { return entry.first == 1 && test(entry.second); });
  };
  const auto mirror =
      is_of([](const server::Command& c) { return std::holds_alternative<server::OpenMirror>(c); });
  const auto assign =
      is_of([](const server::Command& c) { return std::holds_alternative<server::Assign>(c); });
  ASSERT_NE(assign, commands.end());
  EXPECT_LT(mirror, assign);
  // Both ends hold the same relay, and the mirror knows the track as its own worker does.
  const auto relays = commands_of<server::OpenRelay>();
  const auto mirrors = commands_of<server::OpenMirror>();
  for (std::size_t i = 0; i < relays.size(); ++i) {
    EXPECT_EQ(relays[i].relay, mirrors[i].relay);
    EXPECT_EQ(relays[i].track, mirrors[i].section.track);
    EXPECT_FALSE(mirrors[i].section.codecs.empty());
  }
}

TEST_F(Spread, WhatIsPublishedLaterIsMirroredAtOnceAndClosedWhenItEnds) {
  room();
  join(1, "ada");
  subscribe(1);
  join(2, "ben");
  publish(2);  // on worker 1
  EXPECT_THAT(workers_of<server::OpenRelay>(), ElementsAre(1U, 1U));
  EXPECT_THAT(workers_of<server::OpenMirror>(), ElementsAre(0U, 0U));
  commands.clear();
  ask(2, "leave");
  EXPECT_THAT(workers_of<server::CloseMirror>(), ElementsAre(0U, 0U));
  EXPECT_THAT(workers_of<server::RemovePeer>(), ElementsAre(1U));
}

TEST_F(Spread, MutingReachesEveryWorker) {
  room();
  join(1, "ada", "host");
  subscribe(1);
  join(2, "ben");
  const Json tracks = *publish(2).find("tracks");
  commands.clear();
  ask(1, "track.mute",
      Json::object({{"track_id", *tracks.as_array()->front().find("track_id")}, {"muted", true}}));
  auto muted = workers_of<server::MuteTrack>();
  std::sort(muted.begin(), muted.end());
  EXPECT_THAT(muted, ElementsAre(0U, 1U));
}

TEST_F(Spread, SpeakersOfAllWorkersAreToldTogether) {
  room();
  join(1, "ada");
  publish(1);
  join(2, "ben");
  publish(2);
  const auto peers = commands_of<server::SetPeer>();
  const server::TrackNo ada = peers[0].params.publishes[0].track;
  const server::TrackNo ben = peers[1].params.publishes[0].track;
  const server::RoomId worker_room = peers[0].room;
  worker_says({server::Speakers{worker_room, {ada}, {ada}}}, 0);
  worker_says({server::Speakers{worker_room, {ben}, {ben}}}, 1);
  const auto told = notified(1, "speakers");
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].find("participant_ids")->as_array()->size(), 1U);
  EXPECT_EQ(told[1].find("participant_ids")->as_array()->size(), 2U);
  // Who has the floor on one worker keeps it against who has it on another.
  EXPECT_EQ(*told[1].find("dominant_id"), *told[0].find("dominant_id"));
  worker_says({server::Speakers{worker_room, {}, {}}}, 0);
  const Json last = notified(1, "speakers").back();
  EXPECT_EQ(last.find("participant_ids")->as_array()->size(), 1U);
  EXPECT_NE(*last.find("dominant_id"), *told[0].find("dominant_id"));
}

TEST_F(Spread, TheEndClosesTheRoomEverywhere) {
  const std::string id = room().id;
  join(1, "ada");
  subscribe(1);
  join(2, "ben");
  subscribe(2);
  commands.clear();
  sessions->end(*sessions->find_by_room(id), "api");
  EXPECT_THAT(workers_of<server::CloseRoom>(), ElementsAre(0U, 1U));
}

TEST_F(Spread, WhenEveryWorkerIsFullTheLeastFullTakesOneMore) {
  room();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    join(i, "viewer-" + std::to_string(i));
    subscribe(i);
  }
  EXPECT_THAT(workers_of<server::SetPeer>(), ElementsAre(0U, 1U, 0U, 1U));
  EXPECT_THAT(workers_of<server::OpenRoom>(), ElementsAre(0U, 1U));
}

}  // namespace
}  // namespace parley::control
