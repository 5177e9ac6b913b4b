#include "control/api.h"
#include "control/room_options.h"
#include "control/schema.h"
#include "tests/control/call_fixture.h"

// What a tenant has of his own: how his rooms are made when room.create does not say, and what
// people of a role may in them.
namespace parley::control {
namespace {

using testing::HasSubstr;

class TenantsTest : public CallTest {
 protected:
  TenantsTest() {
    config.auth.reads_per_s = config.auth.writes_per_s = 0;
    config.rooms.max_participants = 50;
    make_api();
  }
  void make_api() {
    consumers.emplace(*context, store, "ep_1");
    webhooks.emplace(
        *context, store, [](HttpClient::Request, const HttpClient::Done&) {}, [] {});
    api.emplace(Api::Parts{*context,
                           *keyring,
                           *tenants,
                           *revocations,
                           *rooms,
                           *metering,
                           *sessions,
                           *actions,
                           *recordings,
                           *chat,
                           *idempotency,
                           *consumers,
                           *webhooks,
                           store,
                           {},
                           {}});
  }
  void restart() {
    api.reset();
    webhooks.reset();
    consumers.reset();
    crash();
    make_api();
  }

  RpcResult<Json> call(const std::string& method, const std::string& params) {
    const Principal admin{"crm", config::KeyRole::Admin, {"*"}, {}, {}};
    RpcResult<Json> answer;
    api->call(admin, {Json(1), method, text_of(params)},
              [&](RpcResult<Json> result) { answer = std::move(result); });
    outbox->flush();
    return answer;
  }
  Json done(const std::string& method, const std::string& params) {
    auto answer = call(method, params);
    EXPECT_TRUE(answer) << method << " " << params << ": " << answer.error().message;
    return answer.value_or(Json());
  }
  Json put(const std::string& members) {
    return done("tenant.put", R"({"tenant":"seller-1",)" + members + "}");
  }
  // What room.create makes of these members.
  RoomConfig created(const std::string& name, const std::string& members = "") {
    done("room.create", R"({"tenant":"seller-1","name":")" + name + "\"" +
                            (members.empty() ? "" : "," + members) + "}");
    return rooms->find("seller-1", name)->config;
  }

  std::optional<Consumers> consumers;
  std::optional<Webhooks> webhooks;
  std::optional<Api> api;
};

// ---- defaults of his rooms

constexpr const char* kDefaults =
    R"("defaults":{"recording":{"auto":"session"},"max_participants":3,"lobby":true,)"
    R"("empty_timeout_s":60,"departure_timeout_s":0,"max_duration_ms":3600000,"on_host_left":"end",)"
    R"("last_n":9,"loudest":4})";

TEST_F(TenantsTest, ARoomTakesFromTheTenantWhatTheRequestDoesNotSay) {
  const RoomConfig before = created("before");
  EXPECT_EQ(before.max_participants, 50U);
  put(kDefaults);
  const RoomConfig plain = created("plain");
  EXPECT_TRUE(plain.record_sessions);
  EXPECT_EQ(plain.max_participants, 3U);
  EXPECT_TRUE(plain.lobby);
  EXPECT_EQ(plain.empty_timeout_s, 60U);
  EXPECT_EQ(plain.departure_timeout_s, 0U);
  EXPECT_EQ(plain.max_duration_ms, 3'600'000);
  EXPECT_EQ(plain.end_after_host_left_ms, 0);
  EXPECT_EQ(plain.last_n, 9U);
  EXPECT_EQ(plain.loudest, 4U);
  EXPECT_EQ(rooms->find("seller-1", "before")->config, before);
  // Another seller's rooms are as the server makes them.
  done("room.create", R"({"tenant":"seller-2","name":"plain"})");
  EXPECT_FALSE(rooms->find("seller-2", "plain")->config.record_sessions);
  EXPECT_EQ(rooms->find("seller-2", "plain")->config.max_participants, 50U);
}

TEST_F(TenantsTest, TheRequestIsStrongerThanTheTenant) {
  put(kDefaults);
  const RoomConfig said =
      created("said", R"("recording":{"auto":"off"},"max_participants":9,"lobby":false,)"
                      R"("empty_timeout_s":7,"departure_timeout_s":8,"max_duration_ms":9,)"
                      R"("on_host_left":"continue","last_n":25,"loudest":1000)");
  EXPECT_FALSE(said.record_sessions);
  EXPECT_EQ(said.max_participants, 9U);
  EXPECT_FALSE(said.lobby);
  EXPECT_EQ(said.empty_timeout_s, 7U);
  EXPECT_EQ(said.departure_timeout_s, 8U);
  EXPECT_EQ(said.max_duration_ms, 9);
  EXPECT_EQ(said.end_after_host_left_ms, std::nullopt);
  EXPECT_EQ(said.last_n, 25U);
  EXPECT_EQ(said.loudest, 1'000U);
}

// A backend that writes its empty members says no more than one that leaves them out.
TEST_F(TenantsTest, NullSaysNothingToRoomCreate) {
  put(kDefaults);
  const RoomConfig room = created(
      "nulls", R"("recording":{},"max_participants":null,"lobby":null,"max_duration_ms":null)");
  EXPECT_TRUE(room.record_sessions);
  EXPECT_EQ(room.max_participants, 3U);
  EXPECT_TRUE(room.lobby);
  EXPECT_EQ(room.max_duration_ms, 3'600'000);
  EXPECT_EQ(room.last_n, 9U);
  done("room.update",
       R"({"tenant":"seller-1","room":"nulls","max_participants":null,"max_duration_ms":null,)"
       R"("last_n":null,"loudest":7})");
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.last_n, std::nullopt);
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.loudest, 7U);
  restart();
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.last_n, std::nullopt);
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.loudest, 7U);
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.max_participants, 50U);
  EXPECT_EQ(rooms->find("seller-1", "nulls")->config.max_duration_ms, std::nullopt);
}

