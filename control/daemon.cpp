#include "control/daemon.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/actions.h"
#include "control/api.h"
#include "control/auth.h"
#include "control/chat.h"
#include "control/context.h"
#include "control/control_sockets.h"
#include "control/daemon_metrics.h"
#include "control/doors.h"
#include "control/http_client.h"
#include "control/idempotency.h"
#include "control/pages.h"
#include "control/recordings.h"
#include "control/room_options.h"
#include "control/rooms.h"
#include "control/rtc_sockets.h"
#include "control/sessions.h"
#include "control/store.h"
#include "recorder/encryption.h"
#include "recorder/sha256.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::chrono::seconds kShutdownLimit{8};

// Links must stay valid over restarts, so their key lives in the store.
std::string link_key_of(const StoreState& state, Outbox& outbox, std::int64_t now_ms) {
  for (const Row& row : state.rows) {
    if (row.kind == "secret" && row.id == "recording_links") {
      if (const auto body = Json::parse_own(row.body)) return text_member(*body, "key");
    }
  }
  std::string key = random_secret();
  outbox.put({"secret", "recording_links", "", Json::object({{"key", key}}).dump(), now_ms});
  return key;
}

tl::expected<recorder::OpenFolder, std::string> open_folder(const config::Recording& config) {
  auto folder = recorder::OpenFolder::open(config, [](std::string_view why) {
    server::log::warn("recordings_still_readable", {{"why", why}});
  });
  if (folder && folder->key()) {
    server::log::info("recordings_encrypted", {{"key", recorder::hex(*folder->key())}});
  }
  return folder;
}

ServerFacts facts_of(const StoreState& state, std::string version, std::int64_t now_ms) {
  ServerFacts facts;
  facts.version = std::move(version);
  facts.boot_id = random_id("boot");
  facts.epoch = state.epoch;
  facts.started_ms = now_ms;
  return facts;
}

Json metrics_json(const server::Metrics& metrics) {
  Json all = Json::array();
  for (const server::Metrics::Sample& sample : metrics.samples()) {
    Json one = Json::object({{"name", sample.name}});
    if (!sample.labels.empty()) {
      Json labels{Json::Object{}};
      for (const auto& [name, value] : sample.labels) labels.set(name, value);
      one.set("labels", std::move(labels));
    }
    const auto whole = static_cast<std::int64_t>(sample.value);
    const bool is_whole = static_cast<double>(whole) == sample.value;
    one.set("value", is_whole ? Json(whole) : Json(sample.value));
    all.push(std::move(one));
  }
  return all;
}

// Sections of which nothing is taken over while the daemon runs, and that are not the same.
std::vector<std::string> waiting_for_restart(const config::Config& now, config::Config wanted) {
  std::vector<std::string> sections;
  const auto look = [&](const char* name, bool same) {
    if (!same) sections.emplace_back(name);
  };
  wanted.log.level = now.log.level;
  wanted.control.cors_origins = now.control.cors_origins;
  look("log", wanted.log == now.log);
  look("control", wanted.control == now.control);
  look("workers", wanted.workers == now.workers);
  look("ice", wanted.ice == now.ice);
  look("srtp", wanted.srtp == now.srtp);
  look("ingress", wanted.ingress == now.ingress);
  look("egress", wanted.egress == now.egress);
  look("media", wanted.media == now.media);
  look("recording", wanted.recording == now.recording);
  look("store", wanted.store == now.store);
  return sections;
}

}  // namespace

