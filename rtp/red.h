#pragma once

#include <cstdint>
#include <optional>

#include "rtp/types.h"

namespace parley::rtp {

struct RedBlock {
  PayloadType payload_type{};
  std::uint16_t timestamp_offset = 0;  // how much older than the packet's timestamp; 0 if primary
  ConstBytes data{};                   // may be empty
  bool primary = false;                // the last block: what the packet is about
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

}  // namespace parley::rtp
