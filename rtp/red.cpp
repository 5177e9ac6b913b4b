#include "rtp/red.h"

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr std::size_t kHeaderSize = 4;  // of all blocks but the primary, whose header is one byte
constexpr std::uint8_t kMoreFollow = 0x80;

std::size_t block_size(ConstBytes header) noexcept { return load16(header, 2) & 0x03ffU; }
PayloadType payload_type(std::uint8_t byte) noexcept {
  return PayloadType{static_cast<std::uint8_t>(byte & 0x7f)};
}

}  // namespace

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|   block PT  |  timestamp offset         |   block length    |  each redundant block
// |0|   block PT  |                                                  the primary
// then the data of all blocks in the same order
std::optional<RedReader> RedReader::parse(ConstBytes payload) noexcept {
  std::size_t at = 0;
  std::size_t redundant = 0;
  for (std::size_t count = 1; at < payload.size() && (payload[at] & kMoreFollow) != 0; ++count) {
    if (count == kMaxBlocks || payload.size() - at < kHeaderSize) return std::nullopt;
    redundant += block_size(payload.subspan(at, kHeaderSize));
    at += kHeaderSize;
  }
  if (at >= payload.size()) return std::nullopt;
  const ConstBytes data = payload.subspan(at + 1);
  if (redundant > data.size()) return std::nullopt;
  return RedReader(payload.first(at), data,
                   RedBlock{payload_type(payload[at]), 0, data.subspan(redundant), true});
}

std::optional<RedBlock> RedReader::next() noexcept {
  if (done_) return std::nullopt;
  if (headers_.empty()) {
    done_ = true;
    return primary_;
  }
  const ConstBytes header = headers_.first(kHeaderSize);
  const std::size_t size = block_size(header);
  const RedBlock block{payload_type(header[0]), load24(header, 1) >> 10, data_.first(size), false};
  headers_ = headers_.subspan(kHeaderSize);
  data_ = data_.subspan(size);
  return block;
}

std::size_t write_red_headers(std::span<const RedBlock> redundant, PayloadType primary,
                              Bytes out) noexcept {
  if (out.size() < redundant.size() * kHeaderSize + 1) return 0;
  std::size_t at = 0;
  for (const RedBlock& block : redundant) {
    const std::size_t size = block.data.size();
    if (size > kMaxRedBlockSize || block.timestamp_offset > kMaxRedOffset) return 0;
    out[at] = static_cast<std::uint8_t>(kMoreFollow | block.payload_type.value);
    store24(out, at + 1, block.timestamp_offset << 10 | static_cast<std::uint32_t>(size));
    at += kHeaderSize;
  }
  out[at] = primary.value & 0x7f;
  return at + 1;
}

}  // namespace parley::rtp
