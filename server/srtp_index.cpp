#include "server/srtp_index.h"

namespace parley::server {
namespace {

constexpr std::uint64_t kHalf = 0x8000;
constexpr std::uint64_t kRollOver = 0x1'0000;

}  // namespace

std::uint64_t SrtpIndex::guess(rtp::Seq seq) const noexcept {
  if (!started_) return seq.value;
  const std::uint64_t same = (highest_ & ~(kRollOver - 1)) | seq.value;
  if (same + kHalf < highest_) return same + kRollOver;
  // Nothing is older than the first round: without one before it, it can only be a jump ahead.
  if (same > highest_ + kHalf && same >= kRollOver) return same - kRollOver;
  return same;
}

SrtpIndex::Verdict SrtpIndex::check(std::uint64_t index) const noexcept {
  if (!started_ || index > highest_) return Verdict::New;
  if (highest_ - index >= kWindow) return Verdict::TooOld;
  return (word(index) & bit(index)) != 0 ? Verdict::Used : Verdict::New;
}

void SrtpIndex::accept(std::uint64_t index) noexcept {
  if (!started_ || index >= highest_ + kWindow) {
    used_.fill(0);
    highest_ = index;
  }
  // What the window moves over was another round's.
  while (highest_ < index) {
    ++highest_;
    word(highest_) &= ~bit(highest_);
  }
  started_ = true;
  word(index) |= bit(index);
}

}  // namespace parley::server
