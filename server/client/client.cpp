#include "server/client/client.h"

#include <algorithm>
#include <utility>

namespace parley::client {
namespace {

enum class Kind : std::uint8_t { Stun, Dtls, Rtp, Rtcp, Unknown };

// RFC 7983, section 7, and RFC 5761, section 4.
Kind kind_of(rtp::ConstBytes datagram) noexcept {
  if (datagram.size() < 2) return Kind::Unknown;
  const std::uint8_t first = datagram[0];
  if (first <= 3) return Kind::Stun;
  if (first >= 20 && first <= 63) return Kind::Dtls;
  if (first < 128 || first > 191) return Kind::Unknown;
  return datagram[1] >= 192 && datagram[1] <= 223 ? Kind::Rtcp : Kind::Rtp;
}

}  // namespace

Client::Client(const server::DtlsContext& context, ClientParams params, server::RandomSource random)
    : params_(std::move(params)),
      ice_(params_.local, params_.remote, std::move(random), params_.nomination),
      dtls_(std::make_unique<server::Dtls>(context, server::DtlsRole::Client,
                                           params_.fingerprints)) {}

void Client::start(rtp::Time now) {
  ice_.start(now);
  tick(now);
}

Client::State Client::state() const noexcept {
  switch (dtls_->state()) {
    case server::Dtls::State::Connected:
      return State::Connected;
    case server::Dtls::State::Failed:
      return State::Failed;
    case server::Dtls::State::Closed:
      return State::Closed;
    case server::Dtls::State::Handshaking:
      break;
  }
  return dtls_started_ ? State::Handshaking : State::Checking;
}

Client::Received Client::on_datagram(rtp::Time now, rtp::ConstBytes datagram) {
  switch (kind_of(datagram)) {
    case Kind::Stun: {
      const rtp::ConstBytes reply = ice_.on_stun(now, params_.server, datagram);
      if (!reply.empty()) queue(reply);
      if (ice_.connected() && !dtls_started_) {
        dtls_started_ = true;  // before nomination, as Chromium does
        dtls_->start(now);
      }
      tick(now);
      return {};
    }
    case Kind::Dtls:
      on_dtls(now, datagram);
      return {};
    case Kind::Rtp:
      return on_media(datagram, server::SrtpKind::Rtp);
    case Kind::Rtcp:
      return on_media(datagram, server::SrtpKind::Rtcp);
    case Kind::Unknown:
      break;
  }
  ++counters_.unknown;
  return {};
}

void Client::on_dtls(rtp::Time now, rtp::ConstBytes datagram) {
  dtls_->on_datagram(now, datagram);
  drain_dtls();
  if (auto keys = dtls_->take_keys()) {
    profile_ = keys->profile;
    srtp_ = server::SrtpSession::create(*keys);
  }
}

Client::Received Client::on_media(rtp::ConstBytes datagram, server::SrtpKind kind) {
  if (!srtp_ || datagram.size() > kMaxDatagram) {
    ++counters_.open_failures;
    return {};
  }
  std::copy(datagram.begin(), datagram.end(), opened_.begin());
  const auto size = opener_.open(*srtp_, rtp::Bytes(opened_).first(datagram.size()), kind);
  if (!size) {
    ++counters_.open_failures;
    return {};
  }
  const bool rtp = kind == server::SrtpKind::Rtp;
  ++(rtp ? counters_.rtp_received : counters_.rtcp_received);
  return {rtp ? Received::Kind::Rtp : Received::Kind::Rtcp, rtp::ConstBytes(opened_).first(*size)};
}

void Client::tick(rtp::Time now) {
  for (rtp::ConstBytes check = ice_.poll_transmit(now); !check.empty();
       check = ice_.poll_transmit(now)) {
    queue(check);
  }
  dtls_->tick(now);
  drain_dtls();
}

std::optional<rtp::Time> Client::next_deadline() const noexcept {
  const std::optional<rtp::Time> ice = ice_.next_deadline();
  const std::optional<rtp::Time> dtls = dtls_->next_deadline();
  if (!ice || !dtls) return ice ? ice : dtls;
  return std::min(*ice, *dtls);
}

void Client::drain_dtls() {
  while (const auto datagram = dtls_->poll_transmit()) queue(*datagram);
}

Client::Datagram* Client::queue_slot() noexcept {
  if (queue_size_ == queue_.size()) {
    if (queue_.size() >= kMaxQueued) {
      ++counters_.queue_overflows;
      return nullptr;
    }
    // Grows, with the oldest in front.
    std::rotate(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_),
                queue_.end());
    queue_head_ = 0;
    queue_.resize(std::max<std::size_t>(8, queue_.size() * 2));
  }
  Datagram& slot = queue_[(queue_head_ + queue_size_) % queue_.size()];
  ++queue_size_;
  return &slot;
}

void Client::queue(rtp::ConstBytes datagram) {
  if (datagram.size() > kMaxDatagram) return;
  Datagram* const slot = queue_slot();
  if (slot == nullptr) return;
  std::copy(datagram.begin(), datagram.end(), slot->bytes.begin());
  slot->size = datagram.size();
}

std::optional<rtp::ConstBytes> Client::poll_transmit() {
  if (queue_size_ == 0) return std::nullopt;
  const Datagram& slot = queue_[queue_head_];
  queue_head_ = (queue_head_ + 1) % queue_.size();
  --queue_size_;
  return rtp::ConstBytes(slot.bytes).first(slot.size);
}

bool Client::send(rtp::ConstBytes packet, server::SrtpKind kind) {
  if (!srtp_ || !connected() || packet.size() > kMaxDatagram) return false;
  Datagram* const slot = queue_slot();
  if (slot == nullptr) return false;
  std::copy(packet.begin(), packet.end(), slot->bytes.begin());
  server::SealItem item{&*srtp_, slot->bytes, packet.size(), kind};
  if (sealer_.seal({&item, 1}) != 1) {
    --queue_size_;
    return false;
  }
  slot->size = item.size;
  return true;
}

bool Client::send_rtp(rtp::ConstBytes packet) {
  const bool sent = send(packet, server::SrtpKind::Rtp);
  counters_.rtp_sent += sent ? 1 : 0;
  return sent;
}

bool Client::send_rtcp(rtp::ConstBytes packet) {
  const bool sent = send(packet, server::SrtpKind::Rtcp);
  counters_.rtcp_sent += sent ? 1 : 0;
  return sent;
}

bool Client::send_data(rtp::ConstBytes packet) {
  if (!dtls_->send(packet)) return false;
  while (const auto datagram = dtls_->poll_data()) queue(*datagram);
  return true;
}

void Client::close() {
  dtls_->close();
  drain_dtls();
}

}  // namespace parley::client
