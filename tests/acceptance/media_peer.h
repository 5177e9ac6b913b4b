#pragma once

#include <chrono>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "server/client/voice_peer.h"
#include "tests/acceptance/daemon_fixture.h"

namespace parley::acceptance {

// A participant who joins through the front door and sends a voice over real ICE, DTLS and SRTP
// until it is told to stop. Its media runs on a thread of its own, its socket is the test's.
class MediaPeer {
 public:
  MediaPeer(const Daemon& daemon, const std::string& token) : rtc(RpcSocket::rtc(daemon)) {
    joined = rtc.ask("join", Json::object({{"token", token}}));
  }
  MediaPeer(const MediaPeer&) = delete;
  MediaPeer& operator=(const MediaPeer&) = delete;

  // True when it was let in.
  [[nodiscard]] bool is_in() const { return joined.find("result") != nullptr; }

  // Offers a microphone and one slot for each kind; back when DTLS is through.
  void connect() { start(true); }
  // The same without a microphone.
  void watch() { start(false); }
  // Who only watched has a microphone from now on, on the same connection.
  void speak() {
    offer(true);
    media_.speak();
  }
  // As a cut cable: nothing is sent any more, nothing is said.
  void stop_media() { media_.stop(); }
  // Media packets that came so far.
  [[nodiscard]] std::uint64_t heard() const { return media_.heard(); }

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
  Json offer(bool speaks) {
    Json tracks = Json::array();
    if (speaks) {
      tracks.push(
          Json::object({{"mid", client::VoicePeer::kMicrophoneMid}, {"source", "microphone"}}));
    }
    const Json answer = rtc.ask(
        "offer", Json::object({{"sdp", media_.offer(speaks)}, {"tracks", std::move(tracks)}}));
    const Json* result = answer.find("result");
    EXPECT_NE(result, nullptr) << answer.dump();
    if (result == nullptr) return {};
    if (speaks) track_id = *result->find("tracks")->as_array()->at(0).find("track_id")->as_string();
    return *result;
  }
  void start(bool speaks) {
    const Json result = offer(speaks);
    ASSERT_FALSE(result.is_null());
    ASSERT_TRUE(media_.start(*result.find("sdp")->as_string(), speaks));
    ASSERT_TRUE(media_.wait_connected(std::chrono::seconds(30)));
  }

  client::VoicePeer media_;
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
