#include "server/client/ice_client.h"

#include <algorithm>
#include <utility>

#include "rtp/bytes.h"

namespace parley::client {
namespace {

// A host candidate with the highest local preference (RFC 8445, section 5.1.2).
constexpr std::uint32_t kPriority = 126u << 24 | 65'535u << 8 | 255u;

}  // namespace

IceClient::IceClient(server::IceCredentials local, server::IceCredentials remote,
                     server::RandomSource random, Nomination nomination)
    : local_(std::move(local)),
      remote_(std::move(remote)),
      local_key_(local_.pwd),
      remote_key_(remote_.pwd),
      random_(std::move(random)),
      nomination_(nomination) {
  std::array<std::uint8_t, 8> chance{};
  random_(chance);
  tie_breaker_ = std::uint64_t{rtp::load32(chance, 0)} << 32 | rtp::load32(chance, 4);
}

void IceClient::start(rtp::Time now) { moved(now); }

void IceClient::restart(rtp::Time now, server::IceCredentials local,
                        server::IceCredentials remote) {
  local_ = std::move(local);
  remote_ = std::move(remote);
  local_key_ = server::StunKey(local_.pwd);
  remote_key_ = server::StunKey(remote_.pwd);
  nominated_ = false;
  moved(now);
}

void IceClient::moved(rtp::Time now) {
  if (stopped_) return;
  outstanding_ = false;
  retry_ = kFirstRetry;
  next_ = now;
}

rtp::ConstBytes IceClient::on_stun(rtp::Time now, const server::TransportAddress& from,
                                   rtp::ConstBytes datagram) {
  const auto message = server::StunMessage::parse(datagram);
  if (stopped_ || !message || !message->fingerprint ||
      message->method != server::StunMessage::kBinding) {
    return {};
  }
  if (message->cls == server::StunClass::Request) {
    const std::string expected = local_.ufrag + ':' + remote_.ufrag;
    if (message->username != expected || !message->verify(local_key_)) return {};
    server::StunWriter writer(out_, server::StunClass::Success, message->transaction);
    return writer.xor_mapped_address(from).finish(local_key_);
  }
  if (!outstanding_ || message->cls != server::StunClass::Success ||
      message->transaction != transaction_ || !message->verify(remote_key_)) {
    return {};
  }
  outstanding_ = false;
  answered_ = true;
  last_answer_ = now;
  mapped_ = message->xor_mapped_address;
  nominated_ |= nominating_;
  retry_ = kFirstRetry;
  next_ = nominated_ ? now + kConsentInterval : now;
  return {};
}

rtp::ConstBytes IceClient::poll_transmit(rtp::Time now) {
  if (stopped_ || !next_ || *next_ > now) return {};
  if (!outstanding_) {
    random_(transaction_);
    outstanding_ = true;
    // Chromium says it again in every check of the pair it uses, Firefox says it once.
    nominating_ = nomination_ == Nomination::AtOnce ? !nominated_ : answered_;
  }
  next_ = now + retry_;
  retry_ = std::min(retry_ * 2, kMaxRetry);
  server::StunWriter writer(out_, server::StunClass::Request, transaction_);
  writer.username(remote_.ufrag, local_.ufrag).ice_controlling(tie_breaker_);
  if (nominating_) writer.use_candidate();
  return writer.priority(kPriority).finish(remote_key_);
}

std::optional<rtp::Time> IceClient::next_deadline() const noexcept {
  return stopped_ ? std::nullopt : next_;
}

}  // namespace parley::client