struct Daemon::Impl {
  Impl(Parts daemon_parts, OpenedStore& opened, Keyring ring, recorder::OpenFolder folder)
      : parts(std::move(daemon_parts)),
        config(parts.config),
        store(std::move(opened.store)),
        keyring(std::move(ring)),
        outbox(*store, opened.state.last_seq, secure_random),
        context{config,
                timers,
                outbox,
                [] { return server::Loop::now(); },
                [] { return server::Loop::wall_ms(); },
                secure_random,
                parts.media.post,
                parts.media.workers,
                parts.media.fingerprint,
                [this](ConnectionId to, std::string_view message) { doors.send(to, message); },
                [this](ConnectionId to, std::uint16_t code, std::string_view why) {
                  doors.close(to, code, why);
                }},
        tenants(context),
        rooms(context, tenants),
        metering(context),
        revocations(context),
        sessions(context, tenants, revocations, rooms, metering),
        recordings_folder(std::move(folder)),
        recorder(parts.config.recording,
                 [this](recorder::RecorderEvent event) { from_recorder(std::move(event)); }),
        recordings(context, recorder, link_key_of(opened.state, outbox, server::Loop::wall_ms())),
        composing(
            timers, context.now,
            composer_program(parts.loop, parts.config.recording, [this] { end_turn(); }),
            {parts.config.recording.compose_at_once, parts.config.recording.compose_live_at_once},
            recordings.composing_events()),
        uploading(timers, context.now,
                  uploader_program(parts.loop, parts.config.recording, [this] { end_turn(); }),
                  parts.config.recording.upload.at_once,
                  std::chrono::milliseconds(parts.config.recording.upload.retry_after_ms),
                  recordings.uploading_events()),
        chat(context),
        actions(context, rooms, sessions, recordings, chat),
        idempotency(context),
        consumers(context, *store, opened.state.epoch),
        http(parts.loop),
        webhooks(
            context, *store,
            [this](HttpClient::Request request, HttpClient::Done done) {
              http.post(std::move(request), std::move(done));
            },
            [this] { end_turn(); }),
        metrics(parts.metrics),
        api({context,
             keyring,
             tenants,
             revocations,
             rooms,
             metering,
             sessions,
             actions,
             recordings,
             chat,
             idempotency,
             consumers,
             webhooks,
             *store,
             facts_of(opened.state, parts.version, server::Loop::wall_ms()),
             {[this] { return metrics_json(fresh_metrics()); }, [this] { return reload_json(); }}}),
        control(context, keyring, api, consumers),
        rtc(context, keyring, sessions, actions, recordings, chat),
        doors({config, *store, sessions, recordings, control, rtc,
               origin_of(parts.config.recording.upload),
               [this] { return fresh_metrics().render(); }, [this] { end_turn(); }}) {
    outbox.on_event([this](const EventRow& event) {
      control.publish(event);
      webhooks.publish(event);
    });
    metering.restrict_session = [this](Session& session, const Restrictions& restrictions) {
      session.withhold_pictures(restrictions.audio_only);
      recordings.forbid(session, restrictions.no_recording);
    };
    recordings.compose = [this](ComposeJob job) {
      later([this, job = std::move(job)] { composing.add(job); });
    };
    recordings.compose_live = [this](ComposeJob job) {
      later([this, job = std::move(job)] { composing.follow(job); });
    };
    recordings.storage_limit = [this](std::string_view id) {
      const Tenant* tenant = tenants.find(id);
      return tenant == nullptr ? std::nullopt : tenant->max_storage_bytes;
    };
    if (parts.config.recording.upload.enabled()) {
      recordings.upload = [this](const std::string& id, const std::string& key_prefix) {
        later([this, id, key_prefix] { uploading.upload(id, key_prefix); });
      };
      recordings.remove_copy = [this](const std::string& id, const std::string& key_prefix,
                                      const std::vector<std::string>& names) {
        later([this, id, key_prefix, names] { uploading.remove(id, key_prefix, names); });
      };
    }
    metering.has_authority = [this](std::string_view tenant) { return control.serves(tenant); };
    control.on_change = [this] { metering.authority_changed(); };
    sessions.observe(
        {[this](Session& session) {
           const Room* room = rooms.find(session.room_id());
           recordings.attach(session, room != nullptr && room->config.record_sessions,
                             room == nullptr ? RecordingOptions() : room->config.recording);
         },
         [this](Session& session, std::string_view reason) { recordings.detach(session, reason); },
         [this](const Session& session, Json& result) {
           result.set("recording", recordings.info(session));
           const Room* room = rooms.find(session.room_id());
           if (room != nullptr) result.set("chat", chat.to_json(*room));
         }});
    control.beat();
  }
  // What the store held at the end of the process before this one.
  [[nodiscard]] tl::expected<void, std::string> load(const std::vector<Row>& rows) {
    tenants.load(rows);
    rooms.load(rows);
    if (auto loaded = metering.load(rows); !loaded) return loaded;
    revocations.load(rows);
    sessions.load(rows);
    recordings.load(rows);
    chat.load(rows, [this](const std::string& id) { return rooms.find(id) != nullptr; });
    idempotency.load(rows);
    consumers.load(rows);
    webhooks.load(rows);
    keys_changed();
    return {};
  }
  void keys_changed() {
    const auto scope_of = [this](std::string_view key_id) {
      const auto principal = keyring.principal(key_id);
      return principal ? std::optional(principal->tenants) : std::nullopt;
    };
    consumers.keys_changed(scope_of);
    webhooks.keys_changed(scope_of);
    control.keys_changed();
  }
  ~Impl() {
    if (armed != 0) parts.loop.cancel(armed);
  }

