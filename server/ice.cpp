#include "server/ice.h"

#include <algorithm>
#include <utility>

#include "rtp/bytes.h"

namespace parley::server {
namespace {

constexpr std::uint16_t kUsernameAttribute = 0x0006;
// A peer-reflexive candidate with the highest local preference (RFC 8445, section 5.1.2).
constexpr std::uint32_t kPriority = 110u << 24 | 65'535u << 8 | 255u;

}  // namespace

std::optional<std::string_view> local_ufrag_of(rtp::ConstBytes stun) noexcept {
  for (std::size_t at = StunMessage::kHeaderSize; at + 4 <= stun.size();) {
    const std::size_t size = rtp::load16(stun, at + 2);
    if (stun.size() - at - 4 < size) return std::nullopt;
    if (rtp::load16(stun, at) == kUsernameAttribute) {
      const std::string_view username(reinterpret_cast<const char*>(stun.data() + at + 4), size);
      const std::size_t colon = username.find(':');
      if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
      return username.substr(0, colon);
    }
    at += 4 + ((size + 3) & ~std::size_t{3});
  }
  return std::nullopt;
}

IceLite::Secrets::Secrets(IceCredentials local_credentials, IceCredentials remote_credentials)
    : local(std::move(local_credentials)),
      remote(std::move(remote_credentials)),
      local_key(local.pwd),
      remote_key(remote.pwd) {}

IceLite::IceLite(IceCredentials local, IceCredentials remote, RandomSource random,
                 std::size_t max_paths)
    : current_(std::move(local), std::move(remote)),
      random_(std::move(random)),
      // Two at the least: the selected one and the one it moves to.
      max_paths_(std::clamp<std::size_t>(max_paths, 2, kMaxPaths)) {
  std::array<std::uint8_t, 8> chance{};
  random_(chance);
  tie_breaker_ = std::uint64_t{rtp::load32(chance, 0)} << 32 | rtp::load32(chance, 4);
  known_.reserve(max_paths_);
}

void IceLite::restart(IceCredentials local, IceCredentials remote) {
  if (local == current_.local && remote == current_.remote) return;
  previous_ = std::exchange(current_, Secrets(std::move(local), std::move(remote)));
}

std::string_view IceLite::local_ufrag() const noexcept { return current_.local.ufrag; }

std::optional<std::string_view> IceLite::previous_local_ufrag() const noexcept {
  if (!previous_) return std::nullopt;
  return previous_->local.ufrag;
}

std::vector<Path> IceLite::paths() const {
  std::vector<Path> paths;
  for (const Known& known : known_) paths.push_back(known.path);
  return paths;
}

IceLite::Known* IceLite::find(const Path& path) noexcept {
  const auto it = std::find_if(known_.begin(), known_.end(),
                               [&](const Known& known) { return known.path == path; });
  return it == known_.end() ? nullptr : &*it;
}

const IceLite::Known* IceLite::find(const Path& path) const noexcept {
  const auto it = std::find_if(known_.begin(), known_.end(),
                               [&](const Known& known) { return known.path == path; });
  return it == known_.end() ? nullptr : &*it;
}

bool IceLite::passed(const Path& path) const noexcept { return find(path) != nullptr; }

bool IceLite::verified(const Path& path) const noexcept {
  const Known* known = find(path);
  return known != nullptr && known->verified;
}

const IceLite::Secrets* IceLite::secrets_for(std::string_view username) const noexcept {
  const auto fits = [&](const Secrets& s) {
    const std::size_t split = s.local.ufrag.size();
    return username.size() == split + 1 + s.remote.ufrag.size() && username[split] == ':' &&
           username.substr(0, split) == s.local.ufrag &&
           username.substr(split + 1) == s.remote.ufrag;
  };
  if (fits(current_)) return &current_;
  if (previous_ && fits(*previous_)) return &*previous_;
  return nullptr;
}

IceResult IceLite::on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram) {
  const auto dropped = [](IceDrop why) {
    IceResult result;
    result.drop = why;
    return result;
  };
  const auto message = StunMessage::parse(datagram);
  if (!message || !message->fingerprint) return dropped(IceDrop::Malformed);
  if (message->method != StunMessage::kBinding) return dropped(IceDrop::NotBinding);
  switch (message->cls) {
    case StunClass::Request:
      return on_request(now, path, *message);
    case StunClass::Success:
    case StunClass::Error:
      return on_response(now, path, *message);
    case StunClass::Indication:
      break;
  }
  return dropped(IceDrop::NotBinding);
}

