#include "bench/peers/janus/janus_target.h"

#include <fstream>
#include <stdexcept>
#include <utility>

#include "bench/load/web_socket.h"
#include "control/json.h"

namespace parley::bench {
namespace {

using control::Json;

constexpr std::uint16_t kPort = 17'088;

const Json* find(const Json* in, const char* name) {
  return in == nullptr ? nullptr : in->find(name);
}

}  // namespace

// A session and its handle on the video room: "create", then "attach", then messages.
class JanusTarget::Handle {
 public:
  Handle() : socket_(kPort, "/", "janus-protocol") {}

  // True once messages may be sent.
  bool attached() {
    if (step_ == Step::Opening && socket_.open()) {
      send(Json::object({{"janus", "create"}}));
      step_ = Step::Creating;
    }
    if (step_ == Step::Creating) {
      if (const auto answer = take()) {
        session_ = number_in(*answer);
        send(Json::object({{"janus", "attach"}, {"plugin", "janus.plugin.videoroom"}}));
        step_ = Step::Attaching;
      }
    }
    if (step_ == Step::Attaching) {
      if (const auto answer = take()) {
        handle_ = number_in(*answer);
        step_ = Step::Attached;
      }
    }
    return step_ == Step::Attached;
  }

  void message(Json body, const char* jsep_type = nullptr, const std::string& sdp = {}) {
    Json request = Json::object({{"janus", "message"}, {"body", std::move(body)}});
    if (jsep_type != nullptr) {
      request.set("jsep", Json::object({{"type", jsep_type}, {"sdp", sdp}}));
    }
    send(std::move(request));
  }

  // The answer to what was sent last; that it is being worked on is none.
  std::optional<Json> take() {
    while (auto message = socket_.take()) {
      const Json* transaction = message->find("transaction");
      const std::string* kind = message->find("janus")->as_string();
      if (transaction == nullptr || *transaction != Json(std::to_string(sent_))) continue;
      if (*kind == "ack") continue;
      const Json* data = find(message->find("plugindata"), "data");
      if (*kind == "error" || find(data, "error") != nullptr) {
        throw std::runtime_error("Janus: " + message->dump());
      }
      return message;
    }
    return std::nullopt;
  }
  void wait() const { socket_.wait(); }
  void drain() {
    while (socket_.take()) {
    }
  }

 private:
  enum class Step : std::uint8_t { Opening, Creating, Attaching, Attached };

  void send(Json request) {
    request.set("transaction", std::to_string(++sent_));
    if (session_ != 0) request.set("session_id", session_);
    if (handle_ != 0) request.set("handle_id", handle_);
    socket_.send(request);
  }
  static std::int64_t number_in(const Json& answer) {
    const Json* id = find(answer.find("data"), "id");
    if (id == nullptr || !id->is_int()) throw std::runtime_error("Janus: " + answer.dump());
    return *id->as_int();
  }

  WebSocket socket_;
  Step step_ = Step::Opening;
  std::int64_t session_ = 0;
  std::int64_t handle_ = 0;
  std::uint64_t sent_ = 0;
};

class JanusTarget::JanusEntry : public Entry {
 public:
  JanusEntry(Endpoint endpoint, const Room& room)
      : endpoint_(std::move(endpoint)),
        room_(room),
        sends_(endpoint_.lines.front().ssrc.value != 0) {}

  std::optional<client::Remote> advance() override {
    if (step_ == Step::Attaching) {
      if (!handle_.attached()) return std::nullopt;
      sends_ ? publish() : subscribe();
      step_ = Step::Asked;
    }
    const auto answer = handle_.take();
    if (!answer) return std::nullopt;
    if (step_ == Step::Started) return remote_;
    const Json* sdp = find(answer->find("jsep"), "sdp");
    if (sdp == nullptr) throw std::runtime_error("Janus: no SDP: " + answer->dump());
    remote_ = client::read_remote(*sdp->as_string());
    if (sends_) return remote_;
    handle_.message(Json::object({{"request", "start"}}), "answer",
                    client::make_receiving_answer(*sdp->as_string(), endpoint_.credentials,
                                                  endpoint_.fingerprint));
    step_ = Step::Started;
    return std::nullopt;
  }
  void wait() const override { handle_.wait(); }
  void drain() override { handle_.drain(); }

