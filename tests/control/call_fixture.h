#pragma once

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/actions.h"
#include "control/auth.h"
#include "control/context.h"
#include "control/idempotency.h"
#include "control/recordings.h"
#include "control/rooms.h"
#include "control/rtc_sockets.h"
#include "control/sessions.h"

namespace parley::control {

// A store in memory: a double for the one on disk, which a test can also make slow or broken.
class MemoryStore final : public Store {
 public:
  void commit(Batch batch, std::function<void(tl::expected<void, std::string>)> done) override {
    if (failed) return done(tl::unexpected(std::string("disk full")));
    waiting.emplace_back(std::move(batch), std::move(done));
    if (!held) release();
  }
  void release() {
    auto now = std::exchange(waiting, {});
    for (auto& [batch, done] : now) {
      for (Row& row : batch.upserts) rows[{row.kind, row.id}] = row;
      for (const auto& key : batch.deletes) rows.erase(key);
      for (EventRow& event : batch.events) events.push_back(event);
      done({});
    }
  }
  void events_after(std::uint64_t after, std::size_t limit,
                    std::function<void(Events)> done) override {
    std::vector<EventRow> found;
    for (const EventRow& event : events) {
      if (event.seq > after && found.size() < limit) found.push_back(event);
    }
    done(std::move(found));
  }
  [[nodiscard]] std::uint64_t earliest_seq() const override {
    return events.empty() ? trimmed + 1 : events.front().seq;
  }
  [[nodiscard]] std::uint64_t used_bytes() const override { return bytes; }
  [[nodiscard]] bool healthy() const override { return !failed; }
  // As retention does.
  void trim(std::size_t count) {
    trimmed = events.at(count - 1).seq;
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(count));
  }

  std::vector<Row> all_rows() const {
    std::vector<Row> all;
    for (const auto& [key, row] : rows) all.push_back(row);
    return all;
  }

  std::uint64_t trimmed = 0;
  std::uint64_t bytes = 0;
  bool held = false;
  bool failed = false;
  std::vector<std::pair<Batch, std::function<void(tl::expected<void, std::string>)>>> waiting;
  std::map<std::pair<std::string, std::string>, Row> rows;
  std::vector<EventRow> events;
};

// The whole control logic on virtual time: two workers that only note their commands, a store in
// memory, a real recorder in a folder of its own, sockets as lists of messages.
class CallTest : public testing::Test {
 protected:
  static constexpr const char* kSecret = "a secret of more than thirty-two bytes";

  CallTest() {
    config.auth.api_keys.push_back({});
    config.auth.api_keys[0].id = "crm";
    config.auth.api_keys[0].secrets = {kSecret};
    config.recording.directory = testing::TempDir() + "parley-call-" + std::to_string(getpid()) +
                                 "-" +
                                 testing::UnitTest::GetInstance()->current_test_info()->name();
    make_parts();
  }

  void make_parts() {
    keyring.emplace(std::move(*Keyring::from_config(config.auth)));
    outbox.emplace(store, last_seq, secure_random);
    context.emplace(Context{
        config,
        timers,
        *outbox,
        [this] { return now += creep; },
        [this] { return wall_ms; },
        secure_random,
        [this](std::size_t worker, server::Command command) {
          commands.emplace_back(worker, std::move(command));
          return true;
        },
        {{{{"192.0.2.1", 40'000}}}, {{{"192.0.2.1", 40'001}}}},
        "sha-256 AA:BB",
        [this](ConnectionId to, std::string_view text) { sent[to.value].push_back(text_of(text)); },
        [this](ConnectionId to, std::uint16_t code, std::string_view) {
          closed[to.value] = code;
        }});
    tenants.emplace(*context);
    rooms.emplace(*context, *tenants);
    metering.emplace(*context);
    revocations.emplace(*context);
    sessions.emplace(*context, *tenants, *revocations, *rooms, *metering);
    recorder.emplace(config.recording, [this](const recorder::RecorderEvent& event) {
      const auto* ended = std::get_if<recorder::Failed>(&event);  // without media it always is
      const std::lock_guard lock(recorder_mutex);
      if (ended != nullptr) recorder_ended.insert(ended->recording_id);
    });
    recordings.emplace(*context, *recorder, std::string("a key for links, long enough to do"));
    chat.emplace(*context);
    chat->load({}, {});
    actions.emplace(*context, *rooms, *sessions, *recordings, *chat);
    idempotency.emplace(*context);
    rtc.emplace(*context, *keyring, *sessions, *actions, *recordings, *chat);
    sessions->observe(
        {[this](Session& session) {
           const RoomConfig& room = rooms->find(session.room_id())->config;
           recordings->attach(session, room.record_sessions, room.recording);
         },
         [this](Session& session, std::string_view reason) { recordings->detach(session, reason); },
         [this](const Session& session, Json& result) {
           result.set("recording", recordings->info(session));
           result.set("chat", chat->to_json(*rooms->find(session.room_id())));
         }});
  }

