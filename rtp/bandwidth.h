#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/link_model.h"
#include "rtp/types.h"

namespace parley::rtp {

// A packet that was sent, as the receiver's transport-wide feedback tells of it.
struct PacketResult {
  Time sent{};
  std::optional<Duration> arrived;  // on the receiver's clock, unwrapped; nothing: it was lost
  std::uint32_t bytes = 0;          // on the wire
  // What it carried, as told to TransportLog::on_sent; 0 when its loss was told before.
  Ssrc ssrc{};
  Seq seq{};
};

// How much the way to one receiver carries, measured and never guessed: the estimate is what has
// been seen to pass. Four things are read from the arrival times.
//
// The link (LinkModel), where packets wait for one another though it is not full. Then nothing else
// is needed, but for what happens at once: the estimate follows it both ways.
//
// The queue. How much later a packet came than the fastest of late did is the time it stood in
// queues. Bursts (a key frame) make a queue that drains; only one that never empties within a
// window means that more is sent than passes (as CoDel sees it, RFC 8289). Then the estimate
// falls at once to what came through, and until the queue is gone target() asks for less still.
//
// The rate of bursts. Media is not paced, so a picture of several packets comes to the narrowest
// link at once and leaves it one by one: the packets that waited were apart by the link's own pace.
// So ordinary pictures show how much more would pass, without any probing. The first of them may
// have come to an idle link: of the time before it, no more counts than it was late.
//
// What passed. A stretch that came through as fast as it was sent, with no queue behind it, has
// shown that rate: this is how probes raise the estimate where bursts are too small to queue.
//
// Loss counts only when it is too much for chance and errors on the way, and not once more where a
// queue that was full has shown it. A queue that neither grows nor shrinks is none of ours: the way
// has become longer, or somebody else's flow fills it. After a while it is taken for the way's own
// length, and soon where the model shows that the link is not full.
class BandwidthEstimator {
 public:
  static constexpr Bitrate kStart{500'000};
  static constexpr Bitrate kMin{30'000};
  static constexpr Bitrate kMax{100'000'000};

  // One feedback: what it tells, in the order of the transport-wide numbers.
  void on_feedback(Time now, std::span<const PacketResult> results) noexcept;
  // A receiver's own word (REMB) beside his feedback: a bound, for as long as he repeats it.
  static constexpr Duration kRembHolds{5'000'000};
  void on_remb(Time now, Bitrate bitrate) noexcept;
  // What all takes that is wanted; nothing while more is wanted than is sent. A link that has shown
  // several times as much is looked at once a second, as long as nothing stands in a queue.
  void set_demand(std::optional<Bitrate> all) noexcept { demand_ = all; }
  // Now and then: when feedback does not come though packets were sent, the way may be shut. Who
  // is heard again after long comes perhaps by another way, of which nothing is known.
  void on_silence(Time now, Time oldest_unanswered) noexcept;
  // Now and then while all that was sent is answered. When nothing is sent for long, as after the
  // last picture was given up, its queue has drained and the way may have grown: what was known of
  // it holds nothing back any more.
  void on_idle(Time now) noexcept;

  [[nodiscard]] Bitrate estimate() const noexcept {
    return Bitrate{static_cast<std::int64_t>(estimate_)};
  }
  // What may be sent now: less than the estimate while a queue has to drain.
  [[nodiscard]] Bitrate target() const noexcept;
  // That stands and does not drain.
  [[nodiscard]] Duration queue() const noexcept { return standing_; }
  [[nodiscard]] bool overused() const noexcept { return overused_; }
  // More is sent than passes, whatever shows it: the estimate has come down.
  [[nodiscard]] bool congested() const noexcept { return congested_; }
  // The estimate is what the link carries and no more, so there is nothing to be tried.
  [[nodiscard]] bool known() const noexcept { return known_; }
  // It was once.
  [[nodiscard]] bool measured() const noexcept { return measured_; }
  // So much more than the demand has come through that it is looked at once a second.
  [[nodiscard]] bool ample() const noexcept { return ample_; }
  [[nodiscard]] double loss() const noexcept { return loss_; }  // of late, 0 to 1
  // Of it, what is lost however little is sent.
  [[nodiscard]] double lost_by_chance() const noexcept { return std::min(loss_, chance_); }

 private:
  // What arrived within 20 ms of the receiver's clock. Two to a line of the cache: of hundreds of
  // receivers each feedback finds them cold.
  struct Bucket {
    std::uint32_t bytes = 0;
    std::uint32_t waited_bytes = 0;  // of packets that stood in a queue
    std::uint32_t waited_us = 0;     // the time that they took to leave it
    std::int32_t queue_us = 0;       // least
    std::uint16_t waited = 0;        // packets
    std::uint16_t received = 0;
    std::uint16_t lost = 0;
    std::uint16_t first_bytes = 0;
    std::uint16_t first_us = 0;  // within the bucket
    std::uint16_t last_us = 0;
    void add(std::uint32_t size, std::int64_t late_us, std::int64_t at_us) noexcept;
  };
  static constexpr std::uint16_t kFullBucket = 0xFFFF;
  static constexpr std::int64_t kBucketUs = 20'000;
  static constexpr std::int64_t kBuckets = 50;

  struct Window {
    std::int64_t bytes = 0;
    std::int64_t waited_bytes = 0;
    std::int64_t waited_us = 0;
    std::int64_t waited = 0;
    std::int64_t received = 0;
    std::int64_t queue_us = 0;  // least
    // Bits per second from the first arrival to the last: the first packet itself took its time
    // before that.
    double rate = 0;
    std::int64_t span_us = 0;
  };

  void begin_again() noexcept;
  void begin(const PacketResult& first) noexcept;
  void on_arrivals(std::span<const PacketResult> results, bool losses_count) noexcept;
  void add_lost(Bucket& bucket) noexcept;
  void forget_lost_before(std::int64_t sent_us) noexcept;
  // Those up to this one begin empty.
  void advance_to(std::int64_t number) noexcept;
  [[nodiscard]] Bucket& bucket_at(std::int64_t number) noexcept {
    return buckets_[static_cast<std::size_t>(number % kBuckets)];
  }
  [[nodiscard]] Window window(std::int64_t span_us, std::int64_t ago = 0) const noexcept;
  [[nodiscard]] std::int64_t base_us() const noexcept;
  // How long so many bytes take at the estimate.
  [[nodiscard]] std::int64_t on_link_us(std::uint32_t bytes) const noexcept;
  void note_delay(std::int64_t delay_us, std::int64_t at_us) noexcept;
  [[nodiscard]] bool is_ample() const noexcept;
  void look_at_queue(Time now, const std::optional<LinkModel::Fit>& fit) noexcept;
  void take_for_the_way() noexcept;
  void adapt_bound(Time now) noexcept;
  void follow(Time now, const LinkModel::Fit& fit) noexcept;
  void note_scatter(Time now, double rate) noexcept;
  void fall(Time now) noexcept;
  void rise(Time now) noexcept;
  void note_chance(Time now, const std::optional<LinkModel::Fit>& fit) noexcept;

  std::int64_t newest_bucket_ = 0;
  std::int64_t received_ = 0;  // in all buckets
  std::int64_t lost_ = 0;
  std::int64_t origin_us_ = 0;  // of all times of arrival
  std::int64_t newest_us_ = 0;
  bool started_ = false;
  std::int64_t last_arrival_us_ = 0;
  std::uint32_t pending_lost_ = 0;
  std::int64_t last_lost_us_ = 0;  // when the last of them was sent

  // The least delay of the last quarter minutes.
  static constexpr std::int64_t kEpochUs = 15'000'000;
  std::int64_t epoch_ends_us_ = 0;
  std::int64_t least_us_ = 0;
  std::int64_t least_before_us_ = 0;

  double estimate_ = static_cast<double>(kStart.value);
  std::optional<Bitrate> demand_;
  bool ample_ = false;  // far more passes than that
  Time last_look_{};    // whether it still does
  Duration standing_{0};
  int growing_ = 0;    // feedbacks in a row
  Duration level_{0};  // around which it stands
  Time level_since_{};
  double bound_us_ = 0;  // of the standing queue
  bool overused_ = false;
  bool congested_ = false;
  bool known_ = false;
  bool measured_ = false;
  struct Said {  // by the model, last
    Time at{};
    double rate = 0;
    double step = 0;  // how much more than before, as a share
  } said_;
  double scatter_ = 0;  // the share by which one look takes back the last, on average
  double loss_ = 0;
  double chance_ = 0;  // that something is lost on a link that is not full
  bool lost_touch_ = false;
  Time last_update_{};
  Time last_fall_{};  // for loss
  Time last_overuse_{};
  Time last_full_{};
  struct Remb {
    Bitrate bound;
    Time until;
  };
  std::optional<Remb> remb_;

  std::array<Bucket, static_cast<std::size_t>(kBuckets)> buckets_{};
  LinkModel model_;
};

}  // namespace parley::rtp
