#include "server/worker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "rtp/classify.h"
#include "server/ice.h"
#include "server/peer.h"
#include "server/track.h"

namespace parley::server {
namespace {

constexpr rtp::Duration kMeasureInterval{1'000'000};

}  // namespace

Worker::Worker(const config::Config& config, const DtlsContext& dtls, RandomSource random,
               WorkerCounters& counters)
    : context_(config, dtls, std::move(random), counters) {}

Worker::~Worker() { rooms_.clear(); }

bool Worker::on_datagrams(rtp::Time now, std::span<Arrived> batch) {
  batch_ = batch;
  next_ = open_begin_ = open_end_ = 0;
  return go_on(now);
}

void Worker::on_datagram(rtp::Time now, const Path& path, rtp::Buffer datagram) {
  Arrived one{path, std::move(datagram)};
  for (bool more = on_datagrams(now, {&one, 1}); more;) more = go_on(now);
  batch_ = {};
}

bool Worker::go_on(rtp::Time now) {
  while (next_ < batch_.size()) {
    if (next_ == open_end_) open_media();
    Arrived& arrived = batch_[next_];
    if (next_ < open_end_) {
      on_media(now, arrived, next_ - open_begin_);
    } else {
      on_other(now, arrived);
      open_end_ = next_ + 1;
    }
    arrived.datagram.reset();  // unless it was taken
    ++next_;
    if (wants_flush()) return true;
  }
  return hand_out(now);
}

// What the tracks have received goes to their subscribers. True as go_on().
bool Worker::hand_out(rtp::Time now) {
  for (; handed_ < context_.bursts.size(); ++handed_) {
    if (context_.bursts[handed_]->hand_out(now)) return true;
  }
  handed_ = 0;
  context_.bursts.clear();
  context_.waiting.clear();
  return false;
}

// Opens what comes next as far as it is media: STUN and DTLS may change who is there and with which
// keys, so what stands behind them waits for them.
void Worker::open_media() {
  opened_.clear();
  opened_for_.clear();
  open_begin_ = open_end_ = next_;
  for (; open_end_ < batch_.size(); ++open_end_) {
    Arrived& arrived = batch_[open_end_];
    const rtp::DatagramKind kind = rtp::classify(arrived.datagram.bytes());
    if (kind != rtp::DatagramKind::Rtp && kind != rtp::DatagramKind::Rtcp) break;
    Peer* const peer = paths_.find(arrived.path);
    OpenItem item;
    item.session = peer == nullptr ? nullptr : peer->connection().session();
    item.buffer = arrived.datagram.bytes();
    item.kind = kind == rtp::DatagramKind::Rtp ? SrtpKind::Rtp : SrtpKind::Rtcp;
    opened_.push_back(item);
    opened_for_.push_back(peer);
  }
  context_.opener.open(opened_);
}

void Worker::on_media(rtp::Time now, Arrived& arrived, std::size_t opened) {
  Peer* const peer = opened_for_[opened];
  if (peer == nullptr) return on_strange_media(now, arrived, opened_[opened].kind);
  peer->on_media(now, arrived, opened_[opened]);
}

// Media from an address of nobody, or of somebody who was found there in this very batch.
void Worker::on_strange_media(rtp::Time now, Arrived& arrived, SrtpKind kind) {
  const auto attempt = [&](Peer& peer) {
    OpenItem item;
    item.session = peer.connection().session();
    item.buffer = arrived.datagram.bytes();
    item.kind = kind;
    context_.opener.open({&item, 1});
    return item;
  };
  if (Peer* const peer = paths_.find(arrived.path)) {
    return peer->on_media(now, arrived, attempt(*peer));
  }
  if (now < next_try_) return context_.counters.drop(Drop::UnknownAddress);
  next_try_ = now + kTryInterval;
  const rtp::ConstBytes wire = arrived.datagram.bytes();
  tried_.assign(wire.begin(), wire.end());
  std::size_t left = kMaxTries;
  for (const auto& [id, peer] : peers_) {
    Connection& connection = peer->connection();
    if (!connection.may_have_moved(now, arrived.path)) continue;
    if (const OpenItem opened = attempt(*peer); opened.result) {
      context_.counters.moved.add();
      change_path(*peer, arrived.path, connection.on_moved(now, arrived.path, tried_.size()));
      return peer->on_media(now, arrived, opened);
    }
    if (--left == 0) break;
    // What did not open may have been written over.
    std::copy(tried_.begin(), tried_.end(), arrived.datagram.bytes().begin());
  }
  context_.counters.drop(Drop::UnknownAddress);
}

void Worker::on_other(rtp::Time now, Arrived& arrived) {
  switch (rtp::classify(arrived.datagram.bytes())) {
    case rtp::DatagramKind::Stun:
      return on_stun(now, arrived.path, arrived.datagram.bytes());
    case rtp::DatagramKind::Dtls:
      if (paths_.find(arrived.path) == nullptr) return context_.counters.drop(Drop::UnknownAddress);
      if (take_data(now, arrived)) return;
      if (handshakes_.size() >= kMaxHandshakes) return context_.counters.drop(Drop::Dtls);
      handshakes_.push_back(std::move(arrived));
      return alarm_.set(now);
    case rtp::DatagramKind::Unknown:
    case rtp::DatagramKind::Rtp:  // media never comes here
    case rtp::DatagramKind::Rtcp:
      break;
  }
  context_.counters.drop(Drop::UnknownKind);
}

// What is behind the handshake of somebody who has data channels need not wait for handshakes: its
// cost is bounded for each peer.
bool Worker::take_data(rtp::Time now, const Arrived& arrived) {
  constexpr std::uint8_t kApplicationData = 23;  // the first byte of its records (RFC 6347)
  Peer& peer = *paths_.find(arrived.path);
  if (arrived.datagram.bytes()[0] != kApplicationData || !peer.takes_data()) return false;
  if (peer.connection().session() == nullptr) return false;  // it overtook the Finished
  peer.on_dtls(now, arrived.path, arrived.datagram.bytes());
  close_if_over(peer);
  return true;
}

// What a client sends after its handshake it cannot send before our last flight, so no media comes
// too early because of the wait.
void Worker::do_handshakes(rtp::Time now) {
  for (std::size_t i = 0; i < kHandshakesPerTurn && !handshakes_.empty(); ++i) {
    const Arrived arrived = std::move(handshakes_.front());
    handshakes_.pop_front();
    Peer* const peer = paths_.find(arrived.path);
    if (peer == nullptr) {
      context_.counters.drop(Drop::UnknownAddress);
      continue;
    }
    peer->on_dtls(now, arrived.path, arrived.datagram.bytes());
    close_if_over(*peer);
  }
}

// A request names its peer by the local ufrag, an answer to our own check by the path it comes on.
void Worker::on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram) {
  Peer* peer = nullptr;
  if (const auto ufrag = local_ufrag_of(datagram)) {
    const auto found = ufrags_.find(*ufrag);
    if (found == ufrags_.end()) return context_.counters.drop(Drop::UnknownUfrag);
    peer = found->second;
  } else {
    peer = paths_.find(path);
    if (peer == nullptr) return context_.counters.drop(Drop::BadStun);
  }
  change_path(*peer, path, peer->on_stun(now, path, datagram));
}

