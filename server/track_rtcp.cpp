#include <algorithm>
#include <array>
#include <span>
#include <tuple>

#include "rtp/sent_log.h"
#include "server/subscription.h"
#include "server/tap_subscription.h"
#include "server/track.h"

// What a track's publisher says of it by RTCP, and what he is told and asked for.
namespace parley::server {
namespace {

rtp::ReportBlock block_of(rtp::Ssrc ssrc, const rtp::ReceiveStream::Report& report) {
  rtp::ReportBlock block;
  block.ssrc = ssrc;
  block.fraction_lost = report.fraction_lost;
  block.cumulative_lost = report.cumulative_lost;
  block.highest_seq = report.highest_seq;
  block.jitter = report.jitter;
  block.last_sender_report = report.last_sr;
  block.delay_since_last = report.delay_since_last_sr;
  return block;
}

}  // namespace

void Track::on_sender_report(rtp::Time now, rtp::Ssrc ssrc, rtp::NtpTime ntp,
                             rtp::RtpTimestamp timestamp) {
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    Encoding& e = encodings_[i];
    if (e.ssrc == ssrc) {
      e.receive.on_sender_report(ntp, now);
      e.clock.on_sender_report(ntp, timestamp);
      for (auto& tap : taps_) tap->on_sender_report(now, source(i), ntp, timestamp);
    } else if (e.rtx_ssrc == ssrc) {
      e.rtx_receive.on_sender_report(ntp, now);
    }
  }
}

void Track::on_bye(rtp::Time now, rtp::Ssrc ssrc) {
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    if (encodings_[i].ssrc != ssrc) continue;
    encodings_[i].activity.on_end();
    for (const RelayEnd& end : relays_) {
      // One that does not cross is noticed there by the silence.
      std::ignore =
          end.relay->push({.kind = Relay::Kind::Paused, .encoding = static_cast<std::uint8_t>(i)});
      context_.wake(end.relay->to());
    }
  }
  for (Subscription* subscription : subscriptions_) subscription->tick(now);
  for (auto& tap : taps_) tap->tick(now);
}

void Track::tick(rtp::Time now, std::optional<rtp::Duration> rtt, RtcpBatch& rtcp) {
  for (auto& tap : taps_) tap->tick(now);
  for (Encoding& e : encodings_) {
    if (!e.ssrc || !e.nack_negotiated) continue;
    // Who is sent nothing has told no round trip; what was asked of him shows it.
    const auto known = rtt ? rtt : e.nack.rtt();
    ask_missing(now, known.value_or(rtp::SentLog::kDefaultRtt), e, rtcp);
    if (e.nack.take_key_frame_wanted() && !subscriptions_.empty()) {
      e.holed = true;
      e.gate.want();
    }
  }
  ask_key_frames(now, &rtcp);
}

void Track::tick_mirror(rtp::Time now) { ask_key_frames(now, nullptr); }

void Track::ask_missing(rtp::Time now, rtp::Duration rtt, Encoding& e, RtcpBatch& rtcp) {
  std::array<rtp::Seq, rtp::NackTracker::kMaxMissing> missing;
  const std::size_t count = e.nack.collect(now, rtt, missing);
  if (count > 0) {
    const std::span<const rtp::Seq> asked(missing.data(), count);
    const bool sent =
        rtcp.add([&](rtp::RtcpWriter& out) { return out.nack(rtcp.sender(), *e.ssrc, asked); });
    if (sent) context_.counters.nacks_out.add(count);
  }
  if (const auto at = e.nack.next_deadline()) alarm_.set(*at);
}

void Track::ask_key_frames(rtp::Time now, RtcpBatch* rtcp) {
  for (std::size_t i = 0; i < encodings_.size(); ++i) {
    Encoding& e = encodings_[i];
    if (!e.gate.wanted()) continue;
    // Who waited may have gone, or found another layer.
    if (!reachable(e) || !(e.holed || waited_for(i))) {
      e.gate.cancel();
      continue;
    }
    if (e.gate.poll(now)) {
      if (origin_ != nullptr) {
        origin_->want_key_frame(i);
        context_.wake(origin_->from());
      } else {
        rtcp->add([&](rtp::RtcpWriter& out) { return out.pli(rtcp->sender(), *e.ssrc); });
        context_.counters.plis_out.add();
      }
    }
    if (const auto at = e.gate.next_deadline()) alarm_.set(*at);
  }
}

bool Track::waited_for(std::size_t encoding) const noexcept {
  const rtp::Source wanted = source(encoding);
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [&](const Subscription* s) { return s->waits_for(wanted); }) ||
         std::any_of(taps_.begin(), taps_.end(),
                     [&](const auto& tap) { return tap->waits_for(wanted); }) ||
         std::any_of(relays_.begin(), relays_.end(), [&](const RelayEnd& end) {
           return end.relay->watched() && (end.waits & bit(encoding)) != 0;
         });
}

void Track::want_key_frame(std::size_t encoding) noexcept {
  if (encoding >= encodings_.size() || muted_) return;
  Encoding& e = encodings_[encoding];
  if (!reachable(e) || !e.video) return;
  e.gate.want();
  if (const auto at = e.gate.next_deadline()) alarm_.set(*at);
}

void Track::collect_reports(rtp::Time now, std::vector<rtp::ReportBlock>& blocks) {
  for (Encoding& e : encodings_) {
    if (e.ssrc) {
      if (const auto report = e.receive.take_report(now)) {
        blocks.push_back(block_of(*e.ssrc, *report));
      }
    }
    if (e.rtx_ssrc) {
      if (const auto report = e.rtx_receive.take_report(now)) {
        blocks.push_back(block_of(*e.rtx_ssrc, *report));
      }
    }
  }
}

}  // namespace parley::server