IceResult IceLite::on_request(rtp::Time now, const Path& path, const StunMessage& request) {
  IceResult result;
  // Nothing is answered before it is authenticated, not even with an error: a 400 or 401 as
  // RFC 8489, section 9.1.3 has it would serve only to bounce datagrams off us.
  const Secrets* secrets = request.username ? secrets_for(*request.username) : nullptr;
  if (secrets == nullptr) {
    result.drop = IceDrop::WrongUsername;
    return result;
  }
  if (!request.verify(secrets->local_key)) {
    result.drop = IceDrop::WrongIntegrity;
    return result;
  }
  const auto refuse = [&](std::uint16_t code, std::string_view reason) {
    StunWriter writer(out_, StunClass::Error, request.transaction);
    writer.error_code(code, reason);
    if (code == 420) writer.unknown_attributes(request);
    result.reply = writer.finish(secrets->local_key);
    return result;
  };
  if (request.unknown_count > 0) return refuse(420, "Unknown Attribute");
  if (!request.priority) return refuse(400, "Bad Request");
  // A lite agent is controlled whatever the tie-breakers say (RFC 8445, section 6.1.1).
  if (request.ice_controlled) return refuse(487, "Role Conflict");

  result.authenticated = true;
  last_consent_ = now;
  const bool current = secrets == &current_;
  Known* known = find(path);
  if (known == nullptr) known = &admit(now, path, result);
  known->last_check = now;
  known->last_heard = now;
  known->received += request.bytes.size();

  StunWriter writer(out_, StunClass::Success, request.transaction);
  result.reply = writer.xor_mapped_address(path.remote).finish(secrets->local_key);
  known->sent += result.reply.size();

  // A check with the credentials before the restart keeps its path alive but moves nothing.
  if (current || !selected_) consider(now, *known, request.use_candidate, result);
  if (current && request.use_candidate && previous_) {
    previous_.reset();
    result.restart_finished = true;
  }
  return result;
}

IceResult IceLite::on_moved(rtp::Time now, const Path& path, std::size_t bytes) {
  IceResult result;
  Known* known = find(path);
  if (known == nullptr) known = &admit(now, path, result);
  known->received += bytes;
  return result;
}

// A place for a new path; when all are taken the one that was heard from longest ago goes, those
// that nobody proved to be reachable first.
IceLite::Known& IceLite::admit(rtp::Time now, const Path& path, IceResult& result) {
  result.path_added = true;
  if (known_.size() >= max_paths_) {
    const auto kept = [&](const Known& k) { return k.path == selected_ || k.path == wanted_; };
    const auto goes_before = [&](const Known& a, const Known& b) {
      if (kept(a) != kept(b)) return kept(b);
      if (a.verified != b.verified) return b.verified;
      return a.last_heard < b.last_heard;
    };
    const auto oldest = std::min_element(known_.begin(), known_.end(), goes_before);
    result.evicted = oldest->path;
    if (wanted_ == oldest->path) wanted_.reset();
    known_.erase(oldest);
  }
  Known known;
  known.path = path;
  known.last_check = now;
  known.last_heard = now;
  known_.push_back(std::move(known));
  return known_.back();
}

// Whether a valid check makes its path the selected one, at once or after a check of our own.
void IceLite::consider(rtp::Time now, Known& known, bool nominated, IceResult& result) {
  if (!selected_) {
    // There is nothing to lose: what the handshake sends is bounded by may_send(), and there is
    // no media before the handshake has proved that the peer receives here.
    result.selected_changed = select(known.path);
    if (!known.verified) start_check(now, known);
    return;
  }
  if (known.path == *selected_) {
    if (nominated) wanted_.reset();
    if (!known.verified && !known.check) start_check(now, known);
    return;
  }
  if (!nominated) {
    const Known* old = find(*selected_);
    const rtp::Duration patience =
        known.path.remote.same_ip(selected_->remote) ? kSilentSameIp : kSilentOtherIp;
    // Spare paths are checked too, without being meant; but a peer whose address was changed by
    // a NAT knows nothing of it and does not nominate again.
    if (old != nullptr && now - old->last_heard < patience) return;
  }
  result.selected_changed = want(now, known);
}

