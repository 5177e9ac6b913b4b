#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "rtp/types.h"
#include "server/address.h"
#include "server/counters.h"
#include "server/datagram.h"
#include "server/srtp.h"

namespace parley::server {

// What a packet on a lane is.
enum class Outgoing : std::uint8_t {
  Media,
  Retransmission,  // never padded
  Report,          // SRTCP
};

// What one peer gets in this turn: a chain through the egress. The peer owns it and keeps its path
// and session right.
struct Lane {
  SrtpSession* session = nullptr;
  Path path;

 private:
  friend class Egress;
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t first = kNone;
  std::uint32_t last = kNone;
};

// All datagrams that one turn of a worker sends. They are written straight into an arena that is
// used anew each turn, grouped by peer, and sealed together at its end; nothing is allocated after
// the constructor. A full arena drops, counted; the worker is flushed long before (wants_flush).
//
// What goes to one peer is sent in runs of equal size, because a run costs one walk through the
// kernel. Browsers cut a frame into packets that differ by a byte, so media packets that are nearly
// equal are made so by a few bytes of RTP padding (RFC 3550, section 5.1).
class Egress {
 public:
  static constexpr std::size_t kArenaBytes = 8 * 1024 * 1024;  // touched only as used
  // What was written is sealed and sent while the processor's own cache still holds it.
  static constexpr std::size_t kFlushBytes = 512 * 1024;
  static constexpr std::size_t kMaxDatagrams = 16'384;
  // The largest datagram written here, before padding and sealing.
  static constexpr std::size_t kMaxSize = 1'472;
  // The kernel takes 64 segments and 64 KiB in one message.
  static constexpr std::size_t kMaxRun = 32;
  static constexpr std::size_t kMaxPadding = 4;

  // `max_padding` bytes at most are spent on a packet, 0 to kMaxPadding.
  explicit Egress(WorkerCounters& counters, std::size_t max_padding = kMaxPadding);

  // Space for one datagram of at most kMaxSize; empty when the arena is full (counted). Nothing is
  // taken until a commit, so a writer may change its mind.
  [[nodiscard]] rtp::Bytes reserve() noexcept;
  // The first `size` bytes reserved last are to be sealed and sent to where the lane points.
  void commit(Lane& lane, Outgoing what, std::size_t size) noexcept;
  // They are to be sent as they are: STUN and DTLS.
  void commit_plain(const Path& path, std::size_t size) noexcept;
  void send_plain(const Path& path, rtp::ConstBytes bytes) noexcept;
  // The lane is going away: what it waits for is not sent.
  void forget(Lane& lane) noexcept;

  [[nodiscard]] bool wants_flush() const noexcept;
  // Seals all of it and empties the egress. What it returns is valid until the next reserve().
  [[nodiscard]] std::span<const Datagram> flush() noexcept;

 private:
  struct Entry {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
    std::uint32_t next = Lane::kNone;
    Outgoing what = Outgoing::Media;
    bool joins = false;
  };
  struct Plain {
    Path path;
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  void begin_turn() noexcept;
  void advance(std::size_t size) noexcept;
  struct Sizes;
  [[nodiscard]] Sizes sizes_of(const Entry& entry) const noexcept;
  std::uint32_t make_run(std::uint32_t first) noexcept;
  void pad(Entry& entry, std::uint32_t size) noexcept;

  WorkerCounters& counters_;
  std::uint32_t max_padding_;
  Sealer sealer_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t used_ = 0;
  bool flushed_ = false;
  std::vector<Entry> entries_;
  std::vector<Plain> plain_;
  std::vector<Lane*> lanes_;  // those with entries, in the order of their first
  std::vector<SealItem> items_;
  std::vector<Datagram> out_;
};

}  // namespace parley::server
