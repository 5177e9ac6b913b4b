#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <variant>

#include "rtp/rtcp_reader.h"
#include "server/peer.h"

// What a peer says of media by RTCP, and what he is told.
namespace parley::server {
namespace {

using std::chrono::milliseconds;

constexpr rtp::Duration kReportInterval{1'000'000};
constexpr rtp::Duration kMaxRtt{10'000'000};
constexpr std::size_t kMaxNacked = 256;  // numbers taken from one NACK message

}  // namespace

void Peer::on_rtcp(rtp::Time now, rtp::ConstBytes datagram) {
  rtp::RtcpReader reader(datagram);
  while (const auto message = reader.next()) {
    std::visit([&](const auto& m) { on_message(now, m); }, *message);
  }
  context_.counters.drop(Drop::BadRtcp, reader.malformed());
}

void Peer::on_message(rtp::Time now, const rtp::SenderReport& report) {
  if (const auto* stream = ssrcs_.find(report.sender)) {
    clocks_.on_sender_report(report.ntp, now);
    stream->track->on_sender_report(now, report.sender, report.ntp, report.timestamp);
  }
  on_blocks(now, report.blocks);
}

void Peer::on_message(rtp::Time now, const rtp::ReceiverReport& report) {
  on_blocks(now, report.blocks);
}

// RFC 3550, section 6.4.1: what was lost, and the round trip from the last of our sender reports
// that arrived there.
void Peer::on_blocks(rtp::Time now, const rtp::WireList<rtp::ReportBlock>& blocks) {
  const std::uint32_t compact = rtp::compact_ntp(rtp::to_ntp(now));
  for (const rtp::ReportBlock block : blocks) {
    Subscription* const slot = slot_of(block.ssrc);
    if (slot == nullptr) continue;
    slot->on_loss(now, block.fraction_lost / 256.0);
    if (block.last_sender_report == 0) continue;
    const std::uint32_t units = compact - block.last_sender_report - block.delay_since_last;
    const rtp::Duration measured{static_cast<std::int64_t>(units) * 1'000'000 / 65'536};
    if (measured > kMaxRtt) continue;  // an old or made-up report; negative ones wrap to large
    rtt_ = rtt_ ? (*rtt_ * 7 + measured) / 8 : measured;
  }
}

// RFC 3550, section 6.6. Browsers say it when they stop an encoding; it may begin again.
void Peer::on_message(rtp::Time now, const rtp::Bye& bye) {
  for (const rtp::Ssrc ssrc : bye.sources) {
    if (const auto* stream = ssrcs_.find(ssrc)) stream->track->on_bye(now, ssrc);
  }
}

void Peer::on_message(rtp::Time now, const rtp::Nack& nack) {
  Subscription* slot = slot_of(nack.media);
  if (slot == nullptr) return;
  std::array<rtp::Seq, kMaxNacked> lost;
  std::size_t count = 0;
  nack.for_each_missing([&](rtp::Seq seq) {
    if (count < lost.size()) lost[count++] = seq;
  });
  context_.counters.nacks_in.add(count);
  slot->on_nack(now, std::span(lost).first(count), rtt_);
}

void Peer::on_message(rtp::Time, const rtp::Pli& pli) {
  context_.counters.plis_in.add();
  if (Subscription* slot = slot_of(pli.media)) slot->on_key_frame_request();
}

void Peer::on_message(rtp::Time, const rtp::Fir& fir) {
  context_.counters.plis_in.add();
  for (const rtp::FirItem item : fir.items) {
    if (Subscription* slot = slot_of(item.media)) slot->on_key_frame_request();
  }
}

// Of one receiver the latest counts; more of them than a browser has get no answer.
void Peer::on_message(rtp::Time now, const rtp::ReferenceTime& reference) {
  std::erase_if(references_,
                [&](const Reference& r) { return r.told.receiver == reference.receiver; });
  if (references_.size() == kMaxReferences) return context_.counters.drop(Drop::TooManySsrcs);
  references_.push_back({reference, now});
}

void Peer::send_reports(rtp::Time now, RtcpBatch& rtcp) {
  if (!next_report_ || tracks_.empty()) return;
  if (now >= *next_report_) {
    blocks_.clear();
    for (const auto& track : tracks_) track->collect_reports(now, blocks_);
    for (std::span<const rtp::ReportBlock> rest(blocks_); !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), rtp::RtcpWriter::kMaxBlocks));
      rest = rest.subspan(some.size());
      rtcp.add([&](rtp::RtcpWriter& out) { return out.receiver_report(rtcp_ssrc_, some); });
    }
    if (!blocks_.empty()) {
      rtcp.add([&](rtp::RtcpWriter& out) { return out.cname(rtcp_ssrc_, cname_); });
    }
    // Streams that begin at different times must each get their first report soon.
    next_report_ = on_grid(now + (blocks_.empty() ? kFirstReport : kReportInterval));
  }
  alarm_.set(*next_report_);
}

// RFC 3611, section 4.5: so a browser that sends nothing learns its round trip, by which it decides
// when to ask for a lost packet again.
void Peer::answer_references(rtp::Time now, RtcpBatch& rtcp) {
  if (references_.empty()) return;
  std::array<rtp::ReferenceDelay, kMaxReferences> delays;
  std::size_t count = 0;
  for (const Reference& reference : references_) {
    const std::int64_t waited = (now - reference.arrival).count() * 65'536 / 1'000'000;
    delays[count++] = {reference.told.receiver, rtp::compact_ntp(reference.told.ntp),
                       static_cast<std::uint32_t>(waited)};
  }
  references_.clear();
  rtcp.add([&](rtp::RtcpWriter& out) {
    return out.reference_delays(rtcp_ssrc_, std::span(delays).first(count));
  });
}

rtp::Time Peer::feedback_due() const noexcept {
  return on_grid(last_feedback_ + milliseconds(context_.media.feedback_interval_ms));
}

void Peer::send_feedback(rtp::Time now, RtcpBatch& rtcp) {
  if (!arrivals_ || !arrivals_->pending()) return;
  const rtp::Time due = feedback_due();
  if (now < due) return alarm_.set(due);
  last_feedback_ = now;
  // More than one packet only after a long pause; the limit is against our own mistakes.
  for (int i = 0; i < 8 && arrivals_->pending(); ++i) {
    const bool sent = rtcp.add([&](rtp::RtcpWriter& out) {
      const std::size_t size = arrivals_->build(rtcp_ssrc_, last_media_ssrc_, out.room());
      out.advance(size);
      return size > 0;
    });
    if (!sent) break;
  }
}

}  // namespace parley::server