TEST_F(TenantsTest, AChangeOfDefaultsLeavesTheRoomsThereAre) {
  put(R"("defaults":{"lobby":true})");
  created("old");
  put(R"("defaults":{"lobby":false})");
  EXPECT_TRUE(rooms->find("seller-1", "old")->config.lobby);
  EXPECT_FALSE(created("new").lobby);
  EXPECT_TRUE(call("room.create", R"({"tenant":"seller-1","name":"old"})"));
  const auto again = call("room.create", R"({"tenant":"seller-1","name":"old","lobby":false})");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "already_exists");
  EXPECT_EQ(again.error().details.back().second.dump(), R"(["lobby"])");
}

TEST_F(TenantsTest, DefaultsAreKeptShownAndTakenAwayAgain) {
  EXPECT_EQ(put(R"("name":"One")").find("defaults")->dump(), "{}");
  const Json kept = put(R"("defaults":{"lobby":true,"max_participants":3})");
  EXPECT_EQ(kept.find("defaults")->dump(), R"({"max_participants":3,"lobby":true})");
  // The same in another order is no change.
  EXPECT_EQ(put(R"("defaults":{"max_participants":3,"lobby":true})"), kept);
  restart();
  Json got = kept;
  got.set("storage_bytes", 0);
  EXPECT_EQ(done("tenant.get", R"({"tenant":"seller-1"})"), got);
  EXPECT_TRUE(created("after").lobby);
  EXPECT_EQ(put(R"("defaults":null)").find("defaults")->dump(), "{}");
  EXPECT_FALSE(created("at last").lobby);
}

TEST_F(TenantsTest, CodecsComeFromTheServerThenTheTenantThenTheRequest) {
  using Names = std::vector<std::string>;
  config.rooms.codecs = {"VP9"};
  EXPECT_EQ(created("servers").codecs, Names{"VP9"});
  put(R"("defaults":{"codecs":["H264/42e01f","VP8"]})");
  EXPECT_EQ(created("tenants").codecs, (Names{"H264/42e01f", "VP8"}));
  EXPECT_EQ(created("own", R"("codecs":["AV1"])").codecs, Names{"AV1"});
  EXPECT_EQ(created("all", R"("codecs":[])").codecs, Names{});
  const Room& kept = *rooms->find("seller-1", "tenants");
  EXPECT_EQ(Room::from_row(kept.to_row())->config, kept.config);
  EXPECT_EQ(kept.to_json(wall_ms).find("codecs")->dump(), R"(["H264/42e01f","VP8"])");
}

TEST_F(TenantsTest, TheConfigurationNamesTheCodecThatIsNone) {
  EXPECT_TRUE(check_codecs(config.rooms));
  config.rooms.codecs = {"VP8", "H266"};
  EXPECT_THAT(check_codecs(config.rooms).error(), HasSubstr("rooms.codecs: \"H266\""));
}