// Selected at once, or after a check of our own.
bool IceLite::want(rtp::Time now, Known& known) {
  if (known.verified) return select(known.path);
  wanted_ = known.path;
  if (!known.check) start_check(now, known);
  return false;
}

bool IceLite::select(const Path& path) noexcept {
  wanted_.reset();
  if (selected_ == path) return false;
  selected_ = path;
  return true;
}

IceResult IceLite::on_response(rtp::Time now, const Path& path, const StunMessage& response) {
  IceResult result;
  Known* known = find(path);
  // The answer must come from where the check went, or it proves nothing (RFC 8445, 7.2.5.2.1).
  if (known == nullptr || !known->check || known->check->sent == 0 ||
      known->check->transaction != response.transaction) {
    result.drop = IceDrop::UnknownResponse;
    return result;
  }
  // A check may have left before a restart.
  if (!response.verify(current_.remote_key) &&
      !(previous_ && response.verify(previous_->remote_key))) {
    result.drop = IceDrop::WrongIntegrity;
    return result;
  }
  known->check.reset();
  result.authenticated = true;
  last_consent_ = now;
  known->last_heard = now;
  known->received += response.bytes.size();
  if (response.cls == StunClass::Success) result.selected_changed = on_verified(path);
  return result;
}

void IceLite::on_received(const Path& path, std::size_t bytes) noexcept {
  if (Known* known = find(path); known != nullptr && !known->verified) known->received += bytes;
}

bool IceLite::on_heard(rtp::Time now, const Path& path) {
  Known* known = find(path);
  if (known == nullptr) return false;
  known->last_heard = now;
  if (!selected_ || path == *selected_ || path == wanted_) return false;
  const Known* old = find(*selected_);
  if (!path.remote.same_ip(selected_->remote)) return false;
  if (old != nullptr && now - old->last_heard < kSilentMedia) return false;
  want(now, *known);
  return true;
}

bool IceLite::on_verified(const Path& path) noexcept {
  Known* known = find(path);
  if (known == nullptr) return false;
  known->verified = true;
  known->check.reset();
  if (wanted_ == path) return select(path);
  return false;
}

bool IceLite::remove(const Path& path) noexcept {
  if (std::erase_if(known_, [&](const Known& known) { return known.path == path; }) == 0) {
    return false;
  }
  if (wanted_ == path) wanted_.reset();
  if (selected_ != path) return false;
  selected_.reset();
  const Known* best = nullptr;
  for (const Known& known : known_) {
    if (!known.verified || (best != nullptr && known.last_heard <= best->last_heard)) continue;
    best = &known;
  }
  if (best != nullptr) selected_ = best->path;
  return true;
}

bool IceLite::may_send(const Path& path, std::size_t bytes) noexcept {
  Known* known = find(path);
  if (known == nullptr) return false;
  if (known->verified) return true;
  if (known->sent + bytes > kAmplification * known->received) return false;
  known->sent += bytes;
  return true;
}

void IceLite::start_check(rtp::Time now, Known& known) {
  Check check;
  random_(check.transaction);
  check.next = now;
  known.check = check;
}

std::optional<IceLite::Transmit> IceLite::poll_transmit(rtp::Time now) {
  for (Known& known : known_) {
    if (!known.check || known.check->next > now) continue;
    if (known.check->sent >= kMaxChecks) {
      known.check.reset();  // the next check from there starts another
      continue;
    }
    StunWriter writer(out_, StunClass::Request, known.check->transaction);
    const rtp::ConstBytes datagram = writer.username(current_.remote.ufrag, current_.local.ufrag)
                                         .ice_controlled(tie_breaker_)
                                         .priority(kPriority)
                                         .finish(current_.remote_key);
    Check& check = *known.check;
    check.next = now + check.retry;
    check.retry = std::min(check.retry * 2, kMaxRetry);
    ++check.sent;
    if (datagram.empty() || !may_send(known.path, datagram.size())) continue;
    return Transmit{known.path, datagram};
  }
  return std::nullopt;
}

std::optional<rtp::Time> IceLite::next_deadline() const noexcept {
  std::optional<rtp::Time> next;
  for (const Known& known : known_) {
    if (known.check && (!next || known.check->next < *next)) next = known.check->next;
  }
  return next;
}

}  // namespace parley::server
