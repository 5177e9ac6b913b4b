#include "server/counters.h"

namespace parley::server {

void DurationHistogram::add(rtp::Duration took) noexcept {
  const auto us = took.count() > 0 ? static_cast<std::uint64_t>(took.count()) : 0;
  std::size_t bucket = 0;
  while (bucket + 1 < kBuckets && us > (std::uint64_t{16} << bucket)) ++bucket;
  buckets_[bucket].add();
  sum_us_.add(us);
}

std::string_view name_of(Drop drop) noexcept {
  switch (drop) {
    case Drop::PoolEmpty:
      return "pool_empty";
    case Drop::UnknownKind:
      return "unknown_kind";
    case Drop::UnknownAddress:
      return "unknown_address";
    case Drop::BadStun:
      return "bad_stun";
    case Drop::UnknownUfrag:
      return "unknown_ufrag";
    case Drop::StunAuth:
      return "stun_auth";
    case Drop::Dtls:
      return "dtls";
    case Drop::NotReady:
      return "not_ready";
    case Drop::SrtpAuth:
      return "srtp_auth";
    case Drop::SrtpReplay:
      return "srtp_replay";
    case Drop::SrtpOther:
      return "srtp_other";
    case Drop::BadRtp:
      return "bad_rtp";
    case Drop::BadRtcp:
      return "bad_rtcp";
    case Drop::UnknownSsrc:
      return "unknown_ssrc";
    case Drop::TooManySsrcs:
      return "too_many_ssrcs";
    case Drop::UnknownPayloadType:
      return "unknown_payload_type";
    case Drop::Duplicate:
      return "duplicate";
    case Drop::PaddingOnly:
      return "padding_only";
    case Drop::BadRtx:
      return "bad_rtx";
    case Drop::TooOld:
      return "too_old";
    case Drop::EgressFull:
      return "egress_full";
    case Drop::TooLarge:
      return "too_large";
    case Drop::NoCodec:
      return "no_codec";
    case Drop::SealFailed:
      return "seal_failed";
    case Drop::NotRoutable:
      return "not_routable";
    case Drop::SendAgain:
      return "send_again";
    case Drop::SendError:
      return "send_error";
    case Drop::TcpFull:
      return "tcp_full";
    case Drop::TcpClosed:
      return "tcp_closed";
    case Drop::TcpStranger:
      return "tcp_stranger";
    case Drop::HistoryGone:
      return "history_gone";
    case Drop::RtxNeedless:
      return "rtx_needless";
    case Drop::RtxLimit:
      return "rtx_limit";
    case Drop::TapFull:
      return "tap_full";
    case Drop::RelayFull:
      return "relay_full";
    case Drop::Data:
      return "data";
    case Drop::Count_:
      break;
  }
  return "unknown";
}

}  // namespace parley::server
