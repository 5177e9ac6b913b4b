#include "server/egress.h"

#include <algorithm>
#include <cassert>

namespace parley::server {
namespace {

constexpr std::size_t kSlot = Egress::kMaxSize + Sealer::kOverhead;
constexpr std::size_t kAlign = 16;

}  // namespace

Egress::Egress(WorkerCounters& counters)
    // Without value-initialisation the pages are not touched before they are used.
    : counters_(counters), arena_(new std::uint8_t[kArenaBytes]) {
  entries_.reserve(kMaxDatagrams);
  plain_.reserve(kMaxDatagrams);
  lanes_.reserve(kMaxDatagrams);
  items_.reserve(kMaxDatagrams);
  out_.reserve(kMaxDatagrams);
}

void Egress::begin_turn() noexcept {
  if (!flushed_) return;
  flushed_ = false;
  used_ = 0;
  entries_.clear();
  plain_.clear();
}

rtp::Bytes Egress::reserve() noexcept {
  begin_turn();
  const bool full = used_ + kSlot > kArenaBytes || entries_.size() + plain_.size() >= kMaxDatagrams;
  if (full) {
    counters_.drop(Drop::EgressFull);
    return {};
  }
  return {arena_.get() + used_, kMaxSize};
}

void Egress::advance(std::size_t size) noexcept {
  assert(size <= kMaxSize);
  used_ += (size + Sealer::kOverhead + kAlign - 1) / kAlign * kAlign;
}

void Egress::commit(Lane& lane, SrtpKind kind, std::size_t size) noexcept {
  assert(lane.session != nullptr);
  const auto index = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back(
      {static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(size), Lane::kNone, kind});
  if (lane.first == Lane::kNone) {
    lane.first = index;
    lanes_.push_back(&lane);
  } else {
    entries_[lane.last].next = index;
  }
  lane.last = index;
  advance(size);
}

void Egress::commit_plain(const Path& path, std::size_t size) noexcept {
  plain_.push_back({path, static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(size)});
  advance(size);
}

void Egress::send_plain(const Path& path, rtp::ConstBytes bytes) noexcept {
  const rtp::Bytes out = reserve();
  if (out.size() < bytes.size()) return;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  commit_plain(path, bytes.size());
}

void Egress::forget(Lane& lane) noexcept {
  std::erase(lanes_, &lane);
  lane.first = lane.last = Lane::kNone;
}

bool Egress::wants_flush() const noexcept {
  return !flushed_ &&
         (used_ > kArenaBytes / 2 || entries_.size() + plain_.size() > kMaxDatagrams / 2);
}

std::span<const Datagram> Egress::flush() noexcept {
  begin_turn();
  items_.clear();
  out_.clear();
  for (const Plain& plain : plain_) {
    out_.push_back({&plain.path, {arena_.get() + plain.at, plain.size}});
  }
  for (Lane* lane : lanes_) {
    for (std::uint32_t i = lane->first; i != Lane::kNone; i = entries_[i].next) {
      const Entry& entry = entries_[i];
      items_.push_back({lane->session,
                        {arena_.get() + entry.at, entry.size + Sealer::kOverhead},
                        entry.size,
                        entry.kind,
                        false});
      out_.push_back({&lane->path, {}});
    }
    lane->first = lane->last = Lane::kNone;
  }
  lanes_.clear();
  const std::size_t sealed = sealer_.seal(items_);
  counters_.drop(Drop::SealFailed, items_.size() - sealed);
  std::size_t kept = plain_.size();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const SealItem& item = items_[i];
    if (!item.sealed) continue;
    out_[kept++] = {out_[plain_.size() + i].path, item.buffer.first(item.size)};
  }
  out_.resize(kept);
  flushed_ = true;
  return out_;
}

}  // namespace parley::server