TEST_F(TenantsTest, AMistakeInTheDefaultsIsNamedAndChangesNothing) {
  struct Mistake {
    const char* defaults;
    const char* field;
    const char* message;
  };
  for (const Mistake& one : {
           Mistake{R"({"max_participants":51})", "defaults.max_participants", "1..50"},
           Mistake{R"({"max_participants":0})", "defaults.max_participants", "at least 1"},
           Mistake{R"({"on_host_left":"soon"})", "defaults.on_host_left", "end_after_s:N"},
           Mistake{R"({"max_duration_ms":"1h"})", "defaults.max_duration_ms", "whole number"},
           Mistake{R"({"recording":{"auto":"always"}})", "defaults.recording.auto", "off session"},
           Mistake{R"({"last_n":0})", "defaults.last_n", "1..1000"},
           Mistake{R"({"loudest":1001})", "defaults.loudest", "1..1000"},
           Mistake{R"({"codecs":["VP8","opus"]})", "defaults.codecs", "the best first"},
           Mistake{R"({"codecs":"VP8"})", "defaults.codecs", "an array"},
           Mistake{R"({"lobby":1})", "defaults.lobby", "true or false"},
           Mistake{R"({"starts_at_ms":1})", "defaults.starts_at_ms", "no parameter"},
           Mistake{"true", "defaults", "an object"},
       }) {
    const auto refused =
        call("tenant.put", std::string(R"({"tenant":"seller-1","defaults":)") + one.defaults + "}");
    ASSERT_FALSE(refused) << one.defaults;
    EXPECT_EQ(refused.error().field, one.field);
    EXPECT_EQ(refused.error().reason,
              one.message == std::string("no parameter") ? "unknown_field" : "invalid_argument");
    EXPECT_THAT(refused.error().message, HasSubstr(one.message));
    EXPECT_EQ(tenants->find("seller-1"), nullptr);
  }
}

TEST_F(TenantsTest, WhatTheServerDoesNotAllowAnyMoreIsAsTheServerHasIt) {
  put(R"("defaults":{"max_participants":40,"lobby":true})");
  config.rooms.max_participants = 20;
  const RoomConfig room = created("smaller");
  EXPECT_EQ(room.max_participants, 20U);
  EXPECT_TRUE(room.lobby);
}

// ---- what roles may in his rooms

std::string permissions_of(const Json& joined) {
  const Json* permissions = joined.find("permissions");
  return permissions == nullptr ? joined.dump() : permissions->dump();
}

TEST_F(TenantsTest, ARoleMayWhatTheTenantSaysAndOthersStayAsTheyAre) {
  room();
  put(R"("roles":{"participant":["subscribe","record","list_recordings"],"viewer":[]})");
  EXPECT_EQ(permissions_of(join(1, "buyer")), R"(["subscribe","record","list_recordings"])");
  EXPECT_EQ(permissions_of(join(2, "eye", "viewer")), "[]");
  EXPECT_EQ(permissions_of(join(3, "seller", "host")), Permissions::all().names().dump());
  EXPECT_NE(text(ask(1, "recording.start"), "recording_id"), "");
  EXPECT_EQ(text(publish(1), "reason"), "permission_denied");
  EXPECT_EQ(text(ask(1, "session.end"), "reason"), "permission_denied");
}

TEST_F(TenantsTest, ATableIsForWhoJoinsFromThenOn) {
  room();
  put(R"("roles":{"participant":["subscribe"]})");
  join(1, "early");
  put(R"("roles":{"participant":["subscribe","end_session"]})");
  EXPECT_EQ(text(ask(1, "session.end"), "reason"), "permission_denied");
  EXPECT_EQ(permissions_of(join(2, "late")), R"(["subscribe","end_session"])");
  // Who comes back joins anew.
  EXPECT_EQ(permissions_of(join(3, "early")), R"(["subscribe","end_session"])");
  put(R"("roles":{})");
  EXPECT_EQ(permissions_of(join(4, "last")), Permissions::of(Role::Participant).names().dump());
}

TEST_F(TenantsTest, ATokenNarrowsWhatTheTenantGives) {
  room();
  put(R"("roles":{"viewer":["publish_camera","publish_microphone","subscribe","mute_others"]})");
  const std::string narrow = token("eye", "viewer", [](Json&, Json& grants) {
    grants.set("can_publish", Json::array().push("microphone").push("screen_share"));
    grants.set("can_subscribe", false);
  });
  EXPECT_EQ(permissions_of(ask(1, "join", Json::object({{"token", narrow}}))),
            R"(["publish_microphone","mute_others"])");
}

TEST_F(TenantsTest, ARoleThatIsGivenInACallStandsForTheSame) {
  room();
  put(R"("roles":{"viewer":["subscribe","run_timers"]})");
  join(1, "buyer");
  done("participant.update",
       R"({"tenant":"seller-1","room":"main","identity":"buyer","role":"viewer"})");
  ASSERT_EQ(notified(1, "permissions").size(), 1U);
  EXPECT_EQ(permissions_of(notified(1, "permissions")[0]), R"(["subscribe","run_timers"])");
  EXPECT_EQ(permissions_of(join(2, "buyer")), R"(["subscribe","run_timers"])");
}