  // Ends each turn: what was changed goes to the store, and the next deadline to the loop.
  void end_turn() {
    outbox.flush();
    const auto next = timers.next();
    if (next == armed_for) return;
    if (armed != 0) parts.loop.cancel(armed);
    armed = 0;
    armed_for = next;
    if (!next) return;
    armed = parts.loop.at(*next, [this] {
      armed = 0;
      armed_for.reset();
      timers.run(server::Loop::now());
      end_turn();
    });
  }

  void from_recorder(recorder::RecorderEvent event) {
    later([this, event = std::move(event)] { recordings.on_recorder_event(event); });
  }
  // On the loop's next turn; from any thread.
  void later(std::function<void()> task) {
    const bool posted = parts.loop.post([this, task = std::move(task)] {
      task();
      end_turn();
    });
    if (!posted) server::log::error("task_lost");
  }

  void check_shutdown();

  tl::expected<std::vector<std::string>, std::string> reload();
  RpcResult<Json> reload_json();
  [[nodiscard]] Stats stats() const;
  const server::Metrics& fresh_metrics() {
    metrics.refresh(stats());
    return parts.metrics;
  }

  Parts parts;
  config::Config config;  // as it is now; what the doors and the disk got stays as it was
  std::unique_ptr<Store> store;
  Keyring keyring;
  Timers timers;
  Outbox outbox;
  Context context;
  Tenants tenants;
  Rooms rooms;
  Metering metering;
  Revocations revocations;
  Sessions sessions;
  recorder::OpenFolder recordings_folder;  // until nobody below has a file open there
  recorder::Recorder recorder;
  Recordings recordings;
  Composing composing;
  Uploading uploading;
  Chat chat;
  Actions actions;
  Idempotency idempotency;
  Consumers consumers;
  HttpClient http;
  Webhooks webhooks;
  DaemonMetrics metrics;
  Api api;
  ControlSockets control;
  RtcSockets rtc;
  Doors doors;
  server::Loop::TimerId armed = 0;
  std::optional<rtp::Time> armed_for;
  std::function<void()> shut_down_done;
};

tl::expected<std::vector<std::string>, std::string> Daemon::Impl::reload() {
  auto wanted = parts.read_config();
  if (!wanted) return tl::unexpected(wanted.error());
  auto ring = Keyring::from_config(wanted->auth);
  if (!ring) return tl::unexpected(ring.error());
  if (auto ok = check_codecs(wanted->rooms); !ok) return tl::unexpected(ok.error());
  auto waiting = waiting_for_restart(config, *wanted);
  keyring = std::move(*ring);
  config.auth = std::move(wanted->auth);
  config.rooms = wanted->rooms;
  config.chat = wanted->chat;
  config.timers = std::move(wanted->timers);
  config.ice_servers = std::move(wanted->ice_servers);
  config.log.level = wanted->log.level;
  config.control.cors_origins = std::move(wanted->control.cors_origins);
  server::log::set_level(config.log.level);
  keys_changed();
  server::log::info("reloaded", {{"keys", config.auth.api_keys.size()}});
  for (const std::string& section : waiting) {
    server::log::warn("restart_needed", {{"section", section}});
  }
  return waiting;
}

RpcResult<Json> Daemon::Impl::reload_json() {
  const auto waiting = reload();
  if (!waiting) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "invalid_config", waiting.error()));
  }
  Json list = Json::array();
  for (const std::string& section : *waiting) list.push(section);
  return Json::object({{"restart_needed", std::move(list)}});
}

