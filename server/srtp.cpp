#include "server/srtp.h"

#include <algorithm>
#include <utility>

#include "rtp/bytes.h"
#include "rtp/prefetch.h"
#include "server/srtp_index.h"
#include "server/srtp_kdf.h"
#include "server/srtp_layout.h"
#include "server/srtp_libsrtp.h"
#include "server/ssrc_map.h"

namespace parley::server {
namespace {

using rtp::Bytes;
using rtp::ConstBytes;
using Salt = std::array<std::uint8_t, SrtpMasterKey::kMaxSaltSize>;

constexpr std::uint32_t kMaxSrtcpIndex = 0x7fff'ffff;
// So much of an expanded key is read for a packet of full size.
constexpr std::size_t kKeyBytes = 1'024;

// The keys of one direction, for one of SRTP and SRTCP.
struct Keys {
  std::unique_ptr<SrtpCipherKey> cipher;
  Salt salt{};
};

bool make_keys(SrtpCipher& cipher, SrtpProfile profile, const SrtpMasterKey& master, SrtpKind kind,
               Keys& into) {
  SrtpSessionKeys keys;
  if (!derive_srtp_keys(profile, master, kind == SrtpKind::Rtcp, keys)) return false;
  into.cipher = cipher.expand(keys);
  into.salt = keys.salt;
  return into.cipher != nullptr;
}

struct Outbound {
  SrtpIndex rtp;
  std::uint32_t rtcp = 0;  // index of the last SRTCP packet
};

struct Inbound {
  SrtpIndex rtp;
  SrtpIndex rtcp;
  [[nodiscard]] SrtpIndex& of(SrtpKind kind) noexcept { return kind == SrtpKind::Rtp ? rtp : rtcp; }
};

rtp::Ssrc ssrc_of(ConstBytes packet, SrtpKind kind) noexcept {
  return rtp::Ssrc{rtp::load32(packet, kind == SrtpKind::Rtp ? 8 : 4)};
}

void xor_into(std::array<std::uint8_t, 16>& iv, std::size_t at, std::uint64_t value,
              std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    iv[at + i] = static_cast<std::uint8_t>(iv[at + i] ^ (value >> (8 * (size - 1 - i))));
  }
}

// One packet and where its parts lie; the bytes behind `text_end` belong to it too.
struct Place {
  Bytes packet;
  SrtpKind kind = SrtpKind::Rtp;
  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
  std::size_t header = 0;  // not encrypted
  std::size_t text_end = 0;

  [[nodiscard]] Bytes tag() const noexcept {
    const bool behind_word = kind == SrtpKind::Rtcp && !is_aead(profile);
    return packet.subspan(text_end + (behind_word ? kSrtcpWord : 0), tag_size(profile));
  }
};

// Says what to encrypt and to authenticate, and under which IV: RFC 3711, sections 4.1.1 and 4.2,
// and RFC 7714, sections 8.1, 9.1 and 9.2. The word behind the text is the E flag and the index of
// SRTCP or the roll-over counter of SRTP; the latter is signed under HMAC but never sent, so it is
// written where the tag will stand, or stood.
void lay_out(const Place& place, const Keys& keys, rtp::Ssrc ssrc, std::uint64_t index,
             std::array<std::uint8_t, 12>& rtcp_header, SrtpJob& job) noexcept {
  const bool aead = is_aead(place.profile);
  const bool rtcp = place.kind == SrtpKind::Rtcp;
  job.key = keys.cipher.get();
  job.iv = {};
  std::copy(keys.salt.begin(), keys.salt.end(), job.iv.begin());
  xor_into(job.iv, aead ? 2 : 4, ssrc.value, 4);
  xor_into(job.iv, aead ? 6 : 8, index, 6);
  job.text = place.packet.subspan(place.header, place.text_end - place.header);
  const auto word = rtcp ? kSrtcpEncrypted | static_cast<std::uint32_t>(index)
                         : static_cast<std::uint32_t>(index >> 16);
  if (!aead) {
    rtp::store32(place.packet, place.text_end, word);
    job.authenticated = place.packet.first(place.text_end + kSrtcpWord);
  } else if (rtcp) {
    std::copy_n(place.packet.begin(), kSrtcpHeader, rtcp_header.begin());
    rtp::store32(rtcp_header, kSrtcpHeader, word);
    rtp::store32(place.packet, place.text_end + tag_size(place.profile), word);
    job.authenticated = rtcp_header;
  } else {
    job.authenticated = place.packet.first(place.header);
  }
}

}  // namespace

