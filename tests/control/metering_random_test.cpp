#include <cstdlib>
#include <random>

#include "tests/control/metering_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDayMs = 86'400'000;
// How late a timer may be because the clock goes on at each look.
constexpr std::int64_t kCreepMs = 20;

// Random calls, grants and crashes, each with its seed. What the store has when the process dies is
// what the next one begins with.
class MeteringRandom : public MeteringTest, public testing::WithParamInterface<unsigned> {};

TEST_P(MeteringRandom, TheSumOfAllSessionsIsTheLedger) {
  std::mt19937 random(GetParam());
  const auto pick = [&](std::uint32_t to) { return static_cast<std::uint32_t>(random() % to); };
  creep = std::chrono::microseconds(GetParam() % 2 == 0 ? 0 : 300);
  const auto unit = pick(2) == 0 ? MeterUnit::RoomMs : MeterUnit::ParticipantMs;
  const auto condition = static_cast<StartCondition>(pick(3));
  const bool charge_ahead = pick(2) == 0;
  wall_ms = (wall_ms / kDayMs + 1) * kDayMs - 60'000 - pick(60'000);  // midnight comes on the way
  set_limit(pick(200'000), [&](QuotaPolicy& policy) {
    policy.enforce = unit;
    policy.start_condition = condition;
    policy.period = pick(2) == 0 ? QuotaPeriod::None : QuotaPeriod::Day;
    policy.charge_ahead = charge_ahead;
    policy.on_authority_lost =
        pick(2) == 0 ? OnAuthorityLost::Continue : OnAuthorityLost::Terminate;
    policy.authority_grace_ms = pick(15'000);
  });
  room("room-0");
  room("room-1");
  std::uint64_t connection = 100;
  int grants = 0;
  // The backend: whether it is there, and until when the calls go on without it.
  bool connected = true;
  std::optional<rtp::Time> goes_on_until;
  rtp::Time began{};  // the process
  const auto look_for_backend = [&] {
    metering->has_authority = [&](std::string_view) { return connected; };
    const QuotaPolicy policy = metering->policy("seller-1");
    goes_on_until.reset();
    if (!connected && policy.on_authority_lost == OnAuthorityLost::Terminate) {
      goes_on_until = std::max(now + milliseconds(policy.authority_grace_ms),
                               began + milliseconds(Metering::kStartUpMs)) +
                      milliseconds(kCreepMs);
    }
    metering->authority_changed();
  };
  look_for_backend();
  for (int step = 0; step < 120; ++step) {
    wait(milliseconds(pick(4'000)));
    if (goes_on_until && now > *goes_on_until) {
      ASSERT_EQ(sessions->running(), 0U) << "step " << step;
    }
    const std::string name = "room-" + std::to_string(pick(2));
    Session* found = sessions->find_by_room(rooms->find("seller-1", name)->id);
    switch (pick(10)) {
      case 0:
      case 1:
      case 2: {
        const std::string identity = "p" + std::to_string(pick(4));
        const std::uint64_t socket = ++connection;
        const Json joined =
            ask(socket, "join",
                Json::object({{"token", token(identity, identity == "p0" ? "host" : "participant",
                                              [&](Json&, Json& g) { g.set("room", name); })}}));
        if (joined.find("participant_id") == nullptr) break;
        publish(socket);
        connect(peer_of(identity, name));
        break;
      }
      case 3:
        if (found != nullptr && !found->participants().empty()) {
          sessions->leave(*found, found->participants().front()->id, "client_left", true);
        }
        break;
      case 4:
      case 5:
        if (found != nullptr && !found->participants().empty()) {
          const auto& p =
              found->participants()[pick(static_cast<unsigned>(found->participants().size()))];
          if (!p->peer) break;
          if (p->on_air()) {
            worker_says({server::PeerAway{*p->peer, now - milliseconds(pick(9'000))}});
          } else {
            worker_says({server::PeerBack{*p->peer}});
          }
        }
        break;
      case 6:
        ASSERT_TRUE(metering->grant(
            "seller-1", {"g" + std::to_string(++grants), 1 + pick(20'000), 0,
                         pick(2) == 0 ? 0 : wall_ms + pick(20'000),
                         pick(2) == 0 ? std::nullopt : std::optional(wall_ms + 1 + pick(40'000))}));
        break;
      case 7:
        if (found != nullptr && pick(3) == 0) sessions->end(*found, "ended_by_api");
        break;
      case 8: {
        // kill -9: what waits for the disk is lost, what ran is closed at the last checkpoint or
        // where the next one should have been.
        outbox->flush();
        const std::int64_t metered = quota("room_ms");
        const std::int64_t rate = quota("running_sessions");
        crash();
        const std::int64_t before = rate * (charge_ahead ? kCreepMs : Metering::kCheckpointMs + 1);
        const std::int64_t beyond = rate * (charge_ahead ? Metering::kCheckpointMs : 0);
        EXPECT_GE(quota("room_ms"), metered - before);
        EXPECT_LE(quota("room_ms"), metered + beyond);
        began = now;
        look_for_backend();
        break;
      }
      case 9:
        connected = !connected;
        look_for_backend();
        break;
    }
    outbox->flush();
    // To compare, the clock stands still.
    const rtp::Duration moving = std::exchange(creep, rtp::Duration{0});
    std::int64_t room_ms = 0;
    std::int64_t participant_ms = 0;
    sessions->history().for_each([&](const SessionRecord& record) {
      const Json used = usage(record.id);
      room_ms += integer_member(used, "room_ms");
      participant_ms += integer_member(used, "participant_ms");
      for (const Json& interval : *used.find("intervals")->as_array()) {
        ASSERT_GE(integer_member(interval, "ms"), 0);
      }
    });
    ASSERT_EQ(quota("room_ms"), room_ms) << "step " << step;
    ASSERT_EQ(quota("participant_ms"), participant_ms) << "step " << step;
    ASSERT_LE(quota("used_ms"), quota("granted_ms")) << "step " << step;
    ASSERT_EQ(quota("used_ever_ms") + quota("over_ms"),
              unit == MeterUnit::RoomMs ? room_ms : participant_ms)
        << "step " << step;
    ASSERT_EQ(quota("over_ms"), 0) << "step " << step;
    creep = moving;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MeteringRandom,
                         testing::Range(1U, std::getenv("PARLEY_LONG") != nullptr ? 401U : 9U));

}  // namespace
}  // namespace parley::control
