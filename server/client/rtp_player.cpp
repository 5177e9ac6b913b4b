#include "server/client/rtp_player.h"

#include <algorithm>
#include <utility>

#include "rtp/bytes.h"
#include "rtp/packet.h"

namespace parley::client {
namespace {

constexpr std::size_t kFixedHeader = 12;

bool is_rtp(rtp::ConstBytes datagram) noexcept {
  if (datagram.size() < kFixedHeader || datagram[0] >> 6 != 2) return false;
  return datagram[1] < 192 || datagram[1] > 223;  // RFC 5761: else it is RTCP
}

// Where the two bytes of the extension `id` lie, in the one- or the two-byte form (RFC 8285).
std::optional<std::size_t> find_extension(rtp::ConstBytes packet, std::uint8_t id) noexcept {
  if ((packet[0] & 0x10) == 0) return std::nullopt;
  std::size_t at = kFixedHeader + 4 * std::size_t{packet[0] & 0x0FU};
  if (packet.size() < at + 4) return std::nullopt;
  const std::uint16_t profile = rtp::load16(packet, at);
  const std::size_t end = at + 4 + 4 * std::size_t{rtp::load16(packet, at + 2)};
  const bool two_byte = (profile & 0xFFF0) == 0x1000;
  if (packet.size() < end || (profile != 0xBEDE && !two_byte)) return std::nullopt;
  for (at += 4; at < end;) {
    if (packet[at] == 0) {  // padding
      ++at;
      continue;
    }
    if (two_byte && at + 1 >= end) return std::nullopt;
    const std::uint8_t found = two_byte ? packet[at] : packet[at] >> 4;
    const std::size_t size = two_byte ? packet[at + 1] : (packet[at] & 0x0FU) + 1U;
    at += two_byte ? 2 : 1;
    if (!two_byte && found == 15) return std::nullopt;
    if (found == id) return size >= 2 && at + 2 <= end ? std::optional(at) : std::nullopt;
    at += size;
  }
  return std::nullopt;
}

}  // namespace

RtpPlayer::RtpPlayer(std::vector<CapturedDatagram> capture, Options options)
    : transport_cc_(options.transport_cc) {
  std::vector<CapturedDatagram> packets;
  for (CapturedDatagram& datagram : capture) {
    if (!is_rtp(datagram.payload)) continue;
    const std::uint32_t ssrc = rtp::load32(datagram.payload, 8);
    const auto wanted = options.streams.find(ssrc);
    if (!options.streams.empty() && wanted == options.streams.end()) continue;
    Track& track = tracks_[ssrc];
    const std::int64_t seq = track.seqs.unwrap(rtp::Seq(rtp::load16(datagram.payload, 2))).value;
    if (track.packets++ == 0) {
      if (wanted != options.streams.end()) track.to = wanted->second;
      track.lowest = track.highest = seq;
    }
    track.lowest = std::min(track.lowest, seq);
    track.highest = std::max(track.highest, seq);
    packets.push_back(std::move(datagram));
  }
  std::stable_sort(packets.begin(), packets.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
  if (!packets.empty()) round_ = packets.back().at - packets.front().at + options.round_gap;
  packets_ = std::make_shared<const std::vector<CapturedDatagram>>(std::move(packets));
}

void RtpPlayer::start(rtp::Time now) noexcept {
  if (!packets_->empty()) started_ = now;
}

std::optional<rtp::Time> RtpPlayer::next_deadline() const noexcept {
  if (!started_) return std::nullopt;
  return *started_ + round_ * static_cast<std::int64_t>(rounds_) +
         ((*packets_)[next_].at - packets_->front().at);
}

std::optional<rtp::ConstBytes> RtpPlayer::poll(rtp::Time now) {
  const std::optional<rtp::Time> due = next_deadline();
  if (!due || *due > now) return std::nullopt;
  out_ = (*packets_)[next_].payload;
  renumber(out_, tracks_.at(rtp::load32(out_, 8)));
  if (++next_ == packets_->size()) {
    next_ = 0;
    ++rounds_;
  }
  return out_;
}

void RtpPlayer::renumber(rtp::Bytes packet, const Track& track) {
  const auto step16 = [&](const Track& of) {
    return static_cast<std::uint16_t>(of.seq_step() * rounds_);
  };
  const std::int64_t ticks = round_.count() * track.to.clock_rate_hz / 1'000'000;
  rtp::store16(packet, 2, static_cast<std::uint16_t>(rtp::load16(packet, 2) + step16(track)));
  rtp::store32(packet, 4,
               static_cast<std::uint32_t>(rtp::load32(packet, 4) +
                                          static_cast<std::uint64_t>(ticks) * rounds_));
  if (track.to.ssrc) rtp::store32(packet, 8, track.to.ssrc->value);
  if (track.to.pt) {
    packet[1] = static_cast<std::uint8_t>((packet[1] & 0x80) | (track.to.pt->value & 0x7F));
  }
  if (transport_cc_ != 0) {
    if (const auto at = find_extension(packet, transport_cc_)) {
      rtp::store16(packet, *at, transport_seq_++);
    }
  }
  // The original number in front of a retransmitted payload goes on with the stream it is of.
  const auto media = track.to.rtx_of ? tracks_.find(track.to.rtx_of->value) : tracks_.end();
  if (media == tracks_.end()) return;
  const auto parsed = rtp::Packet::parse(packet);
  if (!parsed || parsed->payload().size() < 2) return;
  const auto at = static_cast<std::size_t>(parsed->payload().data() - packet.data());
  rtp::store16(packet, at,
               static_cast<std::uint16_t>(rtp::load16(packet, at) + step16(media->second)));
}

std::vector<rtp::Ssrc> RtpPlayer::captured_ssrcs() const {
  std::vector<std::pair<std::size_t, rtp::Ssrc>> counted;
  for (const auto& [ssrc, track] : tracks_) counted.emplace_back(track.packets, rtp::Ssrc(ssrc));
  std::stable_sort(counted.begin(), counted.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<rtp::Ssrc> ssrcs;
  for (const auto& [count, ssrc] : counted) ssrcs.push_back(ssrc);
  return ssrcs;
}

}  // namespace parley::client
