#include "control/cli/probe.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "control/cli/rtc_socket.h"
#include "control/random_id.h"
#include "server/client/voice_peer.h"
#include "server/loop.h"

namespace parley::cli {
namespace {

using control::integer_member;
using control::Json;
using control::text_member;
using std::chrono::milliseconds;

constexpr milliseconds kConnectPatience{15'000};
constexpr milliseconds kFilePatience{20'000};
constexpr milliseconds kLook{100};
constexpr std::int64_t kTokenTtlS = 300;
constexpr double kMaxLossPercent = 5;

std::int64_t ms_since(rtp::Time then) {
  return std::chrono::duration_cast<milliseconds>(server::Loop::now() - then).count();
}

using Result = tl::expected<Json, Failure>;

// One of the two.
class Peer {
 public:
  static tl::expected<std::unique_ptr<Peer>, Failure> join(const Server& server,
                                                           const std::string& token) {
    auto socket = RtcSocket::open(server);
    if (!socket) return tl::unexpected(socket.error());
    auto peer = std::make_unique<Peer>(std::move(*socket));
    auto joined =
        peer->socket_->ask("join", Json::object({{"token", token}, {"client", "parleyctl probe"}}));
    if (!joined) return tl::unexpected(joined.error());
    Json tracks = Json::array();
    tracks.push(
        Json::object({{"mid", client::VoicePeer::kMicrophoneMid}, {"source", "microphone"}}));
    const auto answer = peer->socket_->ask(
        "offer", Json::object({{"sdp", peer->media_.offer()}, {"tracks", std::move(tracks)}}));
    if (!answer) return tl::unexpected(answer.error());
    if (!peer->media_.start(text_member(*answer, "sdp"))) {
      return tl::unexpected(Failure{kFailed, "the media address cannot be reached from here"});
    }
    return peer;
  }
  explicit Peer(std::unique_ptr<RtcSocket> socket) : socket_(std::move(socket)) {}

  [[nodiscard]] client::VoicePeer& media() { return media_; }
  void look() { socket_->drain(); }
  void leave() { static_cast<void>(socket_->ask("leave", Json(Json::Object{}))); }

 private:
  std::unique_ptr<RtcSocket> socket_;
  client::VoicePeer media_;
};

class Probe {
 public:
  Probe(const Key& key, const Server& server, const ProbeOptions& options,
        const std::function<void(const std::string&)>& step)
      : key_(key), server_(server), options_(options), step_(step) {}
  // The room goes, whatever has happened; what is recorded goes with the probe.
  ~Probe() {
    if (!recording_id_.empty()) static_cast<void>(ask("recording.delete", recording()));
    if (!room_id_.empty()) {
      static_cast<void>(ask("room.delete", Json::object({{"room_id", room_id_}})));
    }
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  Result run();

 private:
  Result ask(const std::string& method, Json params) const {
    return call(key_, server_, method, params);
  }
  [[nodiscard]] Json recording() const { return Json::object({{"recording_id", recording_id_}}); }
  tl::expected<void, Failure> join();
  tl::expected<void, Failure> talk();
  tl::expected<void, Failure> wait_for_files();

  const Key& key_;
  const Server& server_;
  const ProbeOptions& options_;
  const std::function<void(const std::string&)>& step_;
  std::string room_id_;
  std::string recording_id_;
  std::unique_ptr<Peer> peers_[2];
  Json figures_{Json::Object{}};
};

tl::expected<void, Failure> Probe::join() {
  const rtp::Time began = server::Loop::now();
  for (std::size_t i = 0; i < 2; ++i) {
    Json grants = Json::object({{"tenant", options_.tenant},
                                {"room", room_id_},
                                {"role", i == 0 ? "host" : "participant"}});
    const std::string identity = "probe-" + std::to_string(i + 1);
    const auto token = key_.sign(
        join_claims(identity, std::move(grants), server::Loop::wall_ms() / 1'000, kTokenTtlS));
    if (!token) return tl::unexpected(token.error());
    auto peer = Peer::join(server_, *token);
    if (!peer) return tl::unexpected(peer.error());
    peers_[i] = std::move(*peer);
  }
  figures_.set("join_ms", ms_since(began));
  for (const auto& peer : peers_) {
    if (!peer->media().wait_connected(kConnectPatience)) {
      return tl::unexpected(
          Failure{kFailed,
                  "media did not connect: is the UDP port open, and announced_addresses "
                  "right?"});
    }
  }
  figures_.set("connect_ms", ms_since(began));
  return {};
}

tl::expected<void, Failure> Probe::talk() {
  const std::uint64_t said_before = peers_[0]->media().said() + peers_[1]->media().said();
  const std::uint64_t heard_before = peers_[0]->media().heard() + peers_[1]->media().heard();
  const rtp::Time end = server::Loop::now() + std::chrono::seconds(options_.seconds);
  while (server::Loop::now() < end) {
    for (const auto& peer : peers_) peer->look();
    std::this_thread::sleep_for(kLook);
  }
  const std::uint64_t said = peers_[0]->media().said() + peers_[1]->media().said() - said_before;
  const std::uint64_t heard =
      peers_[0]->media().heard() + peers_[1]->media().heard() - heard_before;
  figures_.set("sent", said);
  figures_.set("heard", heard);
  const double lost = said > heard ? static_cast<double>(said - heard) : 0;
  const double percent = said == 0 ? 100 : lost * 100 / static_cast<double>(said);
  figures_.set("loss_percent", percent);
  for (const auto& peer : peers_) {
    if (peer->media().heard() == 0) {
      return tl::unexpected(Failure{kFailed, "one side hears nothing of the other"});
    }
  }
  if (percent > kMaxLossPercent) {
    return tl::unexpected(Failure{kFailed, "media is lost: " + figures_.dump()});
  }
  return {};
}

tl::expected<void, Failure> Probe::wait_for_files() {
  const rtp::Time until = server::Loop::now() + kFilePatience;
  for (;;) {
    const auto record = ask("recording.get", recording());
    if (!record) return tl::unexpected(record.error());
    const std::string state = text_member(*record, "state");
    if (state == "completed") {
      const std::int64_t recorded_ms = integer_member(*record, "duration_ms");
      figures_.set("recorded_ms", recorded_ms);
      if (recorded_ms * 2 >= options_.seconds * 1'000) return {};
      return tl::unexpected(Failure{kFailed, "the recording is too short: " + record->dump()});
    }
    if (state == "failed" || server::Loop::now() >= until) {
      return tl::unexpected(Failure{kFailed, "the recording is not completed: " + record->dump()});
    }
    std::this_thread::sleep_for(kLook);
  }
}

Result Probe::run() {
  const rtp::Time began = server::Loop::now();
  step_("making a room");
  const auto room =
      ask("room.create",
          Json::object({{"tenant", options_.tenant}, {"name", control::random_id("probe")}}));
  if (!room) return tl::unexpected(room.error());
  room_id_ = text_member(*room, "room_id");
  step_("joining twice");
  if (auto ok = join(); !ok) return tl::unexpected(ok.error());
  if (options_.record) {
    step_("recording");
    const auto started = ask("recording.start", Json::object({{"room_id", room_id_}}));
    if (!started) return tl::unexpected(started.error());
    recording_id_ = text_member(*started, "recording_id");
  }
  step_("talking for " + std::to_string(options_.seconds) + " s");
  const auto talked = talk();
  if (!recording_id_.empty()) {
    const auto stopped = ask("recording.stop", recording());
    if (talked && !stopped) return tl::unexpected(stopped.error());
  }
  for (const auto& peer : peers_) peer->leave();
  if (!talked) return tl::unexpected(talked.error());
  if (!recording_id_.empty()) {
    step_("waiting for the files");
    if (auto ok = wait_for_files(); !ok) return tl::unexpected(ok.error());
  }
  figures_.set("total_ms", ms_since(began));
  return figures_;
}

}  // namespace

tl::expected<Json, Failure> probe(const Key& key, const Server& server, const ProbeOptions& options,
                                  const std::function<void(const std::string&)>& step) {
  return Probe(key, server, options, step).run();
}

}  // namespace parley::cli