 private:
  enum class Step : std::uint8_t { Attaching, Asked, Started };

  void publish() {
    handle_.message(Json::object({{"request", "joinandconfigure"},
                                  {"ptype", "publisher"},
                                  {"room", room_.number},
                                  {"id", static_cast<std::int64_t>(endpoint_.participant + 1)}}),
                    "offer",
                    client::make_offer(endpoint_.lines, endpoint_.credentials,
                                       endpoint_.fingerprint, "active"));
  }

  // As many of the others as there are lines, audio and video together.
  void subscribe() {
    Json streams = Json::array();
    for (const std::size_t feed : room_.feeds) {
      if (feed == endpoint_.participant) continue;
      streams.push(Json::object({{"feed", static_cast<std::int64_t>(feed + 1)}}));
    }
    handle_.message(Json::object({{"request", "join"},
                                  {"ptype", "subscriber"},
                                  {"room", room_.number},
                                  {"streams", streams}}));
  }

  Endpoint endpoint_;
  const Room& room_;
  bool sends_;
  Handle handle_;
  Step step_ = Step::Attaching;
  client::Remote remote_;
};

JanusTarget::JanusTarget(std::size_t event_loops) : event_loops_(event_loops) {}

JanusTarget::~JanusTarget() = default;

std::vector<std::string> JanusTarget::configure(const std::filesystem::path& folder) {
  std::string loops;
  if (event_loops_ > 0) loops = "  event_loops = " + std::to_string(event_loops_) + "\n";
  std::ofstream(folder / "janus.jcfg") << "general: {\n  configs_folder = \"" << folder.string()
                                       << "\"\n  debug_level = 4\n  session_timeout = 0\n"
                                       << loops << "}\n"
                                       << "media: {\n  rtp_port_range = \"20000-60000\"\n}\n"
                                       << "nat: {\n  ice_lite = true\n}\n"
                                       << "plugins: {\n  disable = \""
                                          "libjanus_audiobridge.so,libjanus_duktape.so,"
                                          "libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,"
                                          "libjanus_recordplay.so,libjanus_sip.so,"
                                          "libjanus_streaming.so,libjanus_textroom.so,"
                                          "libjanus_videocall.so,libjanus_voicemail.so\"\n}\n"
                                       << "transports: {\n  disable = \""
                                          "libjanus_http.so,libjanus_mqtt.so,"
                                          "libjanus_nanomsg.so,libjanus_pfunix.so,"
                                          "libjanus_rabbitmq.so\"\n}\n";
  std::ofstream(folder / "janus.transport.websockets.jcfg")
      << "general: {\n  json = \"plain\"\n  ws = true\n  ws_port = " << kPort
      << "\n  ws_ip = \"127.0.0.1\"\n  wss = false\n}\n";
  std::ofstream(folder / "janus.plugin.videoroom.jcfg") << "general: {\n}\n";
  return {"janus", "-F", folder.string(), "-C", (folder / "janus.jcfg").string()};
}

std::vector<Shape> JanusTarget::connections(const Shape& participant) const {
  std::vector<Shape> all;
  if (participant.sends()) all.push_back({participant.send_audio, participant.send_video, 0, 0});
  if (participant.audio_slots + participant.video_slots > 0) {
    all.push_back({false, false, participant.audio_slots, participant.video_slots});
  }
  return all;
}

void JanusTarget::make_room(const std::string& name, std::size_t /*people*/) {
  if (!control_) control_ = std::make_unique<Handle>();
  while (!control_->attached()) control_->wait();
  const auto number = static_cast<std::int64_t>(rooms_.size() + 1);
  rooms_[name].number = number;
  control_->message(Json::object({{"request", "create"},
                                  {"room", number},
                                  {"publishers", 5'000},
                                  {"bitrate", 0},
                                  {"audiocodec", "opus"},
                                  {"videocodec", "vp8"},
                                  {"notify_joining", false}}));
  while (!control_->take()) control_->wait();
}

std::unique_ptr<Entry> JanusTarget::enter(Endpoint endpoint) {
  Room& room = rooms_.at(endpoint.room);
  if (endpoint.lines.front().ssrc.value != 0) room.feeds.push_back(endpoint.participant);
  return std::make_unique<JanusEntry>(std::move(endpoint), room);
}

}  // namespace parley::bench