SrtpEngine available(SrtpEngine wanted) noexcept {
  switch (wanted) {
    case SrtpEngine::Auto:
    case SrtpEngine::IpsecMb:
      return ipsec_mb_cipher() != nullptr ? SrtpEngine::IpsecMb : SrtpEngine::OpenSsl;
    case SrtpEngine::OpenSsl:
    case SrtpEngine::LibSrtp:
      break;
  }
  return wanted;
}

std::string_view name_of(SrtpEngine engine) noexcept {
  switch (engine) {
    case SrtpEngine::Auto:
      return "auto";
    case SrtpEngine::IpsecMb:
      return "ipsec_mb";
    case SrtpEngine::OpenSsl:
      return "openssl";
    case SrtpEngine::LibSrtp:
      return "libsrtp";
  }
  return "unknown";
}

struct SrtpSession::Impl {
  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
  SrtpCipher* cipher = nullptr;  // none: libsrtp does all
  std::size_t max_streams = kMaxStreams;
  std::array<Keys, 2> send;  // by kind
  std::array<Keys, 2> receive;
  SsrcMap<Outbound> outbound;
  SsrcMap<Inbound> inbound;  // with libsrtp only which they are
  std::unique_ptr<LibSrtp> libsrtp;

  [[nodiscard]] bool make_all_keys(const SrtpKeys& keys) {
    const auto make = [&](std::array<Keys, 2>& into, const SrtpMasterKey& master, SrtpKind kind) {
      return make_keys(*cipher, profile, master, kind, into[static_cast<std::size_t>(kind)]);
    };
    return make(send, keys.send, SrtpKind::Rtp) && make(send, keys.send, SrtpKind::Rtcp) &&
           make(receive, keys.receive, SrtpKind::Rtp) &&
           make(receive, keys.receive, SrtpKind::Rtcp);
  }
  void prefetch() const noexcept { rtp::prefetch(this, sizeof *this); }
  [[nodiscard]] const Keys& send_keys(SrtpKind kind) const noexcept {
    return send[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const Keys& receive_keys(SrtpKind kind) const noexcept {
    return receive[static_cast<std::size_t>(kind)];
  }
  // The index that a packet of ours gets; nothing if it was used before.
  [[nodiscard]] std::optional<std::uint64_t> take_index(ConstBytes packet, SrtpKind kind) {
    const rtp::Ssrc ssrc = ssrc_of(packet, kind);
    Outbound* stream = outbound.find(ssrc);
    if (stream == nullptr) stream = &outbound.add(ssrc, {});
    if (kind == SrtpKind::Rtcp) {
      if (stream->rtcp >= kMaxSrtcpIndex) return std::nullopt;
      return ++stream->rtcp;
    }
    const std::uint64_t index = stream->rtp.guess(rtp::Seq{rtp::load16(packet, 2)});
    if (stream->rtp.check(index) != SrtpIndex::Verdict::New) return std::nullopt;
    stream->rtp.accept(index);
    return index;
  }
};

SrtpSession::SrtpSession(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SrtpSession::SrtpSession(SrtpSession&&) noexcept = default;
SrtpSession& SrtpSession::operator=(SrtpSession&&) noexcept = default;
SrtpSession::~SrtpSession() = default;

std::optional<SrtpSession> SrtpSession::create(const SrtpKeys& keys, std::size_t max_streams,
                                               SrtpEngine engine) {
  const auto fits = [&](const SrtpMasterKey& master) {
    return master.key().size() == key_size(keys.profile) &&
           master.salt().size() == salt_size(keys.profile);
  };
  if (!fits(keys.send) || !fits(keys.receive)) return std::nullopt;
  auto impl = std::make_unique<Impl>();
  impl->profile = keys.profile;
  impl->max_streams = max_streams;
  switch (available(engine)) {
    case SrtpEngine::LibSrtp:
      impl->libsrtp = LibSrtp::create(keys);
      if (!impl->libsrtp) return std::nullopt;
      return SrtpSession(std::move(impl));
    case SrtpEngine::IpsecMb:
      impl->cipher = ipsec_mb_cipher();
      break;
    case SrtpEngine::Auto:
    case SrtpEngine::OpenSsl:
      impl->cipher = openssl_cipher();
      break;
  }
  if (!impl->make_all_keys(keys)) return std::nullopt;
  return SrtpSession(std::move(impl));
}

void SrtpSession::forget_inbound(rtp::Ssrc ssrc) noexcept {
  impl_->inbound.remove(ssrc);
  if (impl_->libsrtp) impl_->libsrtp->forget_inbound(ssrc);
}

void SrtpSession::forget_outbound(rtp::Ssrc ssrc) noexcept {
  impl_->outbound.remove(ssrc);
  if (impl_->libsrtp) impl_->libsrtp->forget_outbound(ssrc);
}

std::size_t SrtpSession::inbound_streams() const noexcept { return impl_->inbound.size(); }

std::size_t SrtpSession::bytes() const noexcept {
  std::size_t total = sizeof(Impl) + impl_->outbound.bytes() + impl_->inbound.bytes();
  for (const auto* direction : {&impl_->send, &impl_->receive}) {
    for (const Keys& keys : *direction) total += keys.cipher ? keys.cipher->bytes() : 0;
  }
  return total;
}

// Fetches what the items a few places on will need of their sessions, in two steps, because the one
// leads to the other.
void Sealer::prefetch(std::span<const SealItem> rest) noexcept {
  constexpr std::size_t kFar = 8;
  constexpr std::size_t kNear = 4;
  if (rest.size() > kFar) rtp::prefetch(rest[kFar].session, sizeof(SrtpSession));
  if (rest.size() > kNear) rest[kNear].session->impl_->prefetch();
}

std::size_t Sealer::seal(std::span<SealItem> batch) noexcept {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    prefetch(batch.subspan(i));
    add(batch[i]);
  }
  finish();
  return static_cast<std::size_t>(
      std::count_if(batch.begin(), batch.end(), [](const SealItem& item) { return item.sealed; }));
}

void Sealer::add(SealItem& item) noexcept {
  item.sealed = false;
  SrtpSession::Impl& session = *item.session->impl_;
  if (item.buffer.size() < item.size + kOverhead) return;
  const ConstBytes plain = item.buffer.first(item.size);
  std::size_t header = kSrtcpHeader;
  if (item.kind == SrtpKind::Rtp) {
    const auto size = rtp_header_size(plain);
    if (!size) return;
    header = *size;
  } else if (!is_rtcp(plain)) {
    return;
  }
  if (session.libsrtp) {
    const std::size_t size = session.libsrtp->seal(item.buffer, item.size, item.kind);
    item.sealed = size > 0;
    if (item.sealed) item.size = size;
    return;
  }
  const auto index = session.take_index(plain, item.kind);
  if (!index) return;
  SrtpBatch<SealItem>& b = batch_;
  if (b.count == b.jobs.size() || b.cipher != session.cipher || b.profile != session.profile) {
    finish();
    b.cipher = session.cipher;
    b.profile = session.profile;
  }
  const Place place{item.buffer, item.kind, session.profile, header, item.size};
  const Keys& keys = session.send_keys(item.kind);
  const bool next_peer = b.count == 0 || b.jobs[b.count - 1].key != keys.cipher.get();
  if (next_peer) rtp::prefetch(keys.cipher.get(), kKeyBytes);
  lay_out(place, keys, ssrc_of(plain, item.kind), *index, b.headers[b.count], b.jobs[b.count]);
  b.items[b.count++] = &item;
}

void Sealer::finish() noexcept {
  SrtpBatch<SealItem>& b = batch_;
  if (b.count == 0) return;
  b.cipher->seal(b.profile, std::span(b.jobs).first(b.count));
  for (std::size_t i = 0; i < b.count; ++i) {
    SealItem& item = *b.items[i];
    const Bytes tag = Place{item.buffer, item.kind, b.profile, 0, item.size}.tag();
    std::copy_n(b.jobs[i].tag.begin(), tag.size(), tag.begin());
    item.size += tag.size() + (item.kind == SrtpKind::Rtcp ? kSrtcpWord : 0);
    item.sealed = b.jobs[i].ok;
  }
  b.count = 0;
}

void Opener::open(std::span<OpenItem> batch) noexcept {
  for (OpenItem& item : batch) {
    if (item.session != nullptr) add(item);
  }
  finish();
}

tl::expected<std::size_t, OpenError> Opener::open(SrtpSession& session, Bytes datagram,
                                                  SrtpKind kind) noexcept {
  OpenItem item{&session, datagram, kind};
  open({&item, 1});
  return item.result;
}

void Opener::add(OpenItem& item) noexcept {
  const auto refuse = [&](OpenError error) { item.result = tl::unexpected(error); };
  SrtpSession::Impl& session = *item.session->impl_;
  if (!is_sealed(item.buffer, item.kind, session.profile)) return refuse(OpenError::Malformed);
  const rtp::Ssrc ssrc = ssrc_of(item.buffer, item.kind);
  Inbound* stream = session.inbound.find(ssrc);
  if (stream == nullptr && session.inbound.size() >= session.max_streams) {
    return refuse(OpenError::TooManyStreams);
  }
  if (session.libsrtp) {
    item.result = session.libsrtp->open(item.buffer, item.kind);
    if (item.result && stream == nullptr) session.inbound.add(ssrc, {});
    return;
  }
  SrtpBatch<OpenItem>& b = batch_;
  // The first packet of a stream sets its roll-over counter: those behind it must know.
  const bool first = stream == nullptr || !stream->of(item.kind).started();
  if (b.count == b.jobs.size() || b.cipher != session.cipher || b.profile != session.profile ||
      first) {
    finish();
    b.cipher = session.cipher;
    b.profile = session.profile;
    stream = session.inbound.find(ssrc);
  }
  static const SrtpIndex kNone;
  const SrtpIndex& indices = stream == nullptr ? kNone : stream->of(item.kind);
  const std::size_t tag = tag_size(session.profile);
  Place place{item.buffer, item.kind, session.profile, kSrtcpHeader, item.buffer.size() - tag};
  std::uint64_t index = 0;
  if (item.kind == SrtpKind::Rtp) {
    place.header = *rtp_header_size(item.buffer);
    index = indices.guess(rtp::Seq{rtp::load16(item.buffer, 2)});
  } else {
    place.text_end -= kSrtcpWord;
    index = rtp::load32(item.buffer, srtcp_word_at(item.buffer.size(), session.profile)) &
            kMaxSrtcpIndex;
  }
  if (indices.check(index) != SrtpIndex::Verdict::New) return refuse(OpenError::Replay);
  SrtpJob& job = b.jobs[b.count];
  const Bytes received = place.tag();
  std::copy(received.begin(), received.end(), job.tag.begin());
  lay_out(place, session.receive_keys(item.kind), ssrc, index, b.headers[b.count], job);
  b.indices[b.count] = index;
  item.result = place.text_end;
  b.items[b.count++] = &item;
  if (first) finish();
}

void Opener::finish() noexcept {
  SrtpBatch<OpenItem>& b = batch_;
  if (b.count == 0) return;
  b.cipher->open(b.profile, std::span(b.jobs).first(b.count));
  for (std::size_t i = 0; i < b.count; ++i) {
    OpenItem& item = *b.items[i];
    if (!b.jobs[i].ok) {
      item.result = tl::unexpected(OpenError::Auth);
      continue;
    }
    SsrcMap<Inbound>& streams = item.session->impl_->inbound;
    const rtp::Ssrc ssrc = ssrc_of(item.buffer, item.kind);
    Inbound* stream = streams.find(ssrc);
    if (stream == nullptr) stream = &streams.add(ssrc, {});
    SrtpIndex& indices = stream->of(item.kind);
    // The same packet may have come twice in one batch.
    if (indices.check(b.indices[i]) == SrtpIndex::Verdict::New) {
      indices.accept(b.indices[i]);
    } else {
      item.result = tl::unexpected(OpenError::Replay);
    }
  }
  b.count = 0;
}

}  // namespace parley::server