void Worker::change_path(Peer& peer, const Path& path, const Connection::PathChange& change) {
  if (change.evicted && paths_.find(*change.evicted) == &peer) paths_.remove(*change.evicted);
  // The latest peer that proved to be there has the path: its port may have been another's before.
  if (change.added) paths_.set(path, peer);
}

void Worker::on_path_closed(const Path& path) {
  Peer* const peer = paths_.find(path);
  if (peer == nullptr) return;
  peer->connection().on_path_closed(path);
  paths_.remove(path);
}

void Worker::on_command(rtp::Time now, Command command) {
  context_.counters.commands.add();
  std::visit([&](auto& c) { carry_out(now, c); }, command);
}

void Worker::carry_out(rtp::Time, OpenRoom& command) {
  auto& room = rooms_[command.room];
  if (room) return bad_command();
  room = std::make_unique<Room>(context_, alarm_, command.room);
}

void Worker::carry_out(rtp::Time, CloseRoom& command) {
  const auto found = rooms_.find(command.room);
  if (found == rooms_.end()) return bad_command();
  found->second->tell_traffic(true);
  for (const auto& peer : found->second->peers()) {
    forget_addresses(*peer);
    peers_.erase(peer->id());
  }
  rooms_.erase(found);
  forget_ended_taps();
}

