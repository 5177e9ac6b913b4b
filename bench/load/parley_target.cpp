#include "bench/load/parley_target.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "bench/load/web_socket.h"
#include "control/json.h"
#include "control/jwt.h"

namespace parley::bench {
namespace {

using control::Json;

constexpr std::uint16_t kPort = 17'080;
constexpr const char* kSecret = "a secret of the load generator, long enough";

std::string sign_token(Json claims) {
  const auto key = control::JwtKey::hs256(kSecret);
  const auto now_s = static_cast<std::int64_t>(time(nullptr));
  claims.set("iss", "load");
  claims.set("jti", "load");
  claims.set("nbf", now_s - 1);
  claims.set("exp", now_s + 250);
  return *control::sign_jwt(claims, *key);
}

std::string reason_of(const Json& answer) {
  const Json* error = answer.find("error");
  const Json* data = error == nullptr ? nullptr : error->find("data");
  const Json* reason = data == nullptr ? nullptr : data->find("reason");
  return reason == nullptr ? "" : *reason->as_string();
}

class ParleyEntry : public Entry {
 public:
  explicit ParleyEntry(Target::Endpoint endpoint)
      : endpoint_(std::move(endpoint)), socket_(kPort, "/v1/rtc", "parley.rtc.v1") {}

  std::optional<client::Remote> advance() override {
    if (step_ == Step::Opening) {
      if (!socket_.open()) return std::nullopt;
      send_join();
      step_ = Step::Asked;
    }
    const auto result = take_result();
    if (!result) return std::nullopt;
    if (step_ == Step::Offered) return client::read_remote(*result->find("sdp")->as_string());
    join_bytes_ = socket_.received_bytes();
    send_offer();
    step_ = Step::Offered;
    return std::nullopt;
  }
  void wait() const override { socket_.wait(); }
  void drain() override {
    while (socket_.take()) {
    }
  }
  Told told() const override {
    return {socket_.received_bytes(), socket_.received_messages(), join_bytes_};
  }

 private:
  enum class Step : std::uint8_t { Opening, Asked, Offered };

  void send_join() {
    const Json grants =
        Json::object({{"tenant", "load"}, {"room", endpoint_.room}, {"role", endpoint_.role}});
    const std::string token =
        sign_token(Json::object({{"aud", "parley-join"},
                                 {"sub", "peer-" + std::to_string(endpoint_.participant)},
                                 {"parley", grants}}));
    request("join", Json::object({{"token", token}, {"client", "load"}}));
  }

  void send_offer() {
    Json tracks = Json::array();
    for (const client::Line& line : endpoint_.lines) {
      if (line.ssrc.value == 0) continue;
      const bool video = line.kind == rtp::MediaKind::Video;
      tracks.push(Json::object({{"mid", line.mid}, {"source", video ? "camera" : "microphone"}}));
    }
    const std::string sdp =
        client::make_offer(endpoint_.lines, endpoint_.credentials, endpoint_.fingerprint);
    request("offer", Json::object({{"sdp", sdp}, {"tracks", tracks}}));
  }

  void request(const char* method, Json params) {
    socket_.send(Json::object({{"jsonrpc", "2.0"},
                               {"id", ++last_id_},
                               {"method", method},
                               {"params", std::move(params)}}));
  }

  std::optional<Json> take_result() {
    while (const auto message = socket_.take()) {
      const Json* answered = message->find("id");
      if (answered == nullptr || *answered != Json(last_id_)) continue;
      const Json* result = message->find("result");
      if (result == nullptr) throw Refused(reason_of(*message), message->dump());
      return *result;
    }
    return std::nullopt;
  }

  Target::Endpoint endpoint_;
  WebSocket socket_;
  Step step_ = Step::Opening;
  std::uint64_t join_bytes_ = 0;
  std::int64_t last_id_ = 0;
};

void call(const std::string& method, Json params) {
  const std::string body =
      Json::object(
          {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}})
          .dump();
  const std::string answer = http_exchange(
      kPort,
      "POST /v1/rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " +
          sign_token(Json::object({{"aud", "parley-control"}})) +
          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto json = Json::parse(answer);
  if (!json || json->find("result") == nullptr) throw std::runtime_error(method + ": " + answer);
}

// What /metrics say, by name; a metric of several workers is their sum.
std::unordered_map<std::string, double> scrape() {
  std::istringstream lines(http_exchange(
      kPort, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  std::unordered_map<std::string, double> sums;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t name_end = line.find_first_of(" {");
    if (line.empty() || line[0] == '#' || name_end == std::string::npos) continue;
    sums[line.substr(0, name_end)] += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sums;
}

}  // namespace

std::vector<std::string> ParleyTarget::configure(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "parley.yaml";
  std::ofstream(file)
      << "control: {listen: [\"127.0.0.1:" << kPort << "\"], max_connections_per_address: 10000}\n"
      << "workers: {count: " << options_.workers << "}\n"
      << "ice: {port_base: 41000, bind: [\"127.0.0.1\"]}\n"
      << "rooms: {max_participants: 10000}\n"
      << "recording: {directory: \""
      << (options_.recordings.empty() ? (folder / "recordings").string() : options_.recordings)
      << "\"}\n"
      << "store: {file: \"" << (folder / "parley.db").string() << "\"}\n"
      << "auth: {reads_per_s: 0, writes_per_s: 0, api_keys: [{id: load, secrets: [\"" << kSecret
      << "\"]}]}\n"
      << options_.more_config << "\n";
  return {options_.program, "--config", file.string()};
}

void ParleyTarget::make_room(const std::string& name, std::size_t people) {
  if (options_.metered && backend_ == nullptr) {
    call("quota.set", Json::object({{"tenant", "load"},
                                    {"enforce", "participant_ms"},
                                    {"start_condition", "first_participant"},
                                    {"limit_ms", std::int64_t{1'000'000'000'000}}}));
    backend_ = std::make_unique<WebSocket>(
        kPort, "/v1/control?access_token=" + sign_token(Json::object({{"aud", "parley-control"}})),
        "parley.control.v1");
    while (!backend_->open()) backend_->wait();
    backend_->send(Json::object({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "hello"}}));
  }
  Json room = Json::object({{"tenant", "load"},
                            {"name", name},
                            {"max_participants", static_cast<std::uint64_t>(people)}});
  if (!options_.recordings.empty()) room.set("recording", Json::object({{"auto", "session"}}));
  call("room.create", std::move(room));
}

std::unique_ptr<Entry> ParleyTarget::enter(Endpoint endpoint) {
  return std::make_unique<ParleyEntry>(std::move(endpoint));
}

std::optional<Target::Counters> ParleyTarget::counters() const {
  auto metrics = scrape();
  return Counters{metrics["parley_worker_packets_in_total"],
                  metrics["parley_worker_packets_out_total"],
                  metrics["parley_worker_bytes_out_total"],
                  metrics["parley_worker_send_messages_total"],
                  metrics["parley_worker_peers"],
                  metrics["parley_worker_peer_bytes"],
                  metrics["parley_worker_tracks"],
                  metrics["parley_worker_stream_bytes"]};
}

}  // namespace parley::bench
