#include "tests/sim/receiver.h"

#include <algorithm>

#include "rtp/bytes.h"
#include "rtp/red.h"
#include "rtp/vp8.h"

namespace parley::sim {

void Receiver::on_packet(rtp::Time now, const rtp::Packet& packet, bool retransmission) {
  rtp::ConstBytes payload = packet.payload();
  rtp::Seq seq = packet.seq();
  if (retransmission) {
    if (payload.size() < 2) return;
    seq = rtp::Seq{rtp::load16(payload, 0)};
    payload = payload.subspan(2);
  } else {
    std::ignore = stats.on_packet(seq, packet.timestamp(), packet.bytes().size(), now);
  }
  const std::int64_t number = unwrapper_.unwrap(seq).value;
  if (!seen_.insert(number).second) {
    ++duplicates;
    return;
  }
  nack.on_packet(rtp::ExtSeq{number}, now);
  if (retransmission) ++recovered;
  ++packets;
  last_packet = now;
  const rtp::ExtTimestamp time = times_.unwrap(packet.timestamp());
  time_of_[number] = time;
  if (packet.csrc_count() == 1) {
    last_track = packet.csrc(0).value;
    ++packets_of_track[last_track];
  }
  if (kind == rtp::MediaKind::Audio) return on_sound(packet, payload);
  if (const auto stamp = rtp::SvcStamp::read(payload)) {
    layer_packets.push_back({now, *stamp, packet.marker()});
    decoder.on_packet(*stamp);
  }
  constexpr std::uint8_t kVp8 = 96;  // its RTX has the next
  const std::uint8_t type = packet.payload_type().value;
  if (type != kVp8 && type != kVp8 + 1) {
    if (const auto frame = client::read_synthetic_h264(payload)) {
      note_frame({now, last_track, packet.timestamp(), *frame, rtp::Codec::H264});
    }
    return;
  }
  const auto descriptor = rtp::Vp8Descriptor::parse(payload);
  if (descriptor && descriptor->has_picture_id()) picture_of_[time.value] = descriptor->picture_id;
  const auto frame = client::read_synthetic_vp8(payload);
  pictures.on_packet(now, number, frame.has_value(), frame && frame->key_frame, packet.marker());
  if (frame) note_frame({now, last_track, packet.timestamp(), *frame, rtp::Codec::Vp8});
}

void Receiver::on_sound(const rtp::Packet& packet, rtp::ConstBytes payload) {
  const auto note = [&](rtp::ConstBytes data, std::uint32_t offset) {
    const auto sound = client::read_synthetic_opus(data);
    if (!sound) return sound;
    const rtp::RtpTimestamp at{packet.timestamp().value - offset};
    const auto [known, is_new] = sounds.try_emplace({sound->stream, sound->frame}, at);
    if (!is_new && known->second != at) ++red_faults;
    return sound;
  };
  if (packet.payload_type() != kRed) {
    std::ignore = note(payload, 0);
    return;
  }
  ++red_packets;
  auto red = rtp::RedReader::parse(payload);
  const auto primary = red ? note(red->primary().data, 0) : std::nullopt;
  if (!primary) {
    ++red_faults;
    return;
  }
  while (const auto block = red->next()) {
    if (block->primary) continue;
    ++red_blocks;
    const auto sound = note(block->data, block->timestamp_offset);
    if (!sound || sound->stream != primary->stream || sound->frame >= primary->frame) ++red_faults;
  }
}

void Receiver::on_descriptor(rtp::ConstBytes element) {
  if (!descriptors.read(element)) ++unread_descriptors;
}

void Receiver::note_frame(const Frame& frame) {
  if (frame.frame.key_frame) ++key_frames;
  frames.push_back(frame);
}

std::size_t Receiver::expected() const {
  if (seen_.empty()) return 0;
  return static_cast<std::size_t>(*seen_.rbegin() - *seen_.begin() + 1);
}

std::size_t Receiver::missing() const { return expected() - seen_.size(); }

rtp::Duration Receiver::longest_pause(rtp::Time since) const {
  rtp::Duration longest{0};
  rtp::Time before = since;
  for (const Frame& frame : frames) {
    if (frame.at < since) continue;
    longest = std::max(longest, frame.at - before);
    before = frame.at;
  }
  return longest;
}

std::size_t Receiver::timestamp_faults() const {
  std::size_t faults = 0;
  std::optional<rtp::ExtTimestamp> before;
  for (const auto& [number, time] : time_of_) {
    if (before && time < *before) ++faults;
    before = time;
  }
  return faults;
}

std::size_t Receiver::picture_id_faults() const {
  std::size_t faults = 0;
  std::optional<std::uint16_t> before;
  for (const auto& [time, id] : picture_of_) {
    if (before && ((*before + 1) & 0x7fff) != id) ++faults;
    before = id;
  }
  return faults;
}

}  // namespace parley::sim
