#include "bench/load/load.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/load/parley_target.h"
#include "bench/peers/janus/janus_target.h"
#include "server/loop.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr rtp::Duration kConnectsWithin = seconds(60);

std::unique_ptr<Target> make_target(const Options& options) {
  if (options.peer == "parley") {
    return std::make_unique<ParleyTarget>(ParleyTarget::Options{
        options.server, options.more_config, options.workers, options.metered, options.recordings});
  }
  if (options.peer == "janus") return std::make_unique<JanusTarget>(0);
  if (options.peer == "janus-loop") return std::make_unique<JanusTarget>(1);
  throw std::runtime_error("unknown peer " + options.peer);
}

}  // namespace

Load::Load(const Options& options)
    : options_(options),
      folder_(std::filesystem::temp_directory_path() / ("parley-load-" + std::to_string(getpid()))),
      target_(make_target(options)),
      server_((std::filesystem::create_directories(folder_), target_->configure(folder_)),
              options.server_core, target_->ready()),
      certificate_(server::Certificate::make(server::Loop::wall_ms())),
      dtls_(certificate_),
      fingerprint_(certificate_.fingerprint_text()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!options.profile.empty() &&
      SSL_CTX_set_tlsext_use_srtp(dtls_.get(), options.profile.c_str()) != 0) {
    throw std::runtime_error("unknown SRTP profile " + options.profile);
  }
  auto capture = client::read_pcap(options.capture);
  if (!capture) throw std::runtime_error("cannot read " + options.capture);
  load_capture(*capture);
}

Load::~Load() {
  peers_.clear();
  close(epoll_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Load::add(const std::string& room, const std::string& role, const Shape& participant) {
  const std::size_t number = participants_++;
  for (const Shape& shape : target_->connections(participant)) {
    waiting_.push_back({room, number, role, shape});
  }
}

// Who sends comes first: where sending and receiving are two connections, the second asks for
// what is there.
void Load::come() {
  std::stable_partition(waiting_.begin(), waiting_.end(),
                        [](const Waiting& one) { return one.shape.sends(); });
  bool senders_are_there = false;
  for (const Waiting& one : std::exchange(waiting_, {})) {
    if (!one.shape.sends() && !std::exchange(senders_are_there, true)) {
      run_until([this] { return all_connected(); }, kConnectsWithin, "all publishers connected");
      run_for(milliseconds(300));  // the server's side of it may take a little longer
    }
    auto peer = make_peer(one);
    while (!peer->advance()) peer->wait();
    start(std::move(peer));
    turn(0);
  }
  run_until([this] { return all_connected(); }, kConnectsWithin, "all peers connected");
}

void Load::come_at_once() {
  for (const Waiting& one : std::exchange(waiting_, {})) {
    joining_.push_back(make_peer(one));
    turn(0);
  }
  run_until([this] { return joining_.empty() && all_connected(); }, kConnectsWithin,
            "all who came at once connected");
}

std::unique_ptr<Peer> Load::make_peer(const Waiting& one) {
  using rtp::MediaKind;
  const std::size_t index = next_index_++;
  const auto ssrc = static_cast<std::uint32_t>(1'000 + index * 10);
  Target::Endpoint endpoint{one.room, one.participant,          one.role,
                            {},       Peer::credentials(index), fingerprint_};
  auto& lines = endpoint.lines;
  const auto add_line = [&](MediaKind kind, std::uint32_t media, std::uint32_t rtx) {
    lines.push_back({std::to_string(lines.size()), kind, rtp::Ssrc{media}, rtp::Ssrc{rtx}});
  };
  if (one.shape.send_audio) add_line(MediaKind::Audio, ssrc, 0);
  if (one.shape.send_video) add_line(MediaKind::Video, ssrc + 1, ssrc + 2);
  for (std::size_t i = 0; i < one.shape.audio_slots; ++i) add_line(MediaKind::Audio, 0, 0);
  for (std::size_t i = 0; i < one.shape.video_slots; ++i) add_line(MediaKind::Video, 0, 0);
  auto peer = std::make_unique<Peer>(dtls_, index);
  if (one.shape.send_video) peer->publish_video(player(ssrc + 1));
  if (one.shape.send_audio) {
    client::SyntheticAudio::Options audio;
    audio.ssrc = rtp::Ssrc{ssrc};
    audio.pt = client::kOpusType;
    audio.extensions = {.mid = 0,
                        .rid = 0,
                        .transport_cc = client::kTransportCcId,
                        .audio_level = client::kAudioLevelId};
    peer->publish_audio(audio);
  }
  peer->enter(target_->enter(std::move(endpoint)));
  return peer;
}

void Load::start(std::unique_ptr<Peer> peer) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = peer.get();
  epoll_ctl(epoll_, EPOLL_CTL_ADD, peer->fd(), &event);
  peer->start(steady_now());
  if (peer->publishes()) {
    publishers_.push_back(peer.get());
    publish_at_.push_back(peer->next_deadline());
  }
  if (options_.tell) peer->tell_arrivals();
  peers_.push_back(std::move(peer));
}

// Calls do not begin together: each has its own moments for a picture, a voice packet, a key
// frame.
void Load::release_media() {
  const rtp::Time now = steady_now();
  for (std::size_t i = 0; i < publishers_.size(); ++i) {
    const rtp::Time at = now + kStartsWithin * i / publishers_.size();
    publishers_[i]->publish_from(at);
    publish_at_[i] = at;
  }
}

void Load::advance_joins() {
  for (auto& peer : joining_) {
    if (peer->advance()) start(std::move(peer));
  }
  std::erase(joining_, nullptr);
}

// One layer of what a browser sent, as it was paced.
void Load::load_capture(const std::vector<client::CapturedDatagram>& capture) {
  const auto layers = client::RtpPlayer(capture, {}).captured_ssrcs();
  if (options_.layer >= layers.size()) throw std::runtime_error("the capture has no such layer");
  captured_ = layers[options_.layer];
  client::RtpPlayer::Options options;
  options.streams[captured_.value] = {
      .ssrc = {}, .pt = client::kVp8Type, .clock_rate_hz = 90'000, .rtx_of = {}};
  options.transport_cc = client::kTransportCcId;
  player_.emplace(capture, options);
}

client::RtpPlayer Load::player(std::uint32_t ssrc) const {
  client::RtpPlayer player = *player_;
  player.rename(captured_, rtp::Ssrc{ssrc});
  return player;
}

bool Load::all_connected() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const auto& peer) { return peer->connected(); });
}

