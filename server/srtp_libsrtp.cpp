#include "server/srtp_libsrtp.h"

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include <openssl/crypto.h>
#include <srtp2/srtp.h>

namespace parley::server {
namespace {

bool library_ready() noexcept {
  static const bool ready = srtp_init() == srtp_err_status_ok;
  return ready;
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

}  // namespace

void LibSrtp::Free::operator()(srtp_ctx_t_* context) const noexcept { srtp_dealloc(context); }

LibSrtp::LibSrtp(Context inbound, Context outbound) noexcept
    : inbound_(std::move(inbound)), outbound_(std::move(outbound)) {}
LibSrtp::~LibSrtp() = default;

LibSrtp::Context LibSrtp::make(SrtpProfile profile, const SrtpMasterKey& master,
                               bool inbound) noexcept {
  // libsrtp wants key and salt in one piece.
  std::array<std::uint8_t, SrtpMasterKey::kMaxKeySize + SrtpMasterKey::kMaxSaltSize> key{};
  std::copy(master.salt().begin(), master.salt().end(),
            std::copy(master.key().begin(), master.key().end(), key.begin()));
  srtp_policy_t policy{};
  set_policy(profile, policy.rtp);
  set_policy(profile, policy.rtcp);
  policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
  policy.key = key.data();
  policy.window_size = SrtpSession::kReplayWindow;
  srtp_t context = nullptr;
  const srtp_err_status_t status = srtp_create(&context, &policy);
  OPENSSL_cleanse(key.data(), key.size());
  return Context(status == srtp_err_status_ok ? context : nullptr);
}

std::unique_ptr<LibSrtp> LibSrtp::create(const SrtpKeys& keys) {
  if (!library_ready()) return nullptr;
  Context inbound = make(keys.profile, keys.receive, true);
  Context outbound = make(keys.profile, keys.send, false);
  if (!inbound || !outbound) return nullptr;
  // A private constructor.
  return std::unique_ptr<LibSrtp>(new LibSrtp(std::move(inbound), std::move(outbound)));
}

std::size_t LibSrtp::seal(rtp::Bytes buffer, std::size_t size, SrtpKind kind) noexcept {
  if (size > INT_MAX) return 0;
  int length = static_cast<int>(size);
  const srtp_err_status_t status = kind == SrtpKind::Rtp
                                       ? srtp_protect(outbound_.get(), buffer.data(), &length)
                                       : srtp_protect_rtcp(outbound_.get(), buffer.data(), &length);
  return status == srtp_err_status_ok ? static_cast<std::size_t>(length) : 0;
}

tl::expected<std::size_t, OpenError> LibSrtp::open(rtp::Bytes datagram, SrtpKind kind) noexcept {
  if (datagram.size() > INT_MAX) return tl::unexpected(OpenError::Malformed);
  int length = static_cast<int>(datagram.size());
  const srtp_err_status_t status =
      kind == SrtpKind::Rtp ? srtp_unprotect(inbound_.get(), datagram.data(), &length)
                            : srtp_unprotect_rtcp(inbound_.get(), datagram.data(), &length);
  if (status != srtp_err_status_ok) return tl::unexpected(error_of(status));
  return static_cast<std::size_t>(length);
}

void LibSrtp::forget_inbound(rtp::Ssrc ssrc) noexcept {
  srtp_remove_stream(inbound_.get(), __builtin_bswap32(ssrc.value));
}

void LibSrtp::forget_outbound(rtp::Ssrc ssrc) noexcept {
  srtp_remove_stream(outbound_.get(), __builtin_bswap32(ssrc.value));
}

}  // namespace parley::server
