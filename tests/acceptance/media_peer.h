#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/certificate.h"
#include "server/client/client.h"
#include "server/client/sdp.h"
#include "server/client/synthetic.h"
#include "server/dtls.h"
#include "server/loop.h"
#include "tests/acceptance/daemon_fixture.h"

namespace parley::acceptance {

// A participant who joins through the front door and sends a voice over real ICE, DTLS and SRTP
// until it is told to stop. Its media runs on a thread of its own, its socket is the test's.
class MediaPeer {
 public:
  MediaPeer(const Daemon& daemon, const std::string& token)
      : rtc(RpcSocket::rtc(daemon)), certificate_(server::Certificate::make(now_s() * 1'000)) {
    joined = rtc.ask("join", Json::object({{"token", token}}));
  }
  ~MediaPeer() { stop_media(); }
  MediaPeer(const MediaPeer&) = delete;
  MediaPeer& operator=(const MediaPeer&) = delete;

  // True when it was let in.
  [[nodiscard]] bool is_in() const { return joined.find("result") != nullptr; }

  // Offers a microphone and one slot for each kind; back when DTLS is through.
  void connect() {
    static std::atomic<std::uint32_t> next_ssrc{5'000};
    const rtp::Ssrc ssrc{next_ssrc += 10};
    const std::vector<client::Line> lines = {{"0", rtp::MediaKind::Audio, ssrc, {}},
                                             {"1", rtp::MediaKind::Audio, {}, {}},
                                             {"2", rtp::MediaKind::Video, {}, {}}};
    const server::IceCredentials local{"peer" + std::to_string(ssrc.value),
                                       "apasswordofatestpeer000000"};
    Json tracks = Json::array();
    tracks.push(Json::object({{"mid", "0"}, {"source", "microphone"}}));
    const Json answer = rtc.ask(
        "offer",
        Json::object({{"sdp", client::make_offer(lines, local, certificate_.fingerprint_text())},
                      {"tracks", std::move(tracks)}}));
    const Json* result = answer.find("result");
    ASSERT_NE(result, nullptr) << answer.dump();
    const client::Remote remote = client::read_remote(*result->find("sdp")->as_string());
    track_id = *result->find("tracks")->as_array()->at(0).find("track_id")->as_string();
    dtls_.emplace(certificate_);
    client_.emplace(
        *dtls_,
        client::ClientParams{local, remote.credentials, remote.fingerprints, remote.address},
        server::system_random());
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage to{};
    const std::size_t size = remote.address.to(to);
    ASSERT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), static_cast<socklen_t>(size)), 0);
    client::SyntheticAudio::Options voice;
    voice.ssrc = ssrc;
    voice.pt = client::kOpusType;
    voice.extensions = {.mid = client::kMidId,
                        .rid = 0,
                        .transport_cc = client::kTransportCcId,
                        .audio_level = client::kAudioLevelId};
    voice_.emplace(voice, transport_);
    thread_ = std::thread([this] { run(); });
    while (!connected_ && !over_) std::this_thread::yield();
    ASSERT_TRUE(connected_);
  }
  // As a cut cable: nothing is sent any more, nothing is said.
  void stop_media() {
    if (!thread_.joinable()) return;
    over_ = true;
    thread_.join();
    close(std::exchange(fd_, -1));
  }
  // Media packets that came so far.
  [[nodiscard]] std::uint64_t heard() const { return heard_; }

  // The next notification of this kind, its params; null when the socket ends first.
  Json notified(const std::string& method) {
    for (std::size_t i = 0; i < rtc.notifications.size(); ++i) {
      if (*rtc.notifications[i].find("method") != Json(method)) continue;
      Json params = *rtc.notifications[i].find("params");
      rtc.notifications.erase(rtc.notifications.begin() + static_cast<std::ptrdiff_t>(i));
      return params;
    }
    for (;;) {
      const Json message = rtc.next();
      if (message.is_null()) return {};
      const Json* name = message.find("method");
      if (name != nullptr && *name == Json(method)) return *message.find("params");
      rtc.notifications.push_back(message);
    }
  }

  RpcSocket rtc;
  Json joined;
  std::string track_id;

 private:
  void run() {
    client_->start(server::Loop::now());
    voice_->start(server::Loop::now());
    std::array<std::uint8_t, 1'500> buffer{};
    while (!over_) {
      rtp::Time now = server::Loop::now();
      client_->tick(now);
      if (client_->connected()) {
        connected_ = true;
        voice_->poll(now, [this](rtp::ConstBytes packet) { client_->send_rtp(packet); });
      }
      while (const auto datagram = client_->poll_transmit()) {
        std::ignore = ::send(fd_, datagram->data(), datagram->size(), 0);
      }
      pollfd readable{fd_, POLLIN, 0};
      if (poll(&readable, 1, 5) <= 0) continue;
      const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) continue;
      now = server::Loop::now();
      const auto received =
          client_->on_datagram(now, rtp::ConstBytes(buffer.data(), static_cast<std::size_t>(size)));
      if (received.kind == client::Client::Received::Kind::Rtp) ++heard_;
    }
  }

  server::Certificate certificate_;
  std::optional<server::DtlsContext> dtls_;
  std::optional<client::Client> client_;
  client::TransportSequence transport_;
  std::optional<client::SyntheticAudio> voice_;
  int fd_ = -1;
  std::thread thread_;
  std::atomic<bool> connected_{false};
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> heard_{0};
};

// A join token as a backend signs it offline.
inline std::string join_token(const std::string& identity, const std::string& role = "participant",
                              const std::string& room = "main",
                              const std::string& tenant = "seller-1") {
  return sign(Json::object(
      {{"iss", "crm"},
       {"aud", "parley-join"},
       {"sub", identity},
       {"jti", "jt-" + identity},
       {"iat", now_s()},
       {"nbf", now_s() - 1},
       {"exp", now_s() + 600},
       {"parley", Json::object({{"tenant", tenant}, {"room", room}, {"role", role}})}}));
}

}  // namespace parley::acceptance
