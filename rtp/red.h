#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/types.h"

namespace parley::rtp {

struct RedBlock {
  PayloadType payload_type{};
  // How much older than the packet's timestamp; 0 if primary. 32 bits, so that one that is too
  // large to be written is seen as such.
  std::uint32_t timestamp_offset = 0;
  ConstBytes data{};     // may be empty
  bool primary = false;  // the last block: what the packet is about
};

// The blocks of one RED payload, oldest first, the primary last (RFC 2198). All headers are checked
// before the first block comes out, so what comes is sound.
class RedReader {
 public:
  static constexpr std::size_t kMaxBlocks = 32;  // Chromium sends at most 9

  // Nothing when a block header or its data is cut off, or there are too many blocks.
  [[nodiscard]] static std::optional<RedReader> parse(ConstBytes payload) noexcept;

  [[nodiscard]] std::optional<RedBlock> next() noexcept;
  [[nodiscard]] RedBlock primary() const noexcept { return primary_; }

 private:
  RedReader(ConstBytes headers, ConstBytes data, RedBlock primary) noexcept
      : headers_(headers), data_(data), primary_(primary) {}

  ConstBytes headers_;
  ConstBytes data_;
  RedBlock primary_;
  bool done_ = false;
};

// Fields of 10 and 14 bits.
inline constexpr std::size_t kMaxRedBlockSize = 1'023;
inline constexpr std::uint32_t kMaxRedOffset = 16'383;

// Writes the headers of a RED payload: of the `redundant` blocks, oldest first, and of a primary of
// that type. The data of all of them is to follow in the same order. Returns the size, 0 when it
// does not fit or a block does not: it is longer or older than its header can say.
[[nodiscard]] std::size_t write_red_headers(std::span<const RedBlock> redundant,
                                            PayloadType primary, Bytes out) noexcept;

}  // namespace parley::rtp