  static Json text_of(std::string_view text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json) << text;
    return json ? *json : Json();
  }

  Room& room(const std::string& name = "main", std::function<void(RoomConfig&)> change = {}) {
    RoomConfig room_config;
    room_config.tenant = "seller-1";
    room_config.name = name;
    room_config.max_participants = 10;
    room_config.empty_timeout_s = 300;
    room_config.departure_timeout_s = 20;
    if (change) change(room_config);
    const auto created = rooms->create(room_config);
    EXPECT_TRUE(created);
    outbox->flush();
    return *created->room;
  }

  // A token as a backend signs it; `change` spoils it.
  std::string token(const std::string& identity, const std::string& role = "participant",
                    std::function<void(Json& claims, Json& grants)> change = {}) {
    Json grants = Json::object({{"tenant", "seller-1"}, {"room", "main"}, {"role", role}});
    Json claims = Json::object({{"iss", "crm"},
                                {"aud", "parley-join"},
                                {"sub", identity},
                                {"jti", "jt-" + identity},
                                {"iat", wall_ms / 1'000},
                                {"nbf", wall_ms / 1'000},
                                {"exp", wall_ms / 1'000 + 600}});
    if (change) change(claims, grants);
    claims.set("parley", grants);
    const auto key = JwtKey::hs256(kSecret);
    return *sign_jwt(claims, *key);
  }

  // Sends a request on a socket and gives the answer: its result, or its error's data.
  Json ask(std::uint64_t connection, const std::string& method,
           Json params = Json(Json::Object{})) {
    if (!rtc->knows({connection})) rtc->opened({connection});
    const std::int64_t id = ++last_id;
    rtc->message(
        {connection},
        Json::object(
            {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}})
            .dump());
    outbox->flush();
    for (const Json& message : sent[connection]) {
      const Json* answered = message.find("id");
      if (answered == nullptr || *answered != Json(id)) continue;
      if (const Json* result = message.find("result")) return *result;
      return *message.find("error")->find("data");
    }
    return {};
  }
  Json join(std::uint64_t connection, const std::string& identity,
            const std::string& role = "participant") {
    return ask(connection, "join", Json::object({{"token", token(identity, role)}}));
  }
  Json offer(std::uint64_t connection, const std::string& file, Json tracks = Json::array()) {
    std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + file);
    std::stringstream sdp;
    sdp << in.rdbuf();
    return offer_text(connection, sdp.str(), std::move(tracks));
  }
  Json offer_text(std::uint64_t connection, const std::string& sdp, Json tracks = Json::array()) {
    return ask(connection, "offer", Json::object({{"sdp", sdp}, {"tracks", std::move(tracks)}}));
  }
  // Chromium's microphone (mid 0) and camera (mid 1).
  Json publish(std::uint64_t connection) {
    Json tracks = Json::array();
    tracks.push(Json::object({{"mid", "0"}, {"source", "microphone"}}));
    tracks.push(Json::object({{"mid", "1"}, {"source", "camera"}}));
    return offer(connection, "chromium-simulcast-vp8-offer.sdp", std::move(tracks));
  }
  Json subscribe(std::uint64_t connection) {
    return offer(connection, "chromium-recvonly-10-offer.sdp");
  }

  // All notifications of one kind that a socket got.
  std::vector<Json> notified(std::uint64_t connection, std::string_view method) {
    std::vector<Json> found;
    for (const Json& message : sent[connection]) {
      const Json* name = message.find("method");
      if (name != nullptr && *name == Json(method)) found.push_back(*message.find("params"));
    }
    return found;
  }
  std::vector<std::string> event_types() const {
    std::vector<std::string> types;
    for (const EventRow& event : store.events) types.push_back(event.type);
    return types;
  }
  std::size_t count_events(std::string_view type) const {
    return static_cast<std::size_t>(std::count_if(store.events.begin(), store.events.end(),
                                                  [&](const auto& e) { return e.type == type; }));
  }
  Json last_event(std::string_view type) const {
    for (auto it = store.events.rbegin(); it != store.events.rend(); ++it) {
      if (it->type == type) return *Json::parse(it->body);
    }
    return {};
  }
  template <class Command>
  std::vector<Command> commands_of() const {
    std::vector<Command> found;
    for (const auto& [worker, command] : commands) {
      if (const auto* match = std::get_if<Command>(&command)) found.push_back(*match);
    }
    return found;
  }
  void worker_says(const std::vector<server::Event>& events, std::size_t worker = 0) {
    sessions->on_worker_events(worker, events);
    outbox->flush();
  }
  // Time passes; what is due on the way happens when it is due.
  void wait(std::chrono::milliseconds time) {
    const rtp::Time end = now + time;
    for (auto next = timers.next(); next && *next <= end; next = timers.next()) {
      move_to(std::max(*next, now));
      timers.run(now);
      outbox->flush();
    }
    move_to(end);
  }
  // kill -9 and a new process on the same file.
  void crash() {
    store.waiting.clear();
    last_seq = store.events.empty() ? 0 : store.events.back().seq;
    rtc.reset();
    idempotency.reset();
    actions.reset();
    chat.reset();
    recordings.reset();
    recorder.reset();
    sessions.reset();
    revocations.reset();
    metering.reset();
    rooms.reset();
    tenants.reset();
    timers = Timers();
    make_parts();
    const auto rows = store.all_rows();
    tenants->load(rows);
    rooms->load(rows);
    EXPECT_TRUE(metering->load(rows));
    revocations->load(rows);
    sessions->load(rows);
    chat->load(rows, [this](const std::string& id) { return rooms->find(id) != nullptr; });
    outbox->flush();
  }
  void move_to(rtp::Time at) {
    wall_ms +=
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() -
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
    now = at;
  }
  static std::string text(const Json& json, std::string_view name) {
    return text_member(json, name);
  }
  Session& session() { return *sessions->find_by_room(rooms->find("seller-1", "main")->id); }

  config::Config config;
  MemoryStore store;
  std::uint64_t last_seq = 0;
  rtp::Time now{};
  rtp::Duration creep{0};  // the clock goes on at each look, as real ones do
  std::int64_t wall_ms = 1'795'000'000'000;
  Timers timers;
  std::optional<Keyring> keyring;
  std::optional<Outbox> outbox;
  std::vector<std::pair<std::size_t, server::Command>> commands;
  std::map<std::uint64_t, std::vector<Json>> sent;
  std::map<std::uint64_t, std::uint16_t> closed;
  std::optional<Context> context;
  std::optional<Tenants> tenants;
  std::optional<Rooms> rooms;
  std::optional<Metering> metering;
  std::optional<Revocations> revocations;
  std::optional<Sessions> sessions;
  std::mutex recorder_mutex;             // the next
  std::set<std::string> recorder_ended;  // what the recorder, on its thread, has done with
  std::optional<recorder::Recorder> recorder;
  std::optional<Recordings> recordings;
  std::optional<Chat> chat;
  std::optional<Actions> actions;
  std::optional<Idempotency> idempotency;
  std::optional<RtcSockets> rtc;
  std::int64_t last_id = 0;
};

}  // namespace parley::control
