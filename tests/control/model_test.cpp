#include <cstdlib>

#include "control/api.h"
#include "server/log.h"
#include "tests/control/call_fixture.h"
#include "tests/control/model_chance.h"
#include "tests/control/model_names.h"

// Random commands of backends, participants and time: after each one the daemon has answered, told
// and closed what the model says, and every now and then it shows the same state.
namespace parley::control {
namespace {

using model::Answer;
using model::Key;
using model::Model;
using model::Token;

constexpr int kSequence = 200;  // commands, then everything anew
constexpr int kCompareAll = 20;
#ifdef PARLEY_SANITIZED
constexpr int kCommands = 10'000;
#else
constexpr int kCommands = 20'000;
#endif

class ModelTest : public CallTest, protected model::Chance {
 protected:
  ModelTest() {
    config.timers = {{"t7", 7'000}, {"t21", 21'000}};
    config.rooms.max_participants = 4;
    config.auth.reads_per_s = config.auth.writes_per_s = 0;
    const auto key = [&](const char* id, config::KeyRole role) -> config::ApiKey& {
      config.auth.api_keys.push_back(config.auth.api_keys[0]);
      config.auth.api_keys.back().id = id;
      config.auth.api_keys.back().role = role;
      return config.auth.api_keys.back();
    };
    key("one", config::KeyRole::Tenant).tenants = {"seller-1"};
    key("eye", config::KeyRole::Observer);
    key("rooms", config::KeyRole::Operator).methods = {"room.*"};
    config::Log quiet;
    quiet.level = config::LogLevel::Error;
    server::log::start(quiet);
    fresh();
  }
  ~ModelTest() override { server::log::stop(); }

  // Nothing is left of what was.
  void fresh() {
    api.reset();
    webhooks.reset();
    consumers.reset();
    store.rows.clear();
    store.events.clear();
    now = {};
    wall_ms = 1'795'000'000'000;
    last_socket = random_count = 0;
    crash();
    // Ids sort in the order of their making, so that lists do.
    context->random = [this](std::span<std::uint8_t> into) { count_up(into); };
    // Answers only: what clients are told is call_random_test's matter.
    context->send = [this](ConnectionId to, std::string_view text) {
      if (text.starts_with(R"({"jsonrpc":"2.0","id")")) sent[to.value].push_back(text_of(text));
    };
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
    expected.emplace(now.time_since_epoch() / std::chrono::microseconds(1), wall_ms);
    for (const auto& [id, ms] : config.timers) expected->countdowns[id] = ms;
    names = model::Names();
    tokens.clear();
    history.clear();
    last_once = {};
    sent.clear();
    closed.clear();
    commands.clear();
  }
  // Base32 is sorted as long as it is made of letters: 4 bits in each 5.
  void count_up(std::span<std::uint8_t> into) {
    std::fill(into.begin(), into.end(), std::uint8_t{0});
    const std::uint64_t n = ++random_count;
    for (std::size_t bit = 0; bit < 64; ++bit) {
      const std::size_t at = into.size() == 16 ? 5 * (24 - bit / 4) + 4 - bit % 4 : bit;
      if ((n >> bit & 1U) != 0 && at / 8 < into.size()) {
        into[at / 8] |= static_cast<std::uint8_t>(0x80U >> at % 8);
      }
    }
  }

  // ---- to both, and what came of it

  Answer ask_daemon(const Key& key, const std::string& method, const Json& params) {
    Answer answer;
    const auto& config_key = config.auth.api_keys[static_cast<std::size_t>(&key - kKeys.data())];
    const Principal principal{key.id, config_key.role, config_key.tenants, config_key.methods, {}};
    api->call(principal, {Json(1), method, names.long_ones(params)}, [&](RpcResult<Json> result) {
      if (result) {
        answer.result = std::move(*result);
      } else {
        answer.reason = result.error().reason;
      }
    });
    outbox->flush();
    return answer;
  }
  Answer ask_socket(std::uint64_t socket, const std::string& method, const Json& params) {
    sent.clear();
    Answer answer;
    answer.result = ask(socket, method, names.long_ones(params));
    answer.reason = text(answer.result, "reason");
    return answer;
  }

