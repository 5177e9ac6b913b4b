#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/config.h"
#include "server/certificate.h"
#include "server/client/client.h"
#include "server/counters.h"
#include "server/dtls.h"
#include "server/random.h"
#include "server/worker.h"

// The datagram entrance of a worker in which a peer publishes and watches. The first byte of the
// input says how the rest comes: from a stranger, as if from the peer's own address, or from the
// peer itself, sealed with his keys, so that everything behind the authentication is reached too.
namespace {

using namespace parley;
using std::chrono::milliseconds;

rtp::Mid mid(std::string_view text) { return *rtp::Mid::from(text); }

server::CodecParams codec(rtp::Codec kind, std::uint8_t type, std::uint8_t rtx) {
  server::CodecParams params;
  params.codec = kind;
  params.pt = rtp::PayloadType{type};
  if (rtx != 0) params.rtx_pt = rtp::PayloadType{rtx};
  params.clock_rate_hz = kind == rtp::Codec::Opus ? 48'000 : 90'000;
  params.packetization_mode = 1;
  params.nack = params.pli = rtx != 0;
  return params;
}

class Stage {
 public:
  Stage()
      : certificate_(server::Certificate::make(1'700'000'000'000)),
        dtls_(certificate_),
        worker_(config(), dtls_, server::seeded_random(1), counters_),
        client_(dtls_,
                {{"clientufrag", "client-password-client-x"},
                 {"serverufrag", "server-password-server-x"},
                 {certificate_.fingerprint()},
                 path_.local},
                server::seeded_random(2)) {
    worker_.on_command(now_, server::OpenRoom{server::RoomId{1}});
    worker_.on_command(now_, server::SetPeer{server::RoomId{1}, server::PeerId{1}, params()});
    assign("v", 11);
    assign("a", 10);
    client_.start(now_);
    for (int i = 0; i < 400 && !client_.connected(); ++i) turn();
    if (!client_.connected()) std::abort();  // the stage itself is broken
  }

  void play(rtp::ConstBytes input) {
    const std::uint8_t how = input[0];
    const rtp::ConstBytes bytes = input.subspan(1);
    if ((how & 3) == 0) {
      receive({path_.local, server::TransportAddress::v4({203, 0, 113, 1}, 9), 0}, bytes);
    } else if ((how & 3) == 1) {
      receive(path_, bytes);
    } else if ((how & 3) == 2) {
      client_.send_rtp(bytes);
    } else {
      client_.send_rtcp(bytes);
    }
    turn();
  }
  // A close_notify, or silence: nothing is reached any more.
  [[nodiscard]] bool over() const { return counters_.peers.value() == 0; }

 private:
  static config::Config config() {
    config::Config config;
    config.media.pool_packets = 2'048;
    return config;
  }
  server::PeerParams params() const {
    server::PeerParams params;
    params.fingerprints = {certificate_.fingerprint()};
    params.local = {"serverufrag", "server-password-server-x"};
    params.remote = {"clientufrag", "client-password-client-x"};
    params.cname = "fuzz";
    rtp::ExtensionMap extensions;
    for (std::size_t i = 0; i < rtp::kExtensionCount; ++i) {
      extensions.set(static_cast<rtp::Extension>(i), static_cast<std::uint8_t>(i + 1));
    }
    server::PublishSection audio;
    audio.track = server::TrackNo{10};
    audio.mid = mid("0");
    audio.codecs = {codec(rtp::Codec::Opus, 111, 0)};
    audio.extensions = extensions;
    server::PublishSection video = audio;
    video.track = server::TrackNo{11};
    video.mid = mid("1");
    video.kind = rtp::MediaKind::Video;
    video.codecs = {codec(rtp::Codec::Vp8, 96, 97), codec(rtp::Codec::H264, 102, 103),
                    codec(rtp::Codec::Vp9, 98, 99), codec(rtp::Codec::Av1, 45, 46)};
    video.ssrcs = {{rtp::Ssrc{0x01020304}, rtp::Ssrc{0x01020305}}};
    params.publishes = {audio, video};
    server::SlotSection slot;
    slot.mid = mid("a");
    slot.ssrc = rtp::Ssrc{0x0a0a0a0a};
    slot.rtx_ssrc = rtp::Ssrc{0x0a0a0a0b};
    slot.codecs = audio.codecs;
    slot.extensions = extensions;
    params.slots.push_back(slot);
    slot.mid = mid("v");
    slot.kind = rtp::MediaKind::Video;
    slot.ssrc = rtp::Ssrc{0x0b0b0b0a};
    slot.rtx_ssrc = rtp::Ssrc{0x0b0b0b0b};
    slot.codecs = video.codecs;
    params.slots.push_back(slot);
    return params;
  }
  void assign(std::string_view slot, std::uint32_t track) {
    worker_.on_command(now_,
                       server::Assign{server::PeerId{1}, mid(slot), server::TrackNo{track}, 720});
  }
  void receive(const server::Path& path, rtp::ConstBytes bytes) {
    rtp::Buffer buffer = worker_.pool().take();
    if (!buffer) std::abort();  // somebody keeps Buffers for ever
    const std::size_t size = std::min(bytes.size(), rtp::Buffer::kMaxDatagram);
    std::copy_n(bytes.begin(), size, buffer.storage().begin());
    buffer.resize(size);
    worker_.on_datagram(now_, path, std::move(buffer));
  }
  void turn() {
    now_ += milliseconds(5);
    client_.tick(now_);
    while (const auto datagram = client_.poll_transmit()) receive(path_, *datagram);
    if (worker_.next_deadline() <= now_) worker_.tick(now_);
    for (const server::Datagram& datagram : worker_.flush()) {
      if (datagram.path->remote == path_.remote) {
        std::ignore = client_.on_datagram(now_, datagram.bytes);
      }
    }
    worker_.take_events(events_);
  }

  rtp::Time now_{std::chrono::seconds(100)};
  server::Path path_{server::TransportAddress::v4({192, 0, 2, 1}, 40'000),
                     server::TransportAddress::v4({198, 51, 100, 1}, 5'000), 0};
  server::Certificate certificate_;
  server::DtlsContext dtls_;
  server::WorkerCounters counters_;
  server::Worker worker_;
  client::Client client_;
  std::vector<server::Event> events_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<Stage> stage;
  if (size == 0) return 0;
  if (!stage || stage->over()) stage = std::make_unique<Stage>();
  // Several datagrams in a row, each behind its length, so that one input can tell a story.
  rtp::ConstBytes rest(data, size);
  while (rest.size() > 2) {
    const std::size_t length = std::min<std::size_t>(rest[0] * 8U + 2, rest.size() - 1);
    stage->play(rest.subspan(1, length));
    rest = rest.subspan(1 + length);
  }
  return 0;
}
