#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "rtp/types.h"

namespace parley::server {

// Something for each of a handful of SSRCs. Flat, and the one that was asked for last is most often
// the next; the SSRCs lie together, so that looking through some dozens of them costs little.
template <class Value>
class SsrcMap {
 public:
  // Valid until the next change; nullptr when it is not there.
  [[nodiscard]] Value* find(rtp::Ssrc ssrc) noexcept {
    if (last_ < ssrcs_.size() && ssrcs_[last_] == ssrc) return &values_[last_];
    const auto found = std::find(ssrcs_.begin(), ssrcs_.end(), ssrc);
    if (found == ssrcs_.end()) return nullptr;
    last_ = static_cast<std::size_t>(found - ssrcs_.begin());
    return &values_[last_];
  }
  // It must not be there yet.
  Value& add(rtp::Ssrc ssrc, Value value) {
    ssrcs_.push_back(ssrc);
    values_.push_back(std::move(value));
    last_ = ssrcs_.size() - 1;
    return values_.back();
  }
  void remove(rtp::Ssrc ssrc) noexcept {
    remove_if([&](rtp::Ssrc one, const Value&) { return one == ssrc; });
  }
  template <class Predicate>
  void remove_if(const Predicate& gone) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ssrcs_.size(); ++i) {
      if (gone(ssrcs_[i], values_[i])) continue;
      if (kept != i) {
        ssrcs_[kept] = ssrcs_[i];
        values_[kept] = std::move(values_[i]);
      }
      ++kept;
    }
    ssrcs_.erase(ssrcs_.begin() + static_cast<std::ptrdiff_t>(kept), ssrcs_.end());
    values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(kept), values_.end());
  }
  [[nodiscard]] std::size_t size() const noexcept { return ssrcs_.size(); }
  // Memory behind it.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return ssrcs_.capacity() * sizeof(rtp::Ssrc) + values_.capacity() * sizeof(Value);
  }

 private:
  std::vector<rtp::Ssrc> ssrcs_;
  std::vector<Value> values_;
  std::size_t last_ = 0;
};

}  // namespace parley::server