  void compare(const std::string& what, const Answer& mine, const Answer& daemons) {
    const auto fails = [&](const std::string& of, const std::string& wanted,
                           const std::string& got) {
      std::string steps;
      for (const std::string& step : history) steps += "\n  " + step;
      ADD_FAILURE() << of << "\n  expected " << wanted << "\n  got      " << got << "\nafter"
                    << steps;
    };
    for (std::size_t i = 0; i < std::max(expected->events.size(), store.events.size()); ++i) {
      const Json mine_told = i < expected->events.size() ? expected->events[i] : Json();
      Json told =
          i < store.events.size() ? names.short_ones(*Json::parse(store.events[i].body)) : Json();
      if (told.is_object() && told.find("session_id") == nullptr) told.set("session_id", "");
      see(told);
      if (!model::has_all(told, mine_told) || !mine_told.is_object()) {
        return fails("event " + std::to_string(i), Json(expected->events).dump(), told.dump());
      }
    }
    expected->events.clear();
    store.events.clear();
    const Json answer = names.short_ones(daemons.result);
    seen.insert(mine.reason);
    if (mine.reason != daemons.reason ||
        (mine.reason.empty() && !model::has_all(answer, mine.result))) {
      return fails(what, mine.reason + mine.result.dump(), daemons.reason + answer.dump());
    }
    if (expected->closed != closed) {
      return fails("closed sockets", std::to_string(expected->closed.size()),
                   std::to_string(closed.size()));
    }
    if (rooms->size() != expected->rooms.size() ||
        (sessions->running() == 0) != expected->nothing_runs()) {
      return fails("state", std::to_string(expected->rooms.size()), std::to_string(rooms->size()));
    }
    for (const auto& [socket, code] : std::exchange(closed, {})) rtc->closed({socket}, code);
    expected->closed.clear();
  }
  void see(const Json& event) {
    seen.insert(text(event, "type"));
    const Json* data = event.find("data");
    if (data == nullptr) return;
    for (const char* why : {"reason", "end_reason"}) seen.insert(text(*data, why));
  }
  void note(const std::string& what) {
    history.push_back(std::to_string(expected->wall() % 10'000'000) + " " + what);
  }
  void both(const Key& key, const std::string& method, const Json& params) {
    note(key.id + " " + method + " " + params.dump());
    compare(method, expected->call(key, method, params), ask_daemon(key, method, params));
  }
  void compare_all() {
    const Key& all = kKeys[0];
    for (const char* list : {"room.list", "session.list"}) {
      const Json params = Json::object({{"limit", 1'000}});
      compare(list, expected->call(all, list, params), ask_daemon(all, list, params));
    }
    for (const model::Room& room : expected->rooms) {
      const Json params = Json::object({{"room_id", room.id}});
      for (const char* list : {"participant.list", "track.list"}) {
        compare(list, expected->call(all, list, params), ask_daemon(all, list, params));
      }
    }
  }

  // ---- commands

  void backend() {
    static const std::vector<std::string> kMethods = words(
        "room.create room.create room.create room.update room.update room.get room.delete "
        "room.list room.lock room.unlock room.mute_all room.mute_all room.clear_mute_all "
        "session.get session.list session.end participant.list participant.get "
        "participant.update participant.update participant.remove participant.admit "
        "participant.admit participant.deny participant.ban participant.unban timer.start "
        "timer.cancel track.list track.mute token.revoke tenant.put tenant.get tenant.delete "
        "ping");
    const Key& key = one_in(5) ? one_of(kKeys) : kKeys[0];
    const std::string method = one_of(kMethods);
    if (is_harsh(method) && !one_in(3)) return backend();
    Json params = params_of(method);
    if (Api::is_mutating(method) && one_in(8)) {
      params.set("idempotency_key", "k" + std::to_string(pick(3)));
      last_once = {&key, method, params};
    }
    both(key, method, params);
  }
  std::string sign(const Token& t) {
    std::string signed_token = token(t.identity, t.role, [&](Json& claims, Json& grants) {
      claims.set("jti", t.jti).set("iat", t.issued_s).set("nbf", t.issued_s);
      claims.set("exp", t.expires_s);
      grants = names.long_ones(grants.set("tenant", t.tenant).set("room", t.room));
      if (t.hidden != (t.role == "observer")) grants.set("hidden", t.hidden);
      if (t.bypass_lobby) grants.set("bypass_lobby", true);
      if (t.eject_at_exp) grants.set("eject_at_exp", true);
      if (t.max_session_ms) grants.set("max_session_ms", *t.max_session_ms);
      if (t.can_publish) grants.set("can_publish", Json::array().push(t.can_publish->front()));
    });
    if (t.forged) signed_token[signed_token.size() / 2] ^= 1;
    return signed_token;
  }
  void join_somebody() {
    const Token t = any_token();
    const std::uint64_t socket = ++last_socket;
    note(std::to_string(socket) + " join " + t.identity + " as " + t.role + " " + t.jti + " in " +
         t.tenant + "/" + t.room);
    const Json params = Json::object({{"token", sign(t)}});
    compare("join", expected->join(t, socket), ask_socket(socket, "join", params));
  }

  void participant(std::uint64_t socket) {
    static const std::vector<std::string> kMethods = words(
        "room.mute_all room.mute_all room.clear_mute_all track.mute track.update track.update "
        "track.update participant.remove participant.admit participant.admit participant.deny "
        "room.lock room.unlock timer.start timer.cancel session.end leave ping");
    const std::string method = one_of(kMethods);
    if (is_harsh(method) && !one_in(3)) return participant(socket);
    Json p = params_of_participant(method);
    if (const std::uint64_t publisher = any_socket(true);
        method == "track.update" && publisher != 0) {
      socket = publisher;
      const auto& tracks = expected->seat_of(socket).person->tracks;
      p.set("track_id", one_in(8) ? any_track() : one_of(tracks).id).set("muted", one_in(3));
    }
    note(std::to_string(socket) + " " + method + " " + p.dump());
    compare(method, expected->ask(socket, method, p), ask_socket(socket, method, p));
  }
  void publish_something(std::uint64_t socket) {
    std::vector<std::string> sources;
    Json tracks = Json::array();
    for (const auto& [mid, source] : {std::pair{"0", "microphone"}, std::pair{"1", "camera"}}) {
      if (one_in(4)) continue;
      sources.emplace_back(source);
      tracks.push(Json::object({{"mid", mid}, {"source", source}}));
    }
    note(std::to_string(socket) + " offer " + tracks.dump());
    sent.clear();
    Answer daemons;
    daemons.reason = text(offer(socket, "chromium-simulcast-vp8-offer.sdp", tracks), "reason");
    compare("offer", expected->offer(socket, sources), daemons);
  }
  void worker_tells(std::uint64_t socket) {
    const auto [session, person, waits] = expected->seat_of(socket);
    if (!person->peer) return publish_something(socket);
    const std::string what =
        person->media_away ? any("back connected") : any("connected connected away");
    note(std::to_string(socket) + " media " + what);
    const Json real = names.long_ones(Json::object({{"s", session->id}, {"p", person->id}}));
    const auto peer = *sessions->find(text(real, "s"))->find(text(real, "p"))->peer;
    if (what == "connected") worker_says({server::PeerConnected{peer}});
    if (what == "away") worker_says({server::PeerAway{peer, now}});
    if (what == "back") worker_says({server::PeerBack{peer}});
    expected->media(socket, what);
    compare(what, {}, {});
  }
  void lose_socket(std::uint64_t socket) {
    const bool goodbye = one_in(3);
    note(std::to_string(socket) + (goodbye ? " closed" : " lost"));
    expected->lose(socket, goodbye);
    rtc->closed({socket}, goodbye ? 1001 : 1006);
    outbox->flush();
    compare("close", {}, {});
  }

  // A call with a mistake: it is named, and nothing has changed.
  void mistake() {
    struct Mistake {
      const char* method;
      const char* params;  // beside the room's
      const char* reason;
    };
    static const std::vector<Mistake> kMistakes = {
        {"room.creat", "{}", "unknown_method"},
        {"room.update", R"({"max_participants":0})", "invalid_argument"},
        {"room.update", R"({"max_participants":5})", "invalid_argument"},
        {"room.update", R"({"on_host_left":"soon"})", "invalid_argument"},
        {"room.update", R"({"attributes":[]})", "invalid_argument"},
        {"room.update", R"({"codecs":["VP7"]})", "invalid_argument"},
        {"room.update", R"({"lobbby":true})", "unknown_field"},
        {"room.lock", R"({"x":1})", "unknown_field"},
        {"room.delete", R"({"if_version":1})", "unknown_field"},
        {"room.get", R"({"idempotency_key":"k1"})", "unknown_field"},
        {"room.lock", R"({"idempotency_key":""})", "invalid_argument"},
        {"room.mute_all", R"({"except":"ann"})", "invalid_argument"},
        {"room.mute_all", R"({"except":[1]})", "invalid_argument"},
        {"participant.remove", "{}", "invalid_argument"},
        {"participant.remove", R"({"identity":"ann","ban":1})", "invalid_argument"},
        {"participant.update", R"({"identity":"ann","role":"king"})", "invalid_argument"},
        {"participant.update", R"({"identity":"ann","role":"observer"})", "invalid_argument"},
        {"participant.ban", R"({"identity":""})", "invalid_argument"},
        {"track.mute", R"({"track_id":"tr_1"})", "invalid_argument"},
        {"timer.start", R"({"timer_id":7})", "invalid_argument"},
        {"token.revoke", R"({"jti":"a","identity":"ann"})", "invalid_argument"},
        {"tenant.put", R"({"max_rooms":-1})", "invalid_argument"},
        {"session.list", R"({"limit":0})", "invalid_argument"},
        {"room.list", R"({"page_token":"x"})", "invalid_argument"},
        {"session.end", R"({"reason":"late"})", "unknown_field"},
        {"room.create", R"({"name":"a*"})", "invalid_argument"},
        {"room.create", R"({"name":"a","starts":1})", "unknown_field"}};
    const Mistake& m = one_of(kMistakes);
    const std::string method = m.method;
    const Key& key = one_of(kKeys);
    const bool named_only = method == "token.revoke" || method == "tenant.put" ||
                            method.ends_with(".list") || method == "room.create";
    Json params = named_only ? Json::object({{"tenant", any_tenant()}}) : session_params();
    if (method.starts_with("room.") && !named_only) params = room_params();
    const Json mistaken = *Json::parse(m.params);
    for (const auto& [name, value] : *mistaken.as_object()) params.set(name, value);
    note(key.id + " " + method + " " + params.dump());
    compare(method, Model::refuse(key, method, m.reason), ask_daemon(key, method, params));
  }
  void mistake_on_socket(std::uint64_t socket) {
    struct Mistake {
      const char* method;
      const char* params;
      const char* reason;
    };
    static const std::vector<Mistake> kMistakes = {
        {"join", R"({"token":"again"})", "already_joined"},
        {"room.delete", "{}", "unknown_method"},
        {"ping", R"({"x":1})", "unknown_field"},
        {"leave", R"({"x":1})", "unknown_field"},
        {"offer", R"({"sdp":"v=0"})", "sdp_invalid"},
        {"offer", "{}", "invalid_argument"},
        {"track.update", R"({"track_id":"tr_1"})", "invalid_argument"},
        {"track.mute", R"({"muted":true})", "invalid_argument"},
        {"room.mute_all", R"({"except":{}})", "invalid_argument"},
        {"room.lock", R"({"tenant":"seller-2"})", "unknown_field"},
        {"participant.remove", R"({"identity":"ann"})", "invalid_argument"},
        {"session.end", R"({"session_id":"se_1"})", "unknown_field"}};
    const Mistake& m = one_of(kMistakes);
    // Params are looked at first, an offer's SDP is not.
    const bool waits =
        expected->seat_of(socket).waits && m.reason == std::string_view("sdp_invalid");
    note(std::to_string(socket) + " " + m.method + " " + m.params);
    compare(m.method, model::no(waits ? "waiting" : m.reason),
            ask_socket(socket, m.method, *Json::parse(m.params)));
  }

  // Its params come in another order.
  void once_more() {
    Json::Object params = *last_once.params.as_object();
    std::reverse(params.begin(), params.end());
    both(*last_once.key, last_once.method, params);
  }
  void let_time_pass() {
    std::int64_t ms = one_in(6) ? soon(2) : 0;
    if (one_in(40)) ms = soon(30);
    if (one_in(300)) ms = soon(200);
    // What is kept for a day is forgotten.
    if (one_in(1'000) && expected->nothing_runs()) ms = 90'000'000;
    if (ms != 0) note("wait " + std::to_string(ms));
    expected->pass(1, ms);
    move_to(now + std::chrono::microseconds(1));
    wait(std::chrono::milliseconds(ms));
    compare("wait", {}, {});
  }
  void step() {
    let_time_pass();
    if (HasFailure()) return;
    const std::size_t what = pick(100);
    const std::uint64_t socket = any_socket();
    if (what < 37) return backend();
    if (what < 42) return mistake();
    if (what < 45 && last_once.key != nullptr) return once_more();
    if (expected->rooms.empty()) return both(kKeys[0], "room.create", params_of("room.create"));
    if (what < 56 || socket == 0) return join_somebody();
    if (what < 81) return participant(socket);
    if (what < 84) return mistake_on_socket(socket);
    if (what < 90) return publish_something(socket);
    if (what < 96) return worker_tells(socket);
    lose_socket(socket);
  }

  inline static const std::vector<Key> kKeys = {{"crm", false, true, "", ""},
                                                {"one", false, false, "seller-1", ""},
                                                {"eye", true, false, "", ""},
                                                {"rooms", false, true, "", "room."}};
  struct Once {
    const Key* key = nullptr;
    std::string method;
    Json params;
  };

  std::optional<Consumers> consumers;
  std::optional<Webhooks> webhooks;
  std::optional<Api> api;
  model::Names names;
  Once last_once;
  std::vector<std::string> history;
  std::set<std::string> seen;  // reasons and events
  std::uint64_t last_socket = 0;
  std::uint64_t random_count = 0;
};

TEST_F(ModelTest, RandomCommandsAgreeWithASmallModel) {
  const char* given = std::getenv("PARLEY_SEED");
  const int count = std::getenv("PARLEY_LONG") != nullptr ? 1'000'000 : kCommands;
  std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  for (int done = 0; done < count; done += kSequence, ++seed) {
    SCOPED_TRACE("PARLEY_SEED=" + std::to_string(seed));
    fresh();
    chance.seed(seed);
    for (int i = 0; i < kSequence; ++i) {
      step();
      if (i % kCompareAll == 0 && !HasFailure()) compare_all();
      if (HasFailure()) return;
    }
  }
  if (given != nullptr) return;
  // What never happens is not tested.
  const auto told = words(
      "permission_denied room_not_found session_not_found participant_not_found track_not_found "
      "tenant_not_found no_session already_exists version_conflict idempotency_mismatch "
      "invalid_argument unknown_field unknown_method too_many_rooms too_many_sessions "
      "too_many_participants tenant_suspended tenant_has_rooms token_invalid token_expired "
      "token_not_yet_valid token_revoked banned room_full room_locked room_not_open_yet "
      "room_expired waiting muted_by_host already_joined sdp_invalid room.expired room.deleted "
      "room.unlocked host.absent host.present participant.admitted participant.denied "
      "participant.reconnecting participant.rejected track.muted track.unmuted timer.fired "
      "timer.cancelled session.ended ended_by_host ended_by_api max_duration host_left empty "
      "departure_timeout room_deleted client_left duplicate_identity removed room_ended "
      "connection_timeout lobby_denied join_before_host");
  for (const std::string& word : told) EXPECT_TRUE(seen.contains(word)) << word;
}

}  // namespace
}  // namespace parley::control
