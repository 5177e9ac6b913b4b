#include "server/downlink.h"

#include <algorithm>

#include "rtp/sent_log.h"

namespace parley::server {
namespace {

// From the last padding of a probe to the feedback that tells of it, beyond the round trip:
// browsers send it every 50 to 250 ms, more often when there is much to tell.
constexpr rtp::Duration kFeedbackInterval{120'000};
constexpr rtp::Duration kDefaultRtt{100'000};
// From such a share of lost packets on what the link carries is read less exactly, and what is sent
// again takes some of it: to go up is then more easily a mistake.
constexpr double kLossy = 0.03;

}  // namespace

void Downlink::on_sent(rtp::Time now, std::size_t size,
                       rtp::TransportLog::Content content) noexcept {
  if (!first_sent_) first_sent_ = now;
  if (!numbers()) return told_.on_sent(now, size);  // as browsers count it
  log_.on_sent(now, size + kBelow, content);
  if (!content.is_padding()) {
    prober_.on_media(size + kBelow);
  } else {
    prober_.on_padding(size + kBelow);
  }
}

std::span<const rtp::PacketResult> Downlink::on_feedback(
    rtp::Time now, const rtp::TwccFeedback& feedback,
    std::span<rtp::PacketResult> scratch) noexcept {
  const auto results = log_.read(feedback, scratch);
  if (results.empty()) return results;
  heard_ = told_of_packets_ = true;
  estimator_.on_feedback(now, results);
  prober_.on_estimate(now, estimator_.estimate());
  if (estimator_.known()) prober_.on_known(now);
  return results;
}

void Downlink::on_remb(rtp::Time now, rtp::Bitrate word, rtp::Bitrate beside) noexcept {
  heard_ = true;
  if (numbers()) return estimator_.on_remb(now, rtp::Bitrate{word.value + beside.value});
  told_.on_word(now, word, beside);
}

void Downlink::tick(rtp::Time now) noexcept {
  if (!numbers()) return told_.tick(now);
  if (!heard_) return;
  if (const auto unanswered = log_.unanswered_since()) {
    estimator_.on_silence(now, *unanswered);
  } else {
    estimator_.on_idle(now);
  }
}

// Each that is lost is sent again until it comes, or until the budget is spent.
double Downlink::resent() const noexcept {
  constexpr double kBudget = 1.0 / rtp::SentLog::kBudgetDivisor;
  const double lost = std::min(estimator_.lost_by_chance(), 0.5);
  return std::min(lost / (1 - lost), kBudget);
}

std::optional<rtp::Way> Downlink::way(rtp::Time now) const noexcept {
  const auto patience = numbers() ? kPatience : kPatienceForEstimate;
  if (!heard_ && first_sent_ && now - *first_sent_ > patience) return std::nullopt;
  if (!numbers()) return told_.way();
  return rtp::Way{estimator_.target(),
                  estimator_.congested(),
                  estimator_.measured(),
                  estimator_.known(),
                  resent(),
                  estimator_.estimate()};
}

rtp::WayEstimate Downlink::estimate() const noexcept {
  using Basis = rtp::WayEstimate::Basis;
  if (!numbers()) return {told_.target(), Basis::Told};
  const bool sure = estimator_.known() && estimator_.loss() < kLossy;
  return {estimator_.estimate(), sure ? Basis::Known : Basis::Passed};
}

void Downlink::on_shared(rtp::Time now, const rtp::Allocation& sum,
                         std::optional<rtp::Duration> rtt) noexcept {
  if (!numbers()) return;
  complete_ = sum.complete;
  estimator_.set_demand(sum.complete ? std::optional(sum.spent) : std::nullopt);
  if (sum.raised) prober_.on_step_up(now);
  if (!heard_) return;
  if (estimator_.known()) {
    prober_.on_known(now);
    return;
  }
  prober_.consider(now, estimator_.estimate(), sum.next, sum.spent, estimator_.overused(),
                   rtt.value_or(kDefaultRtt) + kFeedbackInterval);
}

}  // namespace parley::server
