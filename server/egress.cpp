#include "server/egress.h"

#include <algorithm>
#include <cassert>

namespace parley::server {
namespace {

constexpr std::size_t kBehind = Egress::kMaxPadding + Sealer::kOverhead;
constexpr std::size_t kSlot = Egress::kMaxSize + kBehind;
constexpr std::size_t kAlign = 16;
constexpr std::uint8_t kPaddingBit = 0x20;

}  // namespace

Egress::Egress(WorkerCounters& counters, std::size_t max_padding)
    : counters_(counters),
      max_padding_(static_cast<std::uint32_t>(std::min(max_padding, kMaxPadding))),
      // Without value-initialisation the pages are not touched before they are used.
      arena_(new std::uint8_t[kArenaBytes]) {
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
  used_ += (size + kBehind + kAlign - 1) / kAlign * kAlign;
}

void Egress::commit(Lane& lane, Outgoing what, std::size_t size) noexcept {
  assert(lane.session != nullptr);
  const auto index = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back(
      {static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(size), Lane::kNone, what});
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
  return !flushed_ && (used_ > kFlushBytes || entries_.size() + plain_.size() > kMaxDatagrams / 2);
}

// RFC 3550, section 5.1: zeros, and the last byte says how many bytes they are with it.
void Egress::pad(Entry& entry, std::uint32_t size) noexcept {
  const std::uint32_t bytes = size - entry.size;
  if (bytes == 0) return;
  std::uint8_t* const packet = arena_.get() + entry.at;
  packet[0] |= kPaddingBit;
  std::fill_n(packet + entry.size, bytes - 1, std::uint8_t{0});
  packet[size - 1] = static_cast<std::uint8_t>(bytes);
  entry.size = size;
  counters_.padding_bytes.add(bytes);
}

// The sizes that a packet can be made.
struct Egress::Sizes {
  std::uint32_t smallest;
  std::uint32_t largest;
};

Egress::Sizes Egress::sizes_of(const Entry& entry) const noexcept {
  const bool padded = (arena_[entry.at] & kPaddingBit) != 0;
  const bool may_grow = entry.what == Outgoing::Media && !padded;
  return {entry.size, entry.size + (may_grow ? max_padding_ : 0)};
}

// Takes packets into a run as long as there is a size that all of them can have; one that is
// smaller may still be its last. Returns the first that is not in the run.
std::uint32_t Egress::make_run(std::uint32_t first) noexcept {
  if (entries_[first].what == Outgoing::Report) return entries_[first].next;
  Sizes run = sizes_of(entries_[first]);
  std::uint32_t end = entries_[first].next;
  std::size_t count = 1;
  const auto take = [&] {
    entries_[end].joins = true;
    end = entries_[end].next;
    ++count;
  };
  for (; end != Lane::kNone && count < kMaxRun; take()) {
    if (entries_[end].what == Outgoing::Report) break;
    const Sizes one = sizes_of(entries_[end]);
    const Sizes both{std::max(run.smallest, one.smallest), std::min(run.largest, one.largest)};
    if (both.smallest > both.largest) break;
    run = both;
  }
  const std::uint32_t equal_end = end;
  const bool room = end != Lane::kNone && count < kMaxRun;
  if (room && entries_[end].what != Outgoing::Report && entries_[end].size < run.smallest) take();
  if (count > 1) {
    for (std::uint32_t i = first; i != equal_end; i = entries_[i].next) {
      pad(entries_[i], run.smallest);
    }
  }
  return end;
}

std::span<const Datagram> Egress::flush() noexcept {
  begin_turn();
  items_.clear();
  out_.clear();
  for (const Plain& plain : plain_) {
    out_.push_back({&plain.path, {arena_.get() + plain.at, plain.size}, false});
  }
  for (Lane* lane : lanes_) {
    for (std::uint32_t i = lane->first; i != Lane::kNone;) i = make_run(i);
    for (std::uint32_t i = lane->first; i != Lane::kNone; i = entries_[i].next) {
      const Entry& entry = entries_[i];
      items_.push_back({lane->session,
                        {arena_.get() + entry.at, entry.size + Sealer::kOverhead},
                        entry.size,
                        entry.what == Outgoing::Report ? SrtpKind::Rtcp : SrtpKind::Rtp,
                        false});
      out_.push_back({&lane->path, {}, entry.joins});
    }
    lane->first = lane->last = Lane::kNone;
  }
  lanes_.clear();
  const std::size_t sealed = sealer_.seal(items_);
  counters_.drop(Drop::SealFailed, items_.size() - sealed);
  std::size_t kept = plain_.size();
  bool whole = true;  // nothing of the run was refused
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const SealItem& item = items_[i];
    const Datagram& planned = out_[plain_.size() + i];
    whole = item.sealed && (whole || !planned.joins);
    if (!item.sealed) continue;
    out_[kept++] = {planned.path, item.buffer.first(item.size), planned.joins && whole};
  }
  out_.resize(kept);
  flushed_ = true;
  return out_;
}

}  // namespace parley::server
