#include "server/client/voice_peer.h"

#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/loop.h"
#include "server/random.h"

namespace parley::client {
namespace {

rtp::Ssrc next_ssrc() {
  static std::atomic<std::uint32_t> last{5'000};
  return rtp::Ssrc{last += 10};
}

}  // namespace

VoicePeer::VoicePeer()
    : ssrc_(next_ssrc()),
      local_{"peer" + std::to_string(ssrc_.value), "apasswordofavoicepeer00000"},
      certificate_(server::Certificate::make(server::Loop::wall_ms())),
      dtls_(certificate_) {}

std::string VoicePeer::offer(bool speaks) const {
  std::vector<Line> lines = {{"1", rtp::MediaKind::Audio, {}, {}},
                             {"2", rtp::MediaKind::Video, {}, {}}};
  if (speaks) lines.push_back({kMicrophoneMid, rtp::MediaKind::Audio, ssrc_, {}});
  return make_offer(lines, local_, certificate_.fingerprint_text());
}

bool VoicePeer::start(const std::string& answer, bool speaks) {
  speaks_ = speaks;
  const Remote remote = read_remote(answer);
  sockaddr_storage to{};
  const std::size_t size = remote.address.to(to);
  fd_ = ::socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0 ||
      ::connect(fd_, reinterpret_cast<sockaddr*>(&to), static_cast<socklen_t>(size)) != 0) {
    return false;
  }
  client_.emplace(dtls_,
                  ClientParams{local_, remote.credentials, remote.fingerprints, remote.address},
                  server::system_random());
  SyntheticAudio::Options voice;
  voice.ssrc = ssrc_;
  voice.pt = kOpusType;
  voice.extensions = {
      .mid = kMidId, .rid = 0, .transport_cc = kTransportCcId, .audio_level = kAudioLevelId};
  voice_.emplace(voice, transport_);
  thread_ = std::thread([this] { run(); });
  return true;
}

bool VoicePeer::wait_connected(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return connected_; });
}

void VoicePeer::set_connected() {
  {
    const std::lock_guard lock(mutex_);
    connected_ = true;
  }
  changed_.notify_all();
}

void VoicePeer::stop() {
  over_ = true;
  if (thread_.joinable()) thread_.join();
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void VoicePeer::run() {
  client_->start(server::Loop::now());
  std::array<std::uint8_t, Client::kMaxDatagram> buffer{};
  bool told = false;
  bool began = false;
  while (!over_) {
    rtp::Time now = server::Loop::now();
    client_->tick(now);
    if (client_->connected()) {
      if (!std::exchange(told, true)) set_connected();
      if (speaks_ && !std::exchange(began, true)) voice_->start(now);
      if (began) {
        voice_->poll(now, [this](rtp::ConstBytes packet) {
          if (client_->send_rtp(packet)) ++said_;
        });
      }
    }
    while (const auto datagram = client_->poll_transmit()) {
      std::ignore = ::send(fd_, datagram->data(), datagram->size(), 0);
    }
    pollfd readable{fd_, POLLIN, 0};
    if (::poll(&readable, 1, 5) <= 0) continue;
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) continue;
    now = server::Loop::now();
    const auto received =
        client_->on_datagram(now, rtp::ConstBytes(buffer.data(), static_cast<std::size_t>(size)));
    if (received.kind == Client::Received::Kind::Rtp) ++heard_;
  }
}

}  // namespace parley::client
