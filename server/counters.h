#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rtp/types.h"

namespace parley::server {

// A number with a single writer: adding is a plain load and store, no locked instruction. Readers
// on other threads see some recent value.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How long things took, in buckets of powers of two from 16 microseconds up. Single writer.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 16;  // 16 us .. 0.52 s, the last one is "longer"
  [[nodiscard]] static constexpr double upper_bound_s(std::size_t bucket) noexcept {
    return 16e-6 * static_cast<double>(std::uint64_t{1} << bucket);
  }
  void add(rtp::Duration took) noexcept;
  [[nodiscard]] std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].value(); }
  [[nodiscard]] std::uint64_t sum_us() const noexcept { return sum_us_.value(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_us_;
};

// Why a datagram or a packet went no further. Every refusal has one, so that nothing vanishes
// uncounted.
enum class Drop : std::uint8_t {
  PoolEmpty,           // no free Buffer: the batch was read and thrown away
  UnknownKind,         // first byte is none of RFC 7983's that we serve
  UnknownAddress,      // media or DTLS from an address that passed no check
  BadStun,             // not a well-formed binding message
  UnknownUfrag,        // a binding request for nobody here
  StunAuth,            // MESSAGE-INTEGRITY is wrong
  Dtls,                // a DTLS datagram that the handshake could not use
  NotReady,            // media before the keys
  SrtpAuth,            // wrong tag
  SrtpReplay,          // seen before, or too old
  SrtpOther,           // the engine refused for another reason
  BadRtp,              // does not parse
  BadRtcp,             // does not parse
  UnknownSsrc,         // neither latched, announced nor labelled
  TooManySsrcs,        // media.max_ssrcs_per_peer; clocks of more receivers than a browser has
  UnknownPayloadType,  // not negotiated on its m-line
  Duplicate,           // the same sequence number again
  PaddingOnly,         // a probe without payload
  BadRtx,              // no original inside
  TooOld,              // before the window of its stream
  EgressFull,          // the turn's arena is full
  TooLarge,            // does not fit into a datagram with the receiver's header
  NoCodec,             // the receiver did not negotiate the publisher's codec
  SealFailed,          // the engine refused to seal
  NotRoutable,         // the peer has no usable address, or its 3x credit is used up
  SendAgain,           // the socket's buffer is full (EAGAIN, ENOBUFS)
  SendError,           // any other error of sendmmsg
  TcpFull,             // a receiver over TCP is too slow: ice.tcp.max_queue_bytes
  TcpClosed,           // to a connection that is gone
  TcpStranger,         // from a connection without a valid check: no STUN, or too much of it
  HistoryGone,         // to be sent, for the first time or again, but no longer kept
  RtxLimit,            // asked for again too soon or too often
  RtxNeedless,         // asked for again, but of before a key frame that makes up for it
  TapFull,             // the recorder's ring is full
  RelayFull,           // the ring to another worker is full
  Data,                // of data channels: beyond a limit, or of no channel
  Count_,
};
[[nodiscard]] std::string_view name_of(Drop drop) noexcept;

// Everything a worker counts. Written by the worker's thread only.
struct WorkerCounters {
  Counter packets_in;
  Counter bytes_in;
  Counter packets_out;
  Counter bytes_out;
  Counter send_messages;  // walks through the kernel: single datagrams and runs
  Counter run_datagrams;  // datagrams that left in a run of several
  Counter runs_refused;   // runs that the kernel would not cut up, sent one by one instead
  Counter padding_bytes;  // added to media so that runs form
  Counter media_in;       // RTP packets that reached a track
  Counter media_out;      // RTP packets handed to slots, retransmissions not counted
  Counter relayed_out;    // RTP packets handed to another worker
  Counter relayed_in;     // RTP packets that came from another worker
  Counter nacks_in;       // sequence numbers asked from us
  Counter nacks_out;      // sequence numbers we asked for
  Counter rtx_in;         // retransmissions received
  Counter rtx_out;        // retransmissions sent
  Counter red_out;        // audio packets that carried earlier frames, too
  Counter probes_out;     // packets of padding that try whether more would pass
  Counter plis_in;        // key frames asked from us (PLI and FIR)
  Counter plis_out;       // key frames we asked for
  Counter data_bytes_in;  // packets of SCTP
  Counter data_messages_in;
  Counter data_messages_out;
  Counter rooms;            // gauge
  Counter peers;            // gauge
  Counter tracks;           // gauge
  Counter connected;        // peers that finished the handshake
  Counter closed;           // peers forgotten by the worker itself
  Counter moved;            // peers found by their media at a new address
  Counter commands;         // commands carried out
  Counter bad_commands;     // commands that named an unknown or duplicate thing
  Counter events;           // events made
  Counter events_lost;      // the control loop's mailbox was full
  Counter pool_in_use;      // gauge, set once per turn
  Counter peer_bytes;       // gauge, set once a second
  Counter stream_bytes;     // gauge, set once a second
  Counter tcp_connections;  // gauge
  Counter tcp_accepted;     // connections taken
  Counter tcp_refused;      // connections closed at once: a limit of ice.tcp, or no descriptors
  Counter tcp_unproven;     // connections closed without a valid check in time
  Counter tcp_idle;         // connections closed because no peer used them any more
  Counter tcp_broken;       // connections closed for a length that no packet has
  DurationHistogram turn;   // one turn of the worker's loop
  std::array<Counter, static_cast<std::size_t>(Drop::Count_)> drops;

  void drop(Drop reason, std::uint64_t n = 1) noexcept {
    drops[static_cast<std::size_t>(reason)].add(n);
  }
  [[nodiscard]] std::uint64_t dropped(Drop reason) const noexcept {
    return drops[static_cast<std::size_t>(reason)].value();
  }
};

}  // namespace parley::server
