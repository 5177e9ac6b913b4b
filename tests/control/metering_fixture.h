#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/metering.h"
#include "tests/control/call_fixture.h"

namespace parley::control {

// Calls of a tenant with an account, on virtual time.
class MeteringTest : public CallTest {
 protected:
  MeteringTest() { room(); }

  // Joins with media, connected at once. Sockets are numbered as the test likes.
  void call(std::uint64_t connection, const std::string& identity,
            const std::string& role = "participant", const std::string& room_name = "main") {
    const Json joined = ask(connection, "join",
                            Json::object({{"token", token(identity, role, [&](Json&, Json& grants) {
                                             grants.set("room", room_name);
                                           })}}));
    ASSERT_NE(joined.find("participant_id"), nullptr) << joined.dump();
    publish(connection);
    connect(peer_of(identity, room_name));
  }
  void connect(server::PeerId peer) { worker_says({server::PeerConnected{peer}}); }
  server::PeerId peer_of(const std::string& identity, const std::string& room_name = "main") {
    Session* found = sessions->find_by_room(rooms->find("seller-1", room_name)->id);
    return *found->find_identity(identity)->peer;
  }

  void set_limit(std::int64_t ms, const std::function<void(QuotaPolicy&)>& change = {}) {
    QuotaPolicy policy;
    policy.limit_ms = ms;
    policy.min_start_ms = 0;
    if (change) change(policy);
    ASSERT_TRUE(metering->set_policy("seller-1", policy));
    outbox->flush();
  }
  std::int64_t quota(std::string_view name) {
    return integer_member(metering->get("seller-1"), name);
  }
  std::vector<Json> events(std::string_view type) const {
    std::vector<Json> found;
    for (const EventRow& event : store.events) {
      if (event.type == type) found.push_back(*Json::parse(event.body)->find("data"));
    }
    return found;
  }
  Json usage(const std::string& session_id) {
    Json json = Json(Json::Object{});
    metering->add_usage(session_id, 1'000, json);
    return json;
  }
  std::string session_id() { return session().id(); }
};

}  // namespace parley::control