TEST_F(TenantsTest, WhoIsAHostIsNotAMatterOfPermissions) {
  room("main", [](RoomConfig& it) { it.lobby = true; });
  put(R"("roles":{"host":["subscribe"],"participant":["subscribe","admit_others"]})");
  EXPECT_EQ(text(join(1, "buyer"), "state"), "waiting");
  EXPECT_EQ(text(join(2, "seller", "host"), "state"), "active");
  EXPECT_EQ(text(ask(2, "room.lock"), "reason"), "permission_denied");
}

TEST_F(TenantsTest, OneSellersTableIsNotAnothers) {
  put(R"("roles":{"viewer":["end_session"]})");
  EXPECT_EQ(tenants->permissions("seller-2", Role::Viewer), Permissions::of(Role::Viewer));
  EXPECT_TRUE(tenants->permissions("seller-1", Role::Viewer).has(Permission::EndSession));
}

TEST_F(TenantsTest, ATableIsKeptAndShownInAnOrderOfItsOwn) {
  EXPECT_EQ(put(R"("name":"One")").find("roles")->dump(), "{}");
  const Json kept = put(R"("roles":{"viewer":["record","subscribe","record"],"host":[]})");
  EXPECT_EQ(kept.find("roles")->dump(), R"({"host":[],"viewer":["subscribe","record"]})");
  EXPECT_EQ(put(R"("roles":{"host":[],"viewer":["subscribe","record"]})"), kept);
  restart();
  Json got = kept;
  got.set("storage_bytes", 0);
  EXPECT_EQ(done("tenant.get", R"({"tenant":"seller-1"})"), got);
  EXPECT_TRUE(tenants->permissions("seller-1", Role::Viewer).has(Permission::Record));
  EXPECT_EQ(put(R"("roles":null)").find("roles")->dump(), "{}");
}

TEST_F(TenantsTest, AMistakeInTheTableIsNamedAndChangesNothing) {
  struct Mistake {
    const char* roles;
    const char* field;
    const char* reason;
  };
  for (const Mistake& one : {
           Mistake{R"({"king":["record"]})", "roles.king", "unknown_field"},
           Mistake{R"({"viewer":["subscribe","fly"]})", "roles.viewer[1]", "invalid_argument"},
           Mistake{R"({"viewer":[1]})", "roles.viewer[0]", "invalid_argument"},
           Mistake{R"({"viewer":"record"})", "roles.viewer", "invalid_argument"},
           Mistake{R"({"viewer":null})", "roles.viewer", "invalid_argument"},
           Mistake{"[]", "roles", "invalid_argument"},
       }) {
    const std::string params = std::string(R"({"tenant":"seller-1","roles":)") + one.roles + "}";
    const auto refused = call("tenant.put", params);
    ASSERT_FALSE(refused) << one.roles;
    EXPECT_EQ(refused.error().field, one.field);
    EXPECT_EQ(refused.error().reason, one.reason);
    EXPECT_EQ(tenants->find("seller-1"), nullptr);
    // What the schema let through would be refused all the same.
    const Json json = text_of(params);
    Params p(json);
    static_cast<void>(p.any("tenant"));
    static_cast<void>(RoleTable::read(p));
    ASSERT_FALSE(p.finish());
    EXPECT_EQ(p.finish().error().field, one.field);
  }
}

// The schema has the same words as the daemon.
TEST(RoleTable, TakesEveryRoleWithEveryPermission) {
  const Json all = Permissions::all().names();
  Json roles{Json::Object{}};
  for (const Role role :
       {Role::Host, Role::CoHost, Role::Participant, Role::Viewer, Role::Observer}) {
    roles.set(name_of(role), all);
  }
  const SchemaSet& schemas = SchemaSet::of_api();
  const Json params = Json::object({{"tenant", "seller-1"}, {"roles", roles}});
  EXPECT_TRUE(schemas.check_request(schemas.backend_methods(), {Json(1), "tenant.put", params}));
  Params p(params);
  EXPECT_EQ(RoleTable::read(p).to_json(), roles);
}

TEST(RoleTable, LeavesOutWhatAnotherVersionKnew) {
  const Json row = *Json::parse(R"({"roles":{"viewer":["fly","record"],"king":["record"]}})");
  Params p(row);
  EXPECT_EQ(RoleTable::read(p).to_json().dump(), R"({"viewer":["record"]})");
}

}  // namespace
}  // namespace parley::control