void Worker::carry_out(rtp::Time now, SetPeer& command) {
  const auto room = rooms_.find(command.room);
  if (room == rooms_.end()) return bad_command();
  const auto found = peers_.find(command.peer);
  if (found == peers_.end()) return add_peer(now, *room->second, command);
  Peer& peer = *found->second;
  const auto owner = ufrags_.find(command.params.local.ufrag);
  const bool taken = owner != ufrags_.end() && owner->second != &peer;
  if (peer.room() != command.room || taken) return bad_command();
  const std::string ufrag = command.params.local.ufrag;
  peer.update(now, std::move(command.params));
  ufrags_[ufrag] = &peer;
  // Of older restarts nothing is accepted any more.
  const IceLite& ice = peer.connection().ice();
  std::erase_if(ufrags_, [&](const auto& entry) {
    return entry.second == &peer && entry.first != ice.local_ufrag() &&
           entry.first != ice.previous_local_ufrag();
  });
  forget_ended_taps();
}

void Worker::add_peer(rtp::Time now, Room& room, SetPeer& command) {
  if (ufrags_.contains(command.params.local.ufrag)) return bad_command();
  const std::string ufrag = command.params.local.ufrag;
  Peer& peer = room.add(now, command.peer, std::move(command.params));
  peers_[command.peer] = &peer;
  ufrags_[ufrag] = &peer;
}

void Worker::carry_out(rtp::Time, RemovePeer& command) {
  if (!peers_.contains(command.peer)) return bad_command();
  remove_peer(command.peer);
}

void Worker::carry_out(rtp::Time now, Assign& command) {
  const auto peer = peers_.find(command.peer);
  Track* track = command.track ? find_track(*command.track) : nullptr;
  const bool unknown = peer == peers_.end() || (command.track && track == nullptr);
  if (unknown ||
      !peer->second->assign(now, command.slot, track, {command.max_height, command.priority})) {
    bad_command();
  }
}

void Worker::carry_out(rtp::Time now, MuteTrack& command) {
  Track* track = find_track(command.track);
  if (track == nullptr) return bad_command();
  track->set_muted(now, command.muted);
}

void Worker::carry_out(rtp::Time now, SendData& command) {
  if (!command.bytes) return bad_command();
  for (const PeerId id : command.peers) {
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) continue;  // it has closed meanwhile
    peer->second->send(now, command);
  }
}

void Worker::carry_out(rtp::Time now, CloseData& command) {
  const auto peer = peers_.find(command.peer);
  if (peer != peers_.end()) peer->second->close_data(now, command.channel);
}

void Worker::carry_out(rtp::Time now, OpenTap& command) {
  Track* track = find_track(command.track);
  if (track == nullptr || !command.ring || taps_.contains(command.tap)) return bad_command();
  if (!track->add_tap(now, command.tap, std::move(command.ring))) return bad_command();
  taps_[command.tap] = command.track;
}

void Worker::carry_out(rtp::Time, CloseTap& command) {
  const auto found = taps_.find(command.tap);
  if (found == taps_.end()) return bad_command();
  if (Track* track = find_track(found->second)) track->remove_tap(command.tap);
  taps_.erase(found);
}

void Worker::carry_out(rtp::Time, OpenRelay& command) {
  Track* track = find_track(command.track);
  if (track == nullptr || !command.relay) return bad_command();
  track->add_relay(std::move(command.relay));
}