Daemon::Stats Daemon::Impl::stats() const {
  Stats now;
  now.rooms = rooms.size();
  now.sessions = sessions.running();
  now.participants = sessions.participants();
  now.control_sockets = control.size();
  now.rtc_sockets = rtc.size();
  now.auth_failures = control.auth_failures();
  now.rate_limited = api.rate_limited();
  now.last_seq = outbox.durable_seq();
  now.chat_messages = chat.size();
  now.chat_sent = chat.sent();
  now.chat_refused = chat.refused();
  now.methods = control.method_stats();
  now.webhooks = webhooks.states();
  now.webhook_counters = webhooks.counters();
  now.consumers = consumers.lags();
  now.metering = metering.stats();
  now.store_healthy = store->healthy();
  now.listener = doors.stats();
  now.recorder = recorder.stats();
  now.composing = composing.stats();
  now.uploading = uploading.stats();
  return now;
}

void Daemon::Impl::check_shutdown() {
  if (recorder.stats().active_recordings == 0) {
    const auto done = std::exchange(shut_down_done, [] {});
    // Behind everything that is still being written.
    outbox.after([done](bool) { done(); });
    end_turn();
    return;
  }
  timers.at(server::Loop::now() + std::chrono::milliseconds(50), [this] { check_shutdown(); });
  end_turn();
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;

tl::expected<std::unique_ptr<Daemon>, std::string> Daemon::open(Parts parts) {
  auto keyring = Keyring::from_config(parts.config.auth);
  if (!keyring) return tl::unexpected(keyring.error());
  if (auto ok = check_codecs(parts.config.rooms); !ok) return tl::unexpected(ok.error());
  if (const config::Upload& to = parts.config.recording.upload; to.enabled()) {
    if (auto ok = place_of(to); !ok) return tl::unexpected("recording.upload: " + ok.error());
  }
  auto store = open_sqlite_store(parts.loop, parts.config.store);
  if (!store) return tl::unexpected(store.error());
  // The store is ours alone by now: no other daemon reads what is closed again if this start fails.
  auto folder = open_folder(parts.config.recording);
  if (!folder) return tl::unexpected(folder.error());
  const std::string file = parts.config.store.file;
  auto impl =
      std::make_unique<Impl>(std::move(parts), *store, std::move(*keyring), std::move(*folder));
  if (auto loaded = impl->load(store->state.rows); !loaded) {
    return tl::unexpected("store.file: " + file + ": " + loaded.error());
  }
  if (auto opened = impl->doors.open(impl->parts.loop); !opened) {
    return tl::unexpected(opened.error());
  }
  impl->recordings.expect_leftovers(impl->recorder.adopt_leftovers());
  impl->recordings.resume();
  impl->end_turn();
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));  // the constructor is private
}

void Daemon::on_worker_events(std::size_t worker, const std::vector<server::Event>& events) {
  impl_->sessions.on_worker_events(worker, events);
  impl_->end_turn();
}

void Daemon::shut_down(std::function<void()> done) {
  if (impl_->shut_down_done) return;
  impl_->shut_down_done = std::move(done);
  impl_->doors.shut();
  impl_->composing.stop();  // both go on at the next start
  impl_->uploading.stop();
  impl_->sessions.end_all("server_shutdown");
  impl_->end_turn();
  impl_->timers.at(server::Loop::now() + kShutdownLimit, [impl = impl_.get()] {
    server::log::warn("shutdown_incomplete");
    std::exchange(impl->shut_down_done, [] {})();
  });
  // A moment for close frames to leave, then as long as the recorder needs.
  impl_->timers.at(server::Loop::now() + std::chrono::milliseconds(200),
                   [impl = impl_.get()] { impl->check_shutdown(); });
  impl_->end_turn();
}

void Daemon::call(std::string_view key_id, std::string_view method, Json params,
                  std::function<void(const Json& result)> reply) {
  const Principal operator_here{std::string(key_id), config::KeyRole::Admin, {"*"}, {}, {}};
  RpcRequest request;
  request.id = Json(1);
  request.method = std::string(method);
  request.params = std::move(params);
  impl_->api.call(operator_here, request,
                  [impl = impl_.get(), reply = std::move(reply)](RpcResult<Json> result) {
                    impl->outbox.after([reply, result = std::move(result)](bool) {
                      reply(result ? *result : Json::object({{"error", result.error().message}}));
                    });
                  });
  impl_->end_turn();
}

std::vector<std::string> Daemon::urls() const { return impl_->doors.urls(); }

tl::expected<std::vector<std::string>, std::string> Daemon::reload() {
  auto waiting = impl_->reload();
  impl_->end_turn();
  return waiting;
}

}  // namespace parley::control
