#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace parley::rtp {

// Reads bit by bit, most significant first, for codec headers (H.264, AV1) and the dependency
// descriptor. Like Reader: a read past the end gives zero and is remembered by ok(), and no input
// makes it loop longer than its bytes.
class BitReader {
 public:
  constexpr explicit BitReader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  constexpr bool flag() noexcept { return bits(1) != 0; }

  // At most 32 bits.
  constexpr std::uint32_t bits(unsigned count) noexcept {
    if (count > remaining()) ok_ = false;
    if (!ok_) return 0;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < count; ++i, ++at_) {
      value = value << 1 | (unsigned{bytes_[at_ / 8]} >> (7 - at_ % 8) & 1U);
    }
    return value;
  }
  constexpr void skip(std::size_t count) noexcept {
    if (count > remaining()) ok_ = false;
    if (ok_) at_ += count;
  }

  // Unsigned Exp-Golomb: H.264, section 9.1, the same bits as uvlc() of AV1, section 4.10.3.
  constexpr std::uint32_t ue() noexcept {
    unsigned zeros = 0;
    while (ok_ && !flag()) ++zeros;
    if (zeros > 31) ok_ = false;
    if (!ok_) return 0;
    return (1U << zeros) - 1 + bits(zeros);
  }
  // Signed Exp-Golomb: H.264, section 9.1.1.
  constexpr std::int32_t se() noexcept {
    const std::uint32_t code = ue();
    const auto half = static_cast<std::int32_t>(code / 2);
    return code % 2 != 0 ? half + 1 : -half;
  }
  // A value below `limit` in as few bits as that allows: ns(n) of AV1, section 4.10.7.
  constexpr std::uint32_t ns(std::uint32_t limit) noexcept {
    unsigned width = 0;
    for (std::uint32_t x = limit; x != 0; x >>= 1) ++width;
    if (width == 0) return 0;
    const std::uint32_t short_codes = (1U << width) - limit;
    const std::uint32_t value = bits(width - 1);
    if (value < short_codes) return value;
    return (value << 1) - short_codes + bits(1);
  }

  [[nodiscard]] constexpr bool ok() const noexcept { return ok_; }
  [[nodiscard]] constexpr std::size_t remaining() const noexcept { return bytes_.size() * 8 - at_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Writes bit by bit, most significant first, into bytes that the caller has made large enough.
class BitSink {
 public:
  constexpr explicit BitSink(std::span<std::uint8_t> out) noexcept : out_(out) {}

  // The low `count` bits of `value`, at most 32.
  constexpr void bits(std::uint32_t value, unsigned count) noexcept {
    for (unsigned i = count; i-- > 0; ++at_) {
      std::uint8_t& byte = out_[at_ / 8];
      if (at_ % 8 == 0) byte = 0;
      byte = static_cast<std::uint8_t>(byte | (value >> i & 1U) << (7 - at_ % 8));
    }
  }
  // Bytes written, the last one padded with zeros.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return (at_ + 7) / 8; }

 private:
  std::span<std::uint8_t> out_;
  std::size_t at_ = 0;
};

}  // namespace parley::rtp
