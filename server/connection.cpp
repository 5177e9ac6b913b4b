#include "server/connection.h"

#include <algorithm>
#include <chrono>

namespace parley::server {
namespace {

using std::chrono::milliseconds;

// How often ICE hears of media on the path that it knows to be good. Per packet would cost a
// search; the limits it is for are seconds.
constexpr rtp::Duration kNoteInterval{100'000};
// A peer that sends nothing (it only watches, and nobody publishes) would keep its handshake state
// for ever. A client that missed our last flight asks for it within a second or two.
constexpr rtp::Duration kReleaseAfter{5'000'000};
// Who sends media is heard several times within it, who only receives tells of what arrives.
constexpr rtp::Duration kSilent{150'000};

Drop drop_of(IceDrop drop) noexcept {
  switch (drop) {
    case IceDrop::WrongUsername:
      return Drop::UnknownUfrag;
    case IceDrop::WrongIntegrity:
      return Drop::StunAuth;
    case IceDrop::None:
    case IceDrop::Malformed:
    case IceDrop::NotBinding:
    case IceDrop::UnknownResponse:
      break;
  }
  return Drop::BadStun;
}

Drop drop_of(OpenError error) noexcept {
  switch (error) {
    case OpenError::Auth:
      return Drop::SrtpAuth;
    case OpenError::Replay:
      return Drop::SrtpReplay;
    case OpenError::TooManyStreams:
      return Drop::TooManySsrcs;
    case OpenError::Malformed:
      break;
  }
  return Drop::SrtpOther;
}

CloseReason reason_of(Dtls::Failure failure) noexcept {
  return failure == Dtls::Failure::FingerprintMismatch ? CloseReason::FingerprintMismatch
                                                       : CloseReason::DtlsFailed;
}

}  // namespace

Connection::Connection(Context& context, Alarm& alarm, rtp::Time now, const PeerParams& params)
    : context_(context),
      alarm_(alarm),
      ice_(params.local, params.remote, context.random,
           std::min<std::size_t>(context.ice.max_addresses_per_peer, IceLite::kMaxPaths)),
      dtls_(context.dtls, DtlsRole::Server, params.fingerprints),
      connect_by_(now + milliseconds(context.ice.connect_timeout_ms)),
      last_heard_(now),
      last_noted_(now) {
  if (params.data) dtls_.expect_data();
  alarm_.set(connect_by_);
}

Connection::~Connection() { context_.egress.forget(lane_); }

void Connection::update(const IceCredentials& local, const IceCredentials& remote) {
  ice_.restart(local, remote);
}

Connection::PathChange Connection::on_stun(rtp::Time now, const Path& path,
                                           rtp::ConstBytes datagram) {
  IceResult result = ice_.on_stun(now, path, datagram);
  if (result.drop != IceDrop::None) {
    context_.counters.drop(drop_of(result.drop));
    return {};
  }
  if (!result.reply.empty()) context_.egress.send_plain(path, result.reply);
  if (result.authenticated) heard(now);
  update_lane();
  send_checks(now);
  return {result.path_added, result.evicted};
}

void Connection::on_dtls(rtp::Time now, const Path& path, rtp::ConstBytes datagram) {
  ice_.on_received(path, datagram.size());
  const std::uint64_t dropped = dtls_.dropped();
  if (dtls_.released()) {
    context_.counters.drop(Drop::Dtls);  // a late retransmission
    return;
  }
  dtls_.on_datagram(now, datagram);
  context_.counters.drop(Drop::Dtls, dtls_.dropped() - dropped);
  send_flight(path);
  on_dtls_state(now, path);
}

bool Connection::may_have_moved(rtp::Time now, const Path& path) const noexcept {
  return session_ && lane_ready_ && now - last_heard_ >= kSilent && !path.is_tcp() &&
         lane_.path.socket == path.socket && lane_.path.local == path.local &&
         lane_.path.remote.same_ip(path.remote);
}

Connection::PathChange Connection::on_moved(rtp::Time now, const Path& path, std::size_t bytes) {
  const IceResult result = ice_.on_moved(now, path, bytes);
  return {result.path_added, result.evicted};
}

void Connection::on_path_closed(const Path& path) noexcept {
  if (ice_.remove(path)) update_lane();
}

void Connection::on_dtls_state(rtp::Time now, const Path& path) {
  switch (dtls_.state()) {
    case Dtls::State::Handshaking:
      break;
    case Dtls::State::Failed:
      return close(reason_of(dtls_.failure()));
    case Dtls::State::Closed:
      return close(CloseReason::DtlsClosed);
    case Dtls::State::Connected: {
      const auto keys = dtls_.take_keys();
      if (!keys) break;  // connected before
      const std::size_t streams =
          std::max<std::size_t>(SrtpSession::kMaxStreams, context_.media.max_ssrcs_per_peer);
      session_ = SrtpSession::create(*keys, streams, context_.srtp.engine);
      if (!session_) return close(CloseReason::DtlsFailed);
      ice_.on_verified(path);
      state_ = State::Connected;
      release_at_ = now + kReleaseAfter;
      alarm_.set(release_at_);
      heard(now);
      update_lane();
      break;
    }
  }
  if (const auto next = dtls_.next_deadline()) alarm_.set(*next);
}

tl::expected<void, Drop> Connection::on_opened(rtp::Time now, Arrived& arrived,
                                               const OpenItem& opened) {
  if (opened.session == nullptr) return tl::unexpected(Drop::NotReady);
  if (!opened.result) return tl::unexpected(drop_of(opened.result.error()));
  const std::size_t wire_size = arrived.datagram.size();
  arrived.datagram.resize(*opened.result);
  if (!dtls_.released()) dtls_.release();
  const bool usual = proven_ && arrived.path == lane_.path;
  if (!usual) ice_.on_received(arrived.path, wire_size);
  if (!usual || now - last_noted_ >= kNoteInterval) {
    if (ice_.on_heard(now, arrived.path)) {
      update_lane();
      send_checks(now);
    }
    last_noted_ = now;
  }
  heard(now);
  return {};
}

void Connection::heard(rtp::Time now) {
  last_heard_ = now;
  if (state_ == State::Away) state_ = State::Connected;
}

void Connection::update_lane() noexcept {
  const auto& selected = ice_.selected();
  lane_ready_ = selected.has_value();
  if (!selected) return;
  lane_.path = *selected;
  lane_.session = session_ ? &*session_ : nullptr;
  proven_ = ice_.verified(*selected);
}

void Connection::send_checks(rtp::Time now) {
  while (const auto check = ice_.poll_transmit(now)) {
    context_.egress.send_plain(check->path, check->datagram);
  }
  if (const auto next = ice_.next_deadline()) alarm_.set(*next);
}

void Connection::send_flight(const Path& path) {
  while (const auto datagram = dtls_.poll_transmit()) {
    if (ice_.may_send(path, datagram->size())) {
      context_.egress.send_plain(path, *datagram);
    } else {
      context_.counters.drop(Drop::NotRoutable);
    }
  }
}

void Connection::send_data(rtp::ConstBytes data) {
  if (!ice_.selected() || !dtls_.send(data)) return context_.counters.drop(Drop::NotRoutable);
  while (const auto datagram = dtls_.poll_data()) {
    if (ice_.may_send(*ice_.selected(), datagram->size())) {
      context_.egress.send_plain(*ice_.selected(), *datagram);
    } else {
      context_.counters.drop(Drop::NotRoutable);
    }
  }
}

void Connection::tick(rtp::Time now) {
  if (state_ == State::Closed) return;
  send_checks(now);
  if (const auto at = dtls_.next_deadline()) {
    if (*at <= now) {
      dtls_.tick(now);
      if (ice_.selected()) send_flight(*ice_.selected());
    }
    if (const auto next = dtls_.next_deadline()) alarm_.set(*next);
  }
  if (session_ && !dtls_.released()) {
    if (now >= release_at_) {
      dtls_.release();
    } else {
      alarm_.set(release_at_);
    }
  }
  watch(now);
}

// RFC 7675: whoever is not heard any more has not consented to be sent anything.
void Connection::watch(rtp::Time now) {
  if (state_ == State::Connecting) {
    if (now < connect_by_) return alarm_.set(connect_by_);
    const bool tried = dtls_.failure() != Dtls::Failure::None;
    return close(tried ? reason_of(dtls_.failure()) : CloseReason::ConnectTimeout);
  }
  const rtp::Time expires = last_heard_ + milliseconds(context_.ice.consent_timeout_ms);
  const rtp::Time away = last_heard_ + milliseconds(context_.ice.away_after_ms);
  if (now >= expires) return close(CloseReason::ConsentExpired);
  if (now >= away) state_ = State::Away;
  alarm_.set(state_ == State::Away ? expires : std::min(away, expires));
}

rtp::Bytes Connection::reserve() noexcept {
  if (!ready()) return {};
  return context_.egress.reserve();
}

bool Connection::commit(Outgoing what, std::size_t size) noexcept {
  if (!proven_ && !ice_.may_send(lane_.path, size + Sealer::kOverhead)) {
    context_.counters.drop(Drop::NotRoutable);
    return false;
  }
  context_.egress.commit(lane_, what, size);
  return true;
}

void Connection::close(CloseReason reason) noexcept {
  state_ = State::Closed;
  close_reason_ = reason;
}

void Connection::say_bye() {
  if (dtls_.released()) return;
  dtls_.close();
  if (ice_.selected()) send_flight(*ice_.selected());
}

}  // namespace parley::server
