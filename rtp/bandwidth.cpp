#include "rtp/bandwidth.h"

#include <algorithm>

namespace parley::rtp {
namespace {

constexpr double kBoundUs = 30'000;      // a queue that stands longer is too much
constexpr double kMaxBoundUs = 400'000;  // beside another's flow
constexpr double kDeepUs = 100'000;      // and one so long even if it does not grow
constexpr Duration kLevel{12'000};       // within which it stands still
constexpr Duration kLongEnough{1'500'000};
constexpr double kBoundUp = 0.25;  // of the way to the queue, per second
constexpr double kBoundDown = 0.5;
constexpr std::int64_t kWaitedUs = 3'000;         // later than the fastest: it stood in a queue
constexpr std::int64_t kHeadroomUs = 10'000'000;  // for what comes before the first
constexpr std::int64_t kMaxGapUs = 500'000;
constexpr std::int64_t kLongBeforeUs = 1'000'000;  // loss() looks back no further
constexpr std::int64_t kStandingUs = 120'000;
constexpr std::int64_t kThroughUs = 160'000;
constexpr std::int64_t kBurstsUs = 300'000;
constexpr std::int64_t kPassedUs = 60'000;
constexpr std::int64_t kMinPassedUs = 45'000;
constexpr std::int64_t kPassedEnds = 8;
constexpr std::int64_t kMinWaitedUs = 12'000;
constexpr std::int64_t kMinWaited = 6;
constexpr std::uint32_t kLeastBytes = 150;  // of a packet of sound
constexpr double kHaste = 0.8;              // of the way to what was measured, at once
constexpr double kMargin = 0.97;            // of what was measured
constexpr double kBeyondDoubt = 2;          // standard errors
constexpr double kFallPerSecond = 1.5;      // of it, at most
constexpr double kMostScatter = 0.05;       // of one look: a change that was seen late is none
constexpr double kScatterSeconds = 4;
constexpr Duration kScatterGap{300'000};
constexpr double kDoubtByScatter = 8;
constexpr double kNotFull = 0.9;
constexpr Duration kOthersLong{300'000};
constexpr double kTolerableUs = 100'000;
constexpr double kDrainUs = 300'000;
constexpr Duration kLossInterval{500'000};
constexpr Duration kLossIsOfQueue{1'000'000};  // the time that loss() looks back
constexpr double kHeavyLoss = 0.25;
constexpr double kAmple = 2;  // times what is wanted
constexpr Duration kNoQueue{5'000};
constexpr Duration kLookEvery{1'000'000};
constexpr double kSomeChance = 0.01;
constexpr double kMostMadeGood = 0.18;  // chance makes single seconds look worse than they were
constexpr double kChanceSeconds = 2;

// More may be sent than comes through: what is lost has taken no room, or it has and would have
// come through as well.
double made_good(double lost) noexcept {
  return 1.0 + std::min(lost / (1.0 - lost), kMostMadeGood);
}

double rate_of(std::int64_t bytes, std::int64_t us) noexcept {
  return static_cast<double>(bytes) * 8e6 / static_cast<double>(us);
}

}  // namespace

Bitrate BandwidthEstimator::target() const noexcept {
  double target = estimate_;
  if (overused_) {
    const double over = static_cast<double>(standing_.count()) - bound_us_ - kTolerableUs;
    target *= std::clamp(1.0 - over / kDrainUs, 0.0, 1.0);
  }
  return Bitrate{static_cast<std::int64_t>(target)};
}

void BandwidthEstimator::advance_to(std::int64_t number) noexcept {
  for (newest_bucket_ = std::max(newest_bucket_, number - kBuckets); newest_bucket_ < number;) {
    Bucket& oldest = bucket_at(++newest_bucket_);
    received_ -= oldest.received;
    lost_ -= oldest.lost;
    oldest = {};
  }
}

std::int64_t BandwidthEstimator::base_us() const noexcept {
  return std::min(least_us_, least_before_us_);
}

void BandwidthEstimator::note_delay(std::int64_t delay_us, std::int64_t at_us) noexcept {
  if (at_us >= epoch_ends_us_) {
    // After a long pause nothing of before is worth anything.
    least_before_us_ = at_us < epoch_ends_us_ + kEpochUs ? least_us_ : delay_us;
    least_us_ = delay_us;
    epoch_ends_us_ = (at_us / kEpochUs + 1) * kEpochUs;
  }
  least_us_ = std::min(least_us_, delay_us);
}

void BandwidthEstimator::begin_again() noexcept {
  const auto remb = remb_;
  const auto demand = demand_;
  *this = BandwidthEstimator();
  remb_ = remb;
  demand_ = demand;
}

void BandwidthEstimator::begin(const PacketResult& first) noexcept {
  started_ = true;
  origin_us_ = first.arrived->count() - kHeadroomUs;
  last_arrival_us_ = newest_us_ = kHeadroomUs;
  epoch_ends_us_ = (kHeadroomUs / kEpochUs + 1) * kEpochUs;
  least_us_ = least_before_us_ = kHeadroomUs - first.sent.time_since_epoch().count();
}

void BandwidthEstimator::Bucket::add(std::uint32_t size, std::int64_t late_us,
                                     std::int64_t at_us) noexcept {
  const auto least_us = static_cast<std::int32_t>(std::min<std::int64_t>(late_us, kEpochUs));
  const auto within_us = static_cast<std::uint16_t>(at_us);
  if (received == 0) {
    queue_us = least_us;
    first_bytes = static_cast<std::uint16_t>(size);
    first_us = within_us;
  }
  queue_us = std::min(queue_us, least_us);
  last_us = std::max(last_us, within_us);
  bytes += size;
  ++received;
}

// What was lost counts where the next one came.
void BandwidthEstimator::add_lost(Bucket& bucket) noexcept {
  const std::uint32_t room = kFullBucket - bucket.lost;
  const auto lost = static_cast<std::uint16_t>(std::min(room, pending_lost_));
  bucket.lost = static_cast<std::uint16_t>(bucket.lost + lost);
  lost_ += lost;
  pending_lost_ = 0;
}

// What was lost long before the next packet was sent is told of only with that one, and says
// nothing of the way as it is then.
void BandwidthEstimator::forget_lost_before(std::int64_t sent_us) noexcept {
  if (sent_us - last_lost_us_ > kLongBeforeUs) pending_lost_ = 0;
}

// In the order of sending. What was lost while nothing came counts for nothing.
void BandwidthEstimator::on_arrivals(std::span<const PacketResult> results,
                                     bool losses_count) noexcept {
  Bucket* bucket = nullptr;     // most packets come into the bucket of the one before them
  std::int64_t begins_us = -1;  // of the bucket
  for (const PacketResult& result : results) {
    if (!result.arrived) {
      forget_lost_before(result.sent.time_since_epoch().count());
      pending_lost_ += losses_count ? 1 : 0;
      last_lost_us_ = result.sent.time_since_epoch().count();
      continue;
    }
    if (!started_) begin(result);
    const std::int64_t sent_us = result.sent.time_since_epoch().count();
    const std::int64_t arrived_us = result.arrived->count() - origin_us_;
    const std::int64_t delay_us = arrived_us - sent_us;
    newest_us_ = std::max(newest_us_, arrived_us);
    note_delay(delay_us, newest_us_);
    model_.on_packet(sent_us, result.bytes, delay_us);
    const std::int64_t placed_us = std::max<std::int64_t>(arrived_us, 0);
    if (bucket == nullptr || placed_us < begins_us || placed_us >= begins_us + kBucketUs) {
      const std::int64_t number = placed_us / kBucketUs;
      advance_to(number);
      bucket = number > newest_bucket_ - kBuckets ? &bucket_at(number) : nullptr;
      begins_us = number * kBucketUs;
    }
    if (bucket == nullptr) continue;  // it was very late
    // No clock of an honest receiver stands still so long.
    if (bucket->received == kFullBucket) continue;
    const std::int64_t queue_us = delay_us - base_us();
    bucket->add(result.bytes, queue_us, placed_us - begins_us);
    ++received_;
    forget_lost_before(sent_us);
    if (pending_lost_ > 0) add_lost(*bucket);
    // What overtook others says nothing of the queue.
    const std::int64_t gap_us = arrived_us - last_arrival_us_;
    if (gap_us < 0) continue;
    last_arrival_us_ = arrived_us;
    if (queue_us < kWaitedUs || gap_us > kMaxGapUs) continue;
    // The smallest packet took its time as well: it is in every delay, so in the least too.
    const std::int64_t late_us = queue_us + on_link_us(kLeastBytes);
    // On time, to an idle link.
    if (late_us < gap_us && late_us < on_link_us(result.bytes)) continue;
    ++bucket->waited;
    bucket->waited_bytes += result.bytes;
    bucket->waited_us += static_cast<std::uint32_t>(std::min(gap_us, late_us));
  }
}

std::int64_t BandwidthEstimator::on_link_us(std::uint32_t bytes) const noexcept {
  return static_cast<std::int64_t>(static_cast<double>(bytes) * 8e6 / estimate_);
}

BandwidthEstimator::Window BandwidthEstimator::window(std::int64_t span_us,
                                                      std::int64_t ago) const noexcept {
  Window sum;
  const std::int64_t last = newest_bucket_ - ago;
  std::int64_t oldest = -1;
  std::int64_t newest_us = 0;
  std::int64_t oldest_us = 0;
  std::int64_t oldest_bytes = 0;
  for (std::int64_t n = std::max<std::int64_t>(last - span_us / kBucketUs + 1, 0); n <= last; ++n) {
    const Bucket& bucket = buckets_[static_cast<std::size_t>(n % kBuckets)];
    if (bucket.received == 0) continue;
    if (oldest < 0) {
      oldest = n;
      oldest_us = n * kBucketUs + bucket.first_us;
      oldest_bytes = bucket.first_bytes;
      sum.queue_us = bucket.queue_us;
    }
    sum.bytes += bucket.bytes;
    sum.waited_bytes += bucket.waited_bytes;
    sum.waited_us += bucket.waited_us;
    sum.waited += bucket.waited;
    sum.received += bucket.received;
    sum.queue_us = std::min<std::int64_t>(sum.queue_us, bucket.queue_us);
    newest_us = n * kBucketUs + bucket.last_us;
  }
  sum.queue_us = std::max<std::int64_t>(sum.queue_us, 0);
  sum.span_us = newest_us - oldest_us;
  if (sum.span_us > 0) {
    sum.rate = rate_of(sum.bytes - oldest_bytes, sum.span_us);
  }
  return sum;
}

void BandwidthEstimator::on_feedback(Time now, std::span<const PacketResult> results) noexcept {
  const bool any = std::any_of(results.begin(), results.end(),
                               [](const PacketResult& one) { return one.arrived.has_value(); });
  const bool back = lost_touch_ && any;
  if (back) begin_again();
  on_arrivals(results, !back);
  if (!any) return;
  const Window recent = window(kStandingUs);
  loss_ = static_cast<double>(lost_) /
          static_cast<double>(std::max<std::int64_t>(1, lost_ + received_));
  standing_ = Duration(recent.received >= 3 ? recent.queue_us : 0);
  adapt_bound(now);
  ample_ = is_ample() && now - last_look_ < kLookEvery;
  const auto fit = ample_ ? std::nullopt : model_.fit();
  look_at_queue(now, fit);
  congested_ = overused_ || loss_ > kHeavyLoss;
  note_chance(now, fit);
  known_ = fit && loss_ <= kHeavyLoss;
  if (known_) follow(now, *fit);
  measured_ = measured_ || congested_ || known_;
  if (congested_) {
    fall(now);
  } else if (!known_ && !ample_) {
    rise(now);
  }
  if (remb_ && now > remb_->until) remb_.reset();
  if (remb_) estimate_ = std::min(estimate_, static_cast<double>(remb_->bound.value));
  last_update_ = now;
  if (!ample_) last_look_ = now;
}

bool BandwidthEstimator::is_ample() const noexcept {
  const double shown = estimate_ > static_cast<double>(kStart.value) ? estimate_ : 0;
  return demand_ && shown > static_cast<double>(demand_->value) * kAmple && standing_ < kNoQueue;
}

void BandwidthEstimator::look_at_queue(Time now,
                                       const std::optional<LinkModel::Fit>& fit) noexcept {
  if (standing_ > level_ + kLevel || standing_ < level_ - kLevel) {
    growing_ = standing_ > level_ ? growing_ + 1 : 0;
    level_ = standing_;
    level_since_ = now;
  }
  const double queue = static_cast<double>(standing_.count());
  overused_ = queue > bound_us_ && (growing_ >= 2 || queue > kDeepUs);
  const bool others = fit && fit->load < kNotFull;
  const Duration long_enough = others ? kOthersLong : kLongEnough;
  if (queue > bound_us_ && now - level_since_ >= long_enough) take_for_the_way();
}

void BandwidthEstimator::note_chance(Time now, const std::optional<LinkModel::Fit>& fit) noexcept {
  if (standing_ >= kNoQueue || (fit && fit->load >= kNotFull)) last_full_ = now;
  if (now - last_full_ <= kLossIsOfQueue) return;
  const double passed = std::min(0.2, std::chrono::duration<double>(now - last_update_).count());
  chance_ += (loss_ - chance_) * std::min(1.0, passed / kChanceSeconds);
}

void BandwidthEstimator::take_for_the_way() noexcept {
  least_us_ += standing_.count();
  least_before_us_ = least_us_;
  standing_ = level_ = Duration(0);
  growing_ = 0;
  overused_ = false;
}

// A link that changes goes one way for some looks; what goes to and fro is jitter, of which the
// model's own doubt knows too little. After a pause the link may have gone any way, which tells
// nothing.
void BandwidthEstimator::note_scatter(Time now, double rate) noexcept {
  const Duration passed = now - said_.at;
  const bool paused = passed > kScatterGap;
  const double step = paused ? 0 : rate / said_.rate - 1;
  const bool turned = step * said_.step < 0;
  const double back = turned ? std::min({std::abs(step), std::abs(said_.step), kMostScatter}) : 0;
  const double seconds = std::chrono::duration<double>(std::min(passed, kScatterGap)).count();
  scatter_ += (back - scatter_) * std::min(1.0, seconds / kScatterSeconds);
  said_ = {now, rate, step};
}

// To the nearest rate that the model does not rule out, the slower the less it is sure. Jitter
// makes links look slower than they are, too, and now and then much slower for a look or two: what
// really falls at once is seen by its queue.
void BandwidthEstimator::follow(Time now, const LinkModel::Fit& fit) noexcept {
  const double passed = std::min(0.3, std::chrono::duration<double>(now - last_look_).count());
  // What is lost before the link takes no room there, behind it it does; nobody can tell which.
  const double rate = fit.rate * kMargin * made_good(lost_by_chance() / 2);
  note_scatter(now, fit.rate);
  const double doubt = std::max(fit.doubt, scatter_ * kDoubtByScatter);
  const double nearest = std::clamp(estimate_, rate, rate * (1 + doubt * kBeyondDoubt));
  estimate_ += (std::max(nearest, estimate_ * (1 - passed * kFallPerSecond)) - estimate_) *
               std::min(1.0, LinkModel::kSure / doubt);
  estimate_ =
      std::clamp(estimate_, static_cast<double>(kMin.value), static_cast<double>(kMax.value));
}

// Slowly towards a queue that does not go, and back.
void BandwidthEstimator::adapt_bound(Time now) noexcept {
  if (bound_us_ == 0) bound_us_ = kBoundUs;
  const double passed = std::min(0.2, std::chrono::duration<double>(now - last_update_).count());
  const double queue = static_cast<double>(standing_.count());
  const double speed = queue > bound_us_ ? kBoundUp : kBoundDown;
  bound_us_ += (std::min(queue, kMaxBoundUs) - bound_us_) * speed * passed;
  bound_us_ = std::max(bound_us_, kBoundUs);
}

// To what came through while the link was never idle.
void BandwidthEstimator::fall(Time now) noexcept {
  double rate = estimate_;
  if (overused_) {
    const Window through = window(kThroughUs);
    rate = through.waited_us > kMinWaitedUs ? rate_of(through.waited_bytes, through.waited_us)
                                            : through.rate;
    rate *= kMargin;
    last_overuse_ = now;
  } else if (now - last_overuse_ > kLossIsOfQueue && now - last_fall_ > kLossInterval) {
    rate = estimate_ * (1.0 - loss_ / 2);
    last_fall_ = now;
  }
  estimate_ = std::clamp(std::min(estimate_, rate), static_cast<double>(kMin.value),
                         static_cast<double>(kMax.value));
}

void BandwidthEstimator::rise(Time now) noexcept {
  const Window bursts = window(kBurstsUs);
  double shown = 0;
  if (bursts.waited >= kMinWaited && bursts.waited_us >= kMinWaitedUs) {
    shown = rate_of(bursts.waited_bytes, bursts.waited_us);
  }
  for (std::int64_t ago = 0; ago < kPassedEnds; ++ago) {
    const Window passed = window(kPassedUs, ago);
    if (passed.span_us >= kMinPassedUs) shown = std::max(shown, passed.rate);
  }
  // A second that looks worse than chance is made of chance, too, where there is some; what a full
  // queue lost is no chance.
  const bool of_queue = now - last_full_ <= kLossIsOfQueue;
  shown *= kMargin * made_good(chance_ > kSomeChance || of_queue ? lost_by_chance() : loss_);
  if (shown > estimate_) {
    estimate_ = std::min(estimate_ + (shown - estimate_) * kHaste, static_cast<double>(kMax.value));
  }
}

void BandwidthEstimator::on_remb(Time now, Bitrate bitrate) noexcept {
  const Bitrate bound{std::clamp(bitrate.value, kMin.value, kMax.value)};
  remb_ = {bound, now + kRembHolds};
  estimate_ = std::min(estimate_, static_cast<double>(bound.value));
}

void BandwidthEstimator::on_idle(Time now) noexcept {
  constexpr Duration kLong{1'500'000};
  if (!started_ || now - last_update_ < kLong) return;
  standing_ = Duration(0);
  growing_ = 0;
  overused_ = congested_ = known_ = measured_ = false;
}

void BandwidthEstimator::on_silence(Time now, Time oldest_unanswered) noexcept {
  // A long round trip and the quarter of a second that browsers take at most are no silence.
  constexpr Duration kPatience{1'500'000};
  constexpr Duration kAgain{700'000};
  constexpr Duration kLost{3'000'000};
  if (now - oldest_unanswered > kLost) lost_touch_ = true;
  if (now - oldest_unanswered < kPatience || now - last_fall_ < kAgain) return;
  last_fall_ = now;
  congested_ = measured_ = true;
  estimate_ = std::max(estimate_ / 2, static_cast<double>(kMin.value));
}

}  // namespace parley::rtp
