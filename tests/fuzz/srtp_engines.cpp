// The SRTP engines against each other: the input is a story of packets that are sealed, lost, held
// back, repeated and forged on their way; each engine must seal to the same bytes and give the same
// verdict on each packet that arrives. libsrtp, written by others, is the judge.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <vector>

#include "rtp/bytes.h"
#include "server/srtp.h"

namespace {

using namespace parley;
using server::SrtpEngine;
using server::SrtpKind;

constexpr std::array kEngines = {SrtpEngine::LibSrtp, SrtpEngine::OpenSsl, SrtpEngine::IpsecMb};

server::SrtpMasterKey master(server::SrtpProfile profile, std::uint8_t fill) {
  const std::vector<std::uint8_t> key(server::key_size(profile), fill);
  const std::vector<std::uint8_t> salt(server::salt_size(profile), 0x24);
  return {key, salt};
}

struct Packet {
  std::vector<std::uint8_t> bytes;
  SrtpKind kind = SrtpKind::Rtp;
};

class Story {
 public:
  Story(server::SrtpProfile profile, rtp::ConstBytes script) : script_(script) {
    for (const SrtpEngine engine : kEngines) {
      senders_.push_back(*server::SrtpSession::create(
          {profile, master(profile, 1), master(profile, 2)}, 4, engine));
      receivers_.push_back(*server::SrtpSession::create(
          {profile, master(profile, 2), master(profile, 1)}, 4, engine));
    }
  }

  void play() {
    while (script_.remaining() >= 4) {
      const std::uint8_t act = script_.u8();
      if (act < 128) {
        send(act);
      } else if (!on_the_way_.empty()) {
        arrive(act);
      }
    }
  }

 private:
  void send(std::uint8_t act) {
    // Steps of up to 2^14, so that rounds go by and what is held back gets old.
    seq_ = static_cast<std::uint16_t>(seq_ + (act % 4 == 3 ? script_.u16() % 0x4000 : act % 4));
    const std::uint8_t shape = script_.u8();
    Packet packet;
    packet.kind = act % 32 == 5 ? SrtpKind::Rtcp : SrtpKind::Rtp;
    packet.bytes.assign(12 + shape, static_cast<std::uint8_t>(seq_));
    packet.bytes[0] =
        packet.kind == SrtpKind::Rtcp ? 0x80 : static_cast<std::uint8_t>(0x80 | (shape % 3));
    packet.bytes[1] = packet.kind == SrtpKind::Rtcp ? 200 : 96;
    rtp::store16(packet.bytes, 2, seq_);
    rtp::store32(packet.bytes, packet.kind == SrtpKind::Rtcp ? 4 : 8, act / 64);
    std::vector<std::uint8_t> sealed;
    for (std::size_t i = 0; i < senders_.size(); ++i) {
      std::vector<std::uint8_t> buffer = packet.bytes;
      buffer.resize(buffer.size() + server::Sealer::kOverhead);
      server::SealItem item{&senders_[i], buffer, packet.bytes.size(), packet.kind};
      const bool made = sealer_.seal({&item, 1}) == 1;
      buffer.resize(made ? item.size : 0);
      if (i == 0) sealed = buffer;
      if (buffer != sealed) std::abort();
    }
    if (sealed.empty()) return;
    packet.bytes = std::move(sealed);
    on_the_way_.push_back(std::move(packet));
    if (on_the_way_.size() > 64) on_the_way_.pop_front();
  }

  void arrive(std::uint8_t act) {
    const std::size_t which = script_.u8() % on_the_way_.size();
    Packet packet = on_the_way_[which];
    const std::uint8_t how = act % 8;
    if (how == 7) packet.bytes[script_.u8() % packet.bytes.size()] ^= 0x10;  // forged
    if (how == 6) packet.bytes.resize(packet.bytes.size() * act / 256);      // cut
    if (how < 4) on_the_way_.erase(on_the_way_.begin() + static_cast<std::ptrdiff_t>(which));
    tl::expected<std::vector<std::uint8_t>, server::OpenError> judged;
    for (std::size_t i = 0; i < receivers_.size(); ++i) {
      std::vector<std::uint8_t> buffer = packet.bytes;
      const auto size = opener_.open(receivers_[i], buffer, packet.kind);
      buffer.resize(size.value_or(0));
      if (i == 0) {
        judged = size ? tl::expected<std::vector<std::uint8_t>, server::OpenError>(buffer)
                      : tl::unexpected(size.error());
      } else if (size.has_value() != judged.has_value()) {
        std::abort();
      } else if (judged && buffer != *judged) {
        std::abort();
      }
      if (receivers_[i].inbound_streams() != receivers_[0].inbound_streams()) std::abort();
    }
  }

  rtp::Reader script_;
  std::vector<server::SrtpSession> senders_;
  std::vector<server::SrtpSession> receivers_;
  server::Sealer sealer_;
  server::Opener opener_;
  std::deque<Packet> on_the_way_;
  std::uint16_t seq_ = 1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4'096) return 0;
  constexpr std::array kProfiles = {server::SrtpProfile::AeadAes128Gcm,
                                    server::SrtpProfile::AeadAes256Gcm,
                                    server::SrtpProfile::AesCm128HmacSha1_80};
  Story(kProfiles[data[0] % kProfiles.size()], rtp::ConstBytes(data + 1, size - 1)).play();
  return 0;
}
