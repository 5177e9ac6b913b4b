#include "control/delivery_queue.h"

#include <algorithm>
#include <utility>

namespace parley::control {
namespace {

using std::chrono::milliseconds;

milliseconds backoff(int attempts) {
  milliseconds wait = DeliveryQueue::kFirstRetry;
  for (int i = 1; i < attempts && wait < DeliveryQueue::kLongestRetry; ++i) wait *= 2;
  return std::min(wait, DeliveryQueue::kLongestRetry);
}

}  // namespace

void DeliveryQueue::restart(std::uint64_t cursor) {
  reset();
  cursor_ = scanned_ = cursor;
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    if (!it->second.aside) {
      it = lanes_.erase(it);
      continue;
    }
    it->second.waiting.clear();
    it->second.attempts = 0;
    it->second.searched = *it->second.aside;
    ready_.push_back(it);
    ++it;
  }
}

void DeliveryQueue::replay(std::uint64_t cursor) {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    if (!it->second.aside || *it->second.aside < cursor) {
      ++it;
      continue;
    }
    changes_.push_back({it->first, std::nullopt});
    --aside_;
    it = lanes_.erase(it);  // restart() clears the lists it was in
  }
  restart(cursor);
}

void DeliveryQueue::reset() {
  ready_.clear();
  retries_.clear();
  searches_.clear();
  window_.clear();
  bytes_ = 0;
  in_flight_ = 0;
  forgive();
}

void DeliveryQueue::forgive() noexcept {
  failures_ = 0;
  pause_ = milliseconds{0};
  paused_until_ = {};
}

void DeliveryQueue::pass(std::uint64_t seq) {
  scanned_ = seq;
  advance();
}

void DeliveryQueue::take(EventRow event) {
  const auto [lane, added] = lanes_.try_emplace(lane_of(event));
  if (lane->second.aside) return pass(event.seq);  // is read again when its time comes
  scanned_ = event.seq;
  const std::size_t bytes = sizeof event + event.body.size();
  window_.push_back({event.seq, bytes, false});
  bytes_ += bytes;
  lane->second.waiting.push_back(std::move(event));
  if (added) ready_.push_back(lane);
}

const EventRow* DeliveryQueue::next(rtp::Time now) {
  const bool suspicious = failures_ >= kSuspicion;
  if (in_flight_ >= (suspicious ? 1 : kMaxInFlight) || now < paused_until_) return nullptr;
  while (!retries_.empty() && retries_.begin()->first <= now) {
    ready_.push_back(retries_.begin()->second);
    retries_.erase(retries_.begin());
  }
  while (!ready_.empty()) {
    const auto lane = ready_.front();
    ready_.pop_front();
    if (lane->second.waiting.empty()) {  // set aside
      searches_.push_back(lane);
      continue;
    }
    ++in_flight_;
    return &lane->second.waiting.front();
  }
  return nullptr;
}

void DeliveryQueue::delivered(const std::string& name, rtp::Time now) {
  const auto lane = lanes_.find(name);
  --in_flight_;
  last_success_ = now;
  if (failures_ >= kSuspicion) {  // it is back: nothing waits any longer
    for (const auto& [at, waiting] : retries_) ready_.push_back(waiting);
    retries_.clear();
  }
  forgive();
  const std::uint64_t seq = lane->second.waiting.front().seq;
  lane->second.waiting.pop_front();
  lane->second.attempts = 0;
  if (lane->second.aside) {
    lane->second.aside = seq;
    changes_.push_back({name, seq});
  } else {
    finish(seq);
    advance();
  }
  go_on(lane);
}

// With the lane's next event, which may have to be looked for first.
void DeliveryQueue::go_on(Lanes::iterator lane) {
  if (!lane->second.waiting.empty()) {
    ready_.push_back(lane);
  } else if (lane->second.aside && lane->second.searched < scanned_) {
    searches_.push_back(lane);
  } else {
    if (lane->second.aside) {  // it has caught up
      --aside_;
      changes_.push_back({lane->first, std::nullopt});
    }
    lanes_.erase(lane);
  }
}

void DeliveryQueue::failed(const std::string& name, rtp::Time now) {
  const auto lane = lanes_.find(name);
  --in_flight_;
  // Those that were under way together count as one refusal.
  if (++failures_ >= kSuspicion && now >= paused_until_) {
    pause_ = std::clamp(pause_ * 2, kFirstRetry, kLongestPause);
    paused_until_ = now + pause_;
  }
  if (lane->second.attempts++ == 0) lane->second.failing_since = now;
  if (lane->second.aside) {
    lane->second.waiting.clear();
    lane->second.searched = *lane->second.aside;
  } else if (lane->second.attempts >= kPatience && last_success_ &&
             *last_success_ > lane->second.failing_since && aside_ < kMaxAside) {
    put_aside(lane);
  }
  retries_.emplace(now + backoff(lane->second.attempts), lane);
}

void DeliveryQueue::put_aside(Lanes::iterator lane) {
  const std::uint64_t after = lane->second.waiting.front().seq - 1;
  for (const EventRow& event : lane->second.waiting) finish(event.seq);
  lane->second.waiting.clear();
  lane->second.aside = lane->second.searched = after;
  ++aside_;
  changes_.push_back({lane->first, after});
  advance();
}

void DeliveryQueue::set_aside(std::string name, std::uint64_t after) {
  const auto [lane, added] = lanes_.try_emplace(std::move(name));
  if (!added) return;
  lane->second.aside = lane->second.searched = after;
  ++aside_;
  ready_.push_back(lane);
}

std::optional<DeliveryQueue::Search> DeliveryQueue::search() {
  if (searches_.empty()) return std::nullopt;
  const auto lane = searches_.front();
  searches_.pop_front();
  return Search{lane->first, lane->second.searched};
}

void DeliveryQueue::searched(const std::string& name, std::vector<EventRow> events,
                             std::uint64_t through) {
  const auto lane = lanes_.find(name);
  lane->second.searched = through;
  for (EventRow& event : events) lane->second.waiting.push_back(std::move(event));
  go_on(lane);
}

std::vector<DeliveryQueue::Aside> DeliveryQueue::changes() { return std::exchange(changes_, {}); }

std::optional<rtp::Time> DeliveryQueue::wakes_at(rtp::Time now) const {
  if (ready_.empty() && retries_.empty()) return std::nullopt;
  const rtp::Time due = ready_.empty() ? retries_.begin()->first : now;
  const rtp::Time at = std::max(due, paused_until_);
  if (at <= now) return std::nullopt;  // waits for an answer, not for time
  return at;
}

void DeliveryQueue::finish(std::uint64_t seq) {
  const auto entry =
      std::lower_bound(window_.begin(), window_.end(), seq,
                       [](const Entry& one, std::uint64_t wanted) { return one.seq < wanted; });
  entry->done = true;
  bytes_ -= entry->bytes;
}

void DeliveryQueue::advance() {
  while (!window_.empty() && window_.front().done) {
    cursor_ = window_.front().seq;
    window_.pop_front();
  }
  if (window_.empty()) cursor_ = scanned_;
}

}  // namespace parley::control