void Load::turn(Nanoseconds wait) {
  std::array<epoll_event, 256> events;
  const timespec patience{0, static_cast<long>(wait)};
  const int count =
      epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &patience, nullptr);
  const rtp::Time now = steady_now();
  for (int i = 0; i < count; ++i) {
    static_cast<Peer*>(events[static_cast<std::size_t>(i)].data.ptr)->on_readable(now, received_);
  }
  for (std::size_t i = 0; i < publishers_.size(); ++i) {
    if (publish_at_[i] > now) continue;
    publishers_[i]->tick(now);
    publish_at_[i] = publishers_[i]->next_deadline();
  }
  if (now < next_sweep_) return;
  next_sweep_ = now + milliseconds(joining_.empty() ? 20 : 2);
  advance_joins();
  // A few at a time: while this thread is busy with something else, what is to be published waits
  // and goes out in a burst that no browser would send.
  const std::size_t first = sweep_++ % kSweeps;
  for (std::size_t i = first; i < peers_.size(); i += kSweeps) {
    if (peers_[i]->next_deadline() <= now) peers_[i]->tick(now);
    peers_[i]->drain_signalling();
  }
  for (std::size_t i = first; i < publishers_.size(); i += kSweeps) {
    publish_at_[i] = publishers_[i]->next_deadline();
  }
}

Nanoseconds Load::until_next(rtp::Time end) const {
  const rtp::Time now = steady_now();
  rtp::Time at = std::min(end, next_sweep_);
  for (const rtp::Time due : publish_at_) at = std::min(at, due);
  return std::max<Nanoseconds>((at - now).count() * 1'000, 0);
}

void Load::run_for(rtp::Duration duration) {
  const rtp::Time end = steady_now() + duration;
  while (steady_now() < end) turn(until_next(end));
}

template <class Done>
void Load::run_until(const Done& done, rtp::Duration limit, const char* what) {
  const rtp::Time end = steady_now() + limit;
  while (!done()) {
    if (steady_now() > end) throw std::runtime_error(std::string("never: ") + what);
    turn(1'000'000);
  }
}

Load::Snapshot Load::snapshot() const {
  Snapshot s;
  s.at = steady_now();
  s.server_cpu = server_.cpu();
  s.own_cpu = own_cpu();
  for (const auto& peer : peers_) {
    s.sent += peer->sent();
    s.lost += peer->lost();
  }
  s.counters = target_->counters();
  return s;
}

}  // namespace parley::bench
