#include "server/srtp.h"

#include <algorithm>
#include <array>
#include <climits>

#include <srtp2/srtp.h>

#include "rtp/bytes.h"

// The first engine: libsrtp, in place, one packet after the other. Its checks of outside bytes are
// made here once more, because that is where it was hurt in the past (short headers, CSRC counts,
// extension lengths, SRTCP without encryption).
namespace parley::server {
namespace {

using rtp::Bytes;
using rtp::ConstBytes;

constexpr std::size_t kFixedRtpHeader = 12;
constexpr std::size_t kMinRtcp = 8;
constexpr std::size_t kSrtcpIndex = 4;

static_assert(Sealer::kOverhead >= 16 + kSrtcpIndex);

bool library_ready() noexcept {
  static const bool ready = srtp_init() == srtp_err_status_ok;
  return ready;
}

constexpr std::size_t tag_size(SrtpProfile profile) noexcept {
  return profile == SrtpProfile::AesCm128HmacSha1_80 ? 10 : 16;
}

// The size of fixed header, CSRCs and extension together, or nothing if it does not fit.
std::optional<std::size_t> rtp_header_size(ConstBytes packet) noexcept {
  if (packet.size() < kFixedRtpHeader || packet[0] >> 6 != 2) return std::nullopt;
  std::size_t size = kFixedRtpHeader + 4 * std::size_t{packet[0] & 0x0FU};
  if ((packet[0] & 0x10) != 0) {
    if (packet.size() < size + 4) return std::nullopt;
    size += 4 + 4 * std::size_t{rtp::load16(packet, size + 2)};
  }
  if (packet.size() < size) return std::nullopt;
  return size;
}

bool is_rtcp(ConstBytes packet) noexcept {
  return packet.size() >= kMinRtcp && packet[0] >> 6 == 2;
}

bool well_formed(ConstBytes sealed, SrtpKind kind, SrtpProfile profile) noexcept {
  const std::size_t tag = tag_size(profile);
  if (kind == SrtpKind::Rtp) {
    const std::optional<std::size_t> header = rtp_header_size(sealed);
    return header && sealed.size() >= *header + tag;
  }
  if (!is_rtcp(sealed) || sealed.size() < kMinRtcp + tag + kSrtcpIndex) return false;
  // E flag and index: behind the tag with AEAD (RFC 7714, section 9.2), else in front of it
  // (RFC 3711, section 3.4). All of WebRTC is encrypted.
  const std::size_t behind = profile == SrtpProfile::AesCm128HmacSha1_80 ? tag : 0;
  return (sealed[sealed.size() - behind - kSrtcpIndex] & 0x80) != 0;
}

rtp::Ssrc ssrc_of(ConstBytes packet, SrtpKind kind) noexcept {
  return rtp::Ssrc(rtp::load32(packet, kind == SrtpKind::Rtp ? 8 : 4));
}

OpenError error_of(srtp_err_status_t status) noexcept {
  switch (status) {
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
    case srtp_err_status_pkt_idx_old:
      return OpenError::Replay;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
      return OpenError::Malformed;
    default:  // auth_fail, and cipher_fail where GCM notices
      return OpenError::Auth;
  }
}

struct FreeSrtp {
  void operator()(srtp_ctx_t_* context) const noexcept { srtp_dealloc(context); }
};
using SrtpContext = std::unique_ptr<srtp_ctx_t_, FreeSrtp>;

void set_policy(SrtpProfile profile, srtp_crypto_policy_t& policy) noexcept {
  switch (profile) {
    case SrtpProfile::AeadAes128Gcm:
      return srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy);
    case SrtpProfile::AeadAes256Gcm:
      return srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy);
    case SrtpProfile::AesCm128HmacSha1_80:
      return srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy);
  }
}

SrtpContext make_context(SrtpProfile profile, const SrtpMasterKey& master,
                         srtp_ssrc_type_t direction) {
  // libsrtp wants key and salt in one piece.
  std::array<std::uint8_t, SrtpMasterKey::kMaxKeySize + SrtpMasterKey::kMaxSaltSize> key{};
  std::copy(master.salt().begin(), master.salt().end(),
            std::copy(master.key().begin(), master.key().end(), key.begin()));
  srtp_policy_t policy{};
  set_policy(profile, policy.rtp);
  set_policy(profile, policy.rtcp);
  policy.ssrc.type = direction;
  policy.key = key.data();
  policy.window_size = SrtpSession::kReplayWindow;
  srtp_t context = nullptr;
  const srtp_err_status_t status = srtp_create(&context, &policy);
  volatile std::uint8_t* const wipe = key.data();
  for (std::size_t i = 0; i < key.size(); ++i) wipe[i] = 0;
  return SrtpContext(status == srtp_err_status_ok ? context : nullptr);
}

}  // namespace

