#include "rtp/frame_assembler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "rtp/extension_reader.h"
#include "rtp/packet.h"
#include "rtp/red.h"

namespace parley::rtp {

FrameAssembler::FrameAssembler(MediaKind kind) : FrameAssembler(kind, Limits{}) {}

FrameAssembler::FrameAssembler(MediaKind kind, const Limits& limits, const ExtensionMap& extensions)
    : kind_(kind),
      limits_(limits),
      extensions_(extensions),
      slots_(std::bit_ceil(std::max<std::size_t>(limits.max_packets, 2))),
      waits_for_key_frame_(kind == MediaKind::Video) {}

std::optional<std::uint16_t> FrameAssembler::rotation_of(const Packet& packet) const noexcept {
  if (kind_ == MediaKind::Audio || packet.extension_data().empty()) return std::nullopt;
  const auto orientation = ExtensionReader{packet, extensions_}.video_orientation();
  if (!orientation) return std::nullopt;
  return orientation->rotation_degrees;
}

void FrameAssembler::push(ConstBytes packet, Codec codec, Time arrival) {
  ++counters_.packets;
  // Packet is a view for editing; nothing is edited here, so taking the const away is safe.
  const auto parsed = Packet::parse(Bytes{const_cast<std::uint8_t*>(packet.data()), packet.size()});
  if (!parsed) {
    ++counters_.broken;
    return;
  }
  const ExtSeq seq = unwrapper_.unwrap(parsed->seq());
  if (!next_) next_ = seq;
  if (seq < *next_) {
    ++counters_.late;
    return;
  }
  if (seq.value - next_->value >= static_cast<std::int64_t>(slots_.size())) {
    // More is missing than we could hold: what we hold is worth nothing any more.
    const std::int64_t missing = seq.value - next_->value - static_cast<std::int64_t>(held_);
    counters_.dropped_frames += in_frame_ ? 1 : 0;
    clear_slots();
    lose(missing);
    next_ = seq;
  }
  Slot& into = slot(seq);
  if (into.used) {
    ++counters_.duplicates;
    return;
  }
  const ConstBytes payload = parsed->payload();
  into.used = true;
  into.seq = seq;
  into.codec = codec;
  into.timestamp = parsed->timestamp();
  into.marker = parsed->marker();
  into.rotation_degrees = rotation_of(*parsed);
  into.arrival = arrival;
  into.payload.assign(payload.begin(), payload.end());
  ++held_;
}

const Frame* FrameAssembler::pop(Time now) {
  for (;;) {
    switch (step(now)) {
      case Step::Nothing:
        return nullptr;
      case Step::Progress:
        break;
      case Step::Done:
        frame_.after_gap = std::exchange(after_gap_, false);
        ++counters_.frames;
        return &frame_;
    }
  }
}

FrameAssembler::Step FrameAssembler::step(Time now) {
  if (held_ == 0) return Step::Nothing;
  if (!holds(*next_)) return cross_hole(now);
  hole_since_.reset();
  Slot& packet = slot(*next_);
  packet.used = false;  // its bytes stay until the next push()
  --held_;
  ++next_->value;
  if (packet.payload.empty()) return Step::Progress;  // padding
  return kind_ == MediaKind::Audio ? take_audio(packet) : take_video(packet);
}

FrameAssembler::Step FrameAssembler::cross_hole(Time now) {
  ExtSeq behind = *next_;
  while (!holds(behind)) ++behind.value;  // ends: something is held
  const Slot& packet = slot(behind);
  if (kind_ == MediaKind::Audio && recover(packet)) return Step::Done;
  if (!hole_since_) hole_since_ = packet.arrival;
  if (!finishing_ && now - *hole_since_ < limits_.reorder_wait) return Step::Nothing;
  hole_since_.reset();
  if (std::exchange(in_frame_, false)) ++counters_.dropped_frames;
  lose(behind.value - next_->value);
  next_ = behind;
  return Step::Progress;
}

// Takes the missing packet `*next_` from the redundancy that `packet`, the first one behind the
// hole, brings along (RFC 2198): its blocks are the packets before it, oldest first.
bool FrameAssembler::recover(const Slot& packet) {
  if (packet.codec != Codec::Red) return false;
  auto reader = RedReader::parse(packet.payload);
  if (!reader) return false;
  std::array<RedBlock, RedReader::kMaxBlocks> blocks;
  std::size_t count = 0;
  while (const auto block = reader->next()) {
    if (!block->primary && count < blocks.size()) blocks[count++] = *block;
  }
  const auto distance = static_cast<std::size_t>(packet.seq.value - next_->value);
  if (distance > count) return false;
  const RedBlock& block = blocks[count - distance];
  if (block.data.empty()) return false;
  frame_.codec = Codec::Opus;
  frame_.timestamp = RtpTimestamp{packet.timestamp.value - block.timestamp_offset};
  frame_.first = *next_;
  frame_.last = *next_;
  frame_.key_frame = true;
  frame_.arrival = packet.arrival;
  frame_.bytes.assign(block.data.begin(), block.data.end());
  ++next_->value;
  ++counters_.recovered;
  return true;
}

FrameAssembler::Step FrameAssembler::take_audio(const Slot& packet) {
  ConstBytes sound = packet.payload;
  if (packet.codec == Codec::Red) {
    const auto reader = RedReader::parse(packet.payload);
    sound = reader ? reader->primary().data : ConstBytes{};
  }
  if (sound.empty()) {
    ++counters_.broken;
    return Step::Progress;
  }
  frame_.codec = Codec::Opus;
  frame_.timestamp = packet.timestamp;
  frame_.first = packet.seq;
  frame_.last = packet.seq;
  frame_.key_frame = true;
  frame_.arrival = packet.arrival;
  frame_.bytes.assign(sound.begin(), sound.end());
  return Step::Done;
}

void FrameAssembler::begin_frame(const Slot& packet) {
  in_frame_ = true;
  broken_frame_ = false;
  depacketizer_.reset();
  frame_.codec = packet.codec;
  frame_.timestamp = packet.timestamp;
  frame_.first = packet.seq;
  frame_.key_frame = false;
  frame_.width = 0;
  frame_.height = 0;
  frame_.bytes.clear();
}

FrameAssembler::Step FrameAssembler::take_video(const Slot& packet) {
  // Every codec here marks its last packet. A frame that ends without was cut off, for example by a
  // switch of source.
  if (in_frame_ && (packet.timestamp != frame_.timestamp || packet.codec != frame_.codec)) {
    drop_frame();
  }
  const bool first = !in_frame_;
  if (first) begin_frame(packet);
  frame_.last = packet.seq;
  frame_.arrival = packet.arrival;
  frame_.rotation_degrees = packet.rotation_degrees.value_or(frame_.rotation_degrees);
  if (!broken_frame_) {
    const auto part = depacketizer_.append(packet.codec, packet.payload, frame_.bytes);
    // H.264 may bring its parameter sets anywhere before the picture; the others say it at once.
    const bool may_say_key = first || packet.codec == Codec::H264;
    frame_.key_frame =
        frame_.key_frame || (part.key_frame && may_say_key) || (part.idr && !waits_for_key_frame_);
    if (part.resolution.width != 0) {
      frame_.width = part.resolution.width;
      frame_.height = part.resolution.height;
    }
    if (!part.ok || frame_.bytes.size() > limits_.max_frame_bytes) {
      ++counters_.broken;
      broken_frame_ = true;
    }
  }
  if (!packet.marker) return Step::Progress;
  const bool sound = !broken_frame_ && depacketizer_.complete() && !frame_.bytes.empty();
  if (!sound || (waits_for_key_frame_ && !frame_.key_frame)) {
    drop_frame();
    return Step::Progress;
  }
  in_frame_ = false;
  if (frame_.key_frame) {
    waits_for_key_frame_ = false;
    key_frame_request_ = false;
  }
  return Step::Done;
}

// What refers to the dropped frame cannot be decoded.
void FrameAssembler::drop_frame() noexcept {
  in_frame_ = false;
  ++counters_.dropped_frames;
  if (!waits_for_key_frame_) key_frame_request_ = true;
  waits_for_key_frame_ = true;
}

void FrameAssembler::lose(std::int64_t packets) noexcept {
  counters_.lost += static_cast<std::uint64_t>(packets);
  ++counters_.gaps;
  after_gap_ = true;
  if (kind_ == MediaKind::Audio) return;
  waits_for_key_frame_ = true;
  key_frame_request_ = true;
}

void FrameAssembler::clear_slots() noexcept {
  for (Slot& slot : slots_) slot.used = false;
  held_ = 0;
  in_frame_ = false;
  hole_since_.reset();
}

void FrameAssembler::reset() noexcept {
  clear_slots();
  next_.reset();
  unwrapper_ = {};
  after_gap_ = false;
  finishing_ = false;
  waits_for_key_frame_ = kind_ == MediaKind::Video;
  key_frame_request_ = false;
  frame_.rotation_degrees = 0;
}

std::optional<Time> FrameAssembler::next_deadline() const noexcept {
  if (!hole_since_) return std::nullopt;
  return *hole_since_ + limits_.reorder_wait;
}

bool FrameAssembler::take_key_frame_request() noexcept {
  return std::exchange(key_frame_request_, false);
}

}  // namespace parley::rtp
