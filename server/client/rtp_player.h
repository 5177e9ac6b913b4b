#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "rtp/sequence.h"
#include "rtp/types.h"
#include "server/client/pcap.h"

namespace parley::client {

// Plays the RTP of a capture, at its own pace and over and over, under other numbers: each stream
// keeps its gaps and its timing, and on each round its sequence numbers and timestamps go on
// where they stopped, so that a receiver sees one endless stream. Copies share the capture.
class RtpPlayer {
 public:
  // How a captured stream appears. What is not set stays as captured.
  struct Stream {
    std::optional<rtp::Ssrc> ssrc;
    std::optional<rtp::PayloadType> pt;
    std::uint32_t clock_rate_hz = 90'000;
    // A retransmission stream (RFC 4588): the captured SSRC whose numbers its packets carry.
    std::optional<rtp::Ssrc> rtx_of;
  };
  struct Options {
    // By captured SSRC. If not empty, other streams are left out.
    std::map<std::uint32_t, Stream> streams;
    // Id of the transport-cc header extension, whose numbers are written anew; 0: left alone.
    std::uint8_t transport_cc = 0;
    // Between the last packet of a round and the first of the next.
    rtp::Duration round_gap{33'000};
  };

  RtpPlayer(std::vector<CapturedDatagram> capture, Options options);

  // The captured stream appears under another SSRC.
  void rename(rtp::Ssrc captured, rtp::Ssrc to) { tracks_[captured.value].to.ssrc = to; }
  // Starts the timeline at `now`.
  void start(rtp::Time now) noexcept;
  // The next packet whose time has come, or nothing; valid until the next call.
  [[nodiscard]] std::optional<rtp::ConstBytes> poll(rtp::Time now);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;

  // SSRCs in the capture, by number of packets, most first.
  [[nodiscard]] std::vector<rtp::Ssrc> captured_ssrcs() const;
  [[nodiscard]] std::size_t packets_per_round() const noexcept { return packets_->size(); }

 private:
  struct Track {
    Stream to;
    rtp::SeqUnwrapper seqs;
    std::int64_t lowest = 0;  // unwrapped
    std::int64_t highest = 0;
    std::size_t packets = 0;

    // What each round adds to the numbers of the one before.
    [[nodiscard]] std::uint64_t seq_step() const noexcept {
      return static_cast<std::uint64_t>(highest - lowest + 1);
    }
  };

  void renumber(rtp::Bytes packet, const Track& track);

  std::uint8_t transport_cc_;
  std::uint16_t transport_seq_ = 1;
  std::shared_ptr<const std::vector<CapturedDatagram>> packets_;
  std::map<std::uint32_t, Track> tracks_;  // by captured SSRC
  rtp::Duration round_{};
  std::optional<rtp::Time> started_;
  std::uint64_t rounds_ = 0;
  std::size_t next_ = 0;
  std::vector<std::uint8_t> out_;
};

}  // namespace parley::client