struct SrtpSession::Impl {
  SrtpContext inbound;
  SrtpContext outbound;
  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
  std::size_t max_streams = kMaxStreams;
  std::vector<rtp::Ssrc> known;  // SSRCs that libsrtp keeps an inbound stream for

  [[nodiscard]] bool knows(rtp::Ssrc ssrc) const noexcept {
    return std::find(known.begin(), known.end(), ssrc) != known.end();
  }
};

SrtpSession::SrtpSession(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SrtpSession::SrtpSession(SrtpSession&&) noexcept = default;
SrtpSession& SrtpSession::operator=(SrtpSession&&) noexcept = default;
SrtpSession::~SrtpSession() = default;

std::optional<SrtpSession> SrtpSession::create(const SrtpKeys& keys, std::size_t max_streams) {
  const auto fits = [&](const SrtpMasterKey& master) {
    return master.key().size() == key_size(keys.profile) &&
           master.salt().size() == salt_size(keys.profile);
  };
  if (!library_ready() || !fits(keys.send) || !fits(keys.receive)) return std::nullopt;
  auto impl = std::make_unique<Impl>();
  impl->profile = keys.profile;
  impl->max_streams = max_streams;
  impl->known.reserve(max_streams);
  impl->inbound = make_context(keys.profile, keys.receive, ssrc_any_inbound);
  impl->outbound = make_context(keys.profile, keys.send, ssrc_any_outbound);
  if (!impl->inbound || !impl->outbound) return std::nullopt;
  return SrtpSession(std::move(impl));
}

void SrtpSession::forget_inbound(rtp::Ssrc ssrc) noexcept {
  std::erase(impl_->known, ssrc);
  srtp_remove_stream(impl_->inbound.get(), __builtin_bswap32(ssrc.value));
}

void SrtpSession::forget_outbound(rtp::Ssrc ssrc) noexcept {
  srtp_remove_stream(impl_->outbound.get(), __builtin_bswap32(ssrc.value));
}

std::size_t SrtpSession::inbound_streams() const noexcept { return impl_->known.size(); }

std::size_t Sealer::seal(std::span<SealItem> batch) noexcept {
  std::size_t sealed = 0;
  for (SealItem& item : batch) {
    item.sealed = false;
    if (item.size > INT_MAX || item.buffer.size() < item.size + kOverhead) continue;
    const ConstBytes plain = item.buffer.first(item.size);
    srtp_ctx_t_* const context = item.session->impl_->outbound.get();
    int size = static_cast<int>(item.size);
    srtp_err_status_t status = srtp_err_status_parse_err;
    if (item.kind == SrtpKind::Rtp && rtp_header_size(plain)) {
      status = srtp_protect(context, item.buffer.data(), &size);
    } else if (item.kind == SrtpKind::Rtcp && is_rtcp(plain)) {
      status = srtp_protect_rtcp(context, item.buffer.data(), &size);
    }
    if (status != srtp_err_status_ok) continue;
    item.size = static_cast<std::size_t>(size);
    item.sealed = true;
    ++sealed;
  }
  return sealed;
}

void Opener::open(std::span<OpenItem> batch) noexcept {
  for (OpenItem& item : batch) item.result = open(*item.session, item.buffer, item.kind);
}

tl::expected<std::size_t, OpenError> Opener::open(SrtpSession& session, Bytes datagram,
                                                  SrtpKind kind) noexcept {
  SrtpSession::Impl& s = *session.impl_;
  if (datagram.size() > INT_MAX || !well_formed(datagram, kind, s.profile)) {
    return tl::unexpected(OpenError::Malformed);
  }
  const rtp::Ssrc ssrc = ssrc_of(datagram, kind);
  const bool known = s.knows(ssrc);
  if (!known && s.known.size() >= s.max_streams) return tl::unexpected(OpenError::TooManyStreams);
  int size = static_cast<int>(datagram.size());
  const srtp_err_status_t status =
      kind == SrtpKind::Rtp ? srtp_unprotect(s.inbound.get(), datagram.data(), &size)
                            : srtp_unprotect_rtcp(s.inbound.get(), datagram.data(), &size);
  if (status != srtp_err_status_ok) return tl::unexpected(error_of(status));
  if (!known) s.known.push_back(ssrc);  // within what was reserved
  return static_cast<std::size_t>(size);
}

}  // namespace parley::server
