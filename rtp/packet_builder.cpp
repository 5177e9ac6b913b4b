#include "rtp/packet_builder.h"

#include <algorithm>

#include "rtp/bytes.h"
#include "rtp/packet.h"

namespace parley::rtp {

// The drawing is above Packet::parse.
std::size_t write_header(const HeaderFields& fields, Bytes out) noexcept {
  const std::size_t csrc_count = fields.csrcs.size();
  const std::size_t size = Packet::kFixedHeaderSize + 4 * csrc_count;
  if (csrc_count > Packet::kMaxCsrcs || out.size() < size) return 0;
  out[0] = static_cast<std::uint8_t>(0x80 | csrc_count);
  out[1] =
      static_cast<std::uint8_t>((fields.marker ? 0x80 : 0) | (fields.payload_type.value & 0x7f));
  store16(out, 2, fields.seq.value);
  store32(out, 4, fields.timestamp.value);
  store32(out, 8, fields.ssrc.value);
  for (std::size_t i = 0; i < csrc_count; ++i) {
    store32(out, Packet::kFixedHeaderSize + 4 * i, fields.csrcs[i].value);
  }
  return size;
}

PacketBuilder::PacketBuilder(Bytes out, const HeaderFields& fields) noexcept
    : out_(out),
      fixed_size_(write_header(fields, out)),
      extensions_(out.subspan(fixed_size_)),
      ok_(fixed_size_ != 0) {}

void PacketBuilder::close_header() noexcept {
  if (!ok_ || payload_at_ != 0) return;
  const std::size_t extension_size = extensions_.finish();
  if (extension_size != 0) out_[0] |= 0x10;
  payload_at_ = size_ = fixed_size_ + extension_size;
}

void PacketBuilder::payload(ConstBytes part) noexcept {
  close_header();
  ok_ = ok_ && part.size() <= out_.size() - size_;
  if (!ok_) return;
  std::copy(part.begin(), part.end(), out_.subspan(size_).begin());
  size_ += part.size();
}

void PacketBuilder::padding(std::uint8_t size) noexcept {
  if (size == 0) return;
  close_header();
  ok_ = ok_ && size <= out_.size() - size_;
  if (!ok_) return;
  std::fill_n(out_.subspan(size_).begin(), size - 1, std::uint8_t{0});
  size_ += size;
  out_[size_ - 1] = size;
  out_[0] |= 0x20;
}

Bytes PacketBuilder::written_payload() noexcept {
  close_header();
  return ok_ ? out_.subspan(payload_at_, size_ - payload_at_) : Bytes{};
}

std::size_t PacketBuilder::finish() noexcept {
  close_header();
  return ok_ ? size_ : 0;
}

}  // namespace parley::rtp