void Worker::carry_out(rtp::Time, OpenMirror& command) {
  const auto room = rooms_.find(command.room);
  if (room == rooms_.end()) return bad_command();
  if (Track* known = find_track(command.section.track)) {
    if (known->room() != command.room || command.relay) return bad_command();
    return known->update(std::move(command.section));
  }
  if (!command.relay) return bad_command();
  room->second->add_mirror(std::move(command.section), std::move(command.relay));
}

void Worker::carry_out(rtp::Time, CloseMirror& command) {
  const Track* track = find_track(command.track);
  if (track == nullptr) return bad_command();
  rooms_.at(track->room())->remove_mirror(command.track);
}

Track* Worker::find_track(TrackNo number) const {
  const auto found = context_.tracks.find(number);
  return found == context_.tracks.end() ? nullptr : found->second;
}

void Worker::forget_addresses(Peer& peer) {
  std::erase_if(ufrags_, [&](const auto& entry) { return entry.second == &peer; });
  paths_.remove(peer);
}

void Worker::remove_peer(PeerId id) {
  Peer& peer = *peers_.at(id);
  forget_addresses(peer);
  peers_.erase(id);
  rooms_.at(peer.room())->remove(id);
  forget_ended_taps();
  alarm_.set(next_measure_);
}

void Worker::forget_ended_taps() {
  std::erase_if(taps_, [&](const auto& tap) { return find_track(tap.second) == nullptr; });
}

void Worker::close_if_over(Peer& peer) {
  if (peer.connection().state() != Connection::State::Closed) return;
  context_.counters.closed.add();
  const Connection& connection = peer.connection();
  context_.emit(PeerClosed{peer.id(), connection.close_reason(), connection.last_heard()});
  remove_peer(peer.id());
}

bool Worker::on_relays(rtp::Time now) {
  if (hand_out(now)) return true;
  for (Track* track : context_.relaying) track->take_relay_wishes();
  for (Mirror* mirror : context_.mirrors) {
    while (mirror->drain(now)) {
      if (hand_out(now)) return true;
    }
  }
  return false;
}

void Worker::tick(rtp::Time now) {
  do_handshakes(now);
  // A tick may wake a peer that was ticked before (a key frame is wanted from it): look again, but
  // not for ever, so that a wish that never ends cannot stall the turn.
  for (int round = 0; round < 3 && alarm_.due(now); ++round) {
    alarm_.clear();
    for (const auto& [id, room] : rooms_) {
      if (!room->alarm().due(now)) continue;
      room->tick(now);
      for (const auto& peer : room->peers()) {
        if (peer->connection().state() == Connection::State::Closed) over_.push_back(peer->id());
      }
    }
    for (const PeerId id : over_) close_if_over(*peers_.at(id));
    over_.clear();
    for (const auto& [id, room] : rooms_) alarm_.set(room->alarm().at());
  }
  if (!handshakes_.empty()) alarm_.set(now);
  context_.counters.pool_in_use.set(context_.pool.capacity() - context_.pool.available());
  if (now >= next_measure_) measure(now);
}

// Rooms tick several times a second; when there are none left, one more time.
void Worker::measure(rtp::Time now) {
  next_measure_ = now + kMeasureInterval;
  std::size_t peers = 0;
  for (const auto& [id, peer] : peers_) peers += peer->bytes();
  std::size_t streams = context_.counters.pool_in_use.value() * rtp::Buffer::kCapacity;
  for (const auto& [number, track] : context_.tracks) streams += track->bytes();
  context_.counters.peer_bytes.set(peers);
  context_.counters.stream_bytes.set(context_.tracks.empty() ? 0 : streams);
  if (!peers_.empty()) alarm_.set(next_measure_);
}

void Worker::take_wakes(std::vector<std::size_t>& into) {
  into.clear();
  into.swap(context_.wakes);
}

void Worker::take_events(std::vector<Event>& into) {
  into.clear();
  into.swap(context_.events);
}

}  // namespace parley::server
