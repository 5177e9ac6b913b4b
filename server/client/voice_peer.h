#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "server/certificate.h"
#include "server/client/client.h"
#include "server/client/sdp.h"
#include "server/client/synthetic.h"
#include "server/dtls.h"

namespace parley::client {

// The media of a participant who listens and, from the start or later, has a microphone: over a
// real socket, on a thread of its own. Whoever owns it does the signalling. For tools and tests.
class VoicePeer {
 public:
  static constexpr const char* kMicrophoneMid = "0";

  VoicePeer();
  ~VoicePeer() { stop(); }
  VoicePeer(const VoicePeer&) = delete;
  VoicePeer& operator=(const VoicePeer&) = delete;

  // A slot to receive for each kind and, of who speaks, one microphone.
  [[nodiscard]] std::string offer(bool speaks = true) const;
  // With the server's answer. False when it cannot be reached from here.
  [[nodiscard]] bool start(const std::string& answer, bool speaks = true);
  // Once the server has agreed to an offer with a microphone.
  void speak() noexcept { speaks_ = true; }
  // Until DTLS is through; false when that took longer.
  [[nodiscard]] bool wait_connected(std::chrono::milliseconds patience);
  // As a cut cable: nothing is sent any more, nothing is said.
  void stop();

  // RTP packets of media that came, and that went.
  [[nodiscard]] std::uint64_t heard() const noexcept { return heard_; }
  [[nodiscard]] std::uint64_t said() const noexcept { return said_; }

 private:
  void run();
  void set_connected();

  rtp::Ssrc ssrc_;
  server::IceCredentials local_;
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  std::optional<Client> client_;
  TransportSequence transport_;
  std::optional<SyntheticAudio> voice_;
  int fd_ = -1;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool connected_ = false;
  std::atomic<bool> over_{false};
  std::atomic<bool> speaks_{false};
  std::atomic<std::uint64_t> heard_{0};
  std::atomic<std::uint64_t> said_{0};
};

}  // namespace parley::client
