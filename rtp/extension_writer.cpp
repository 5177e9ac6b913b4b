#include "rtp/extension_writer.h"

#include <algorithm>
#include <array>

#include "rtp/bytes.h"

namespace parley::rtp {
namespace {

constexpr std::size_t kHeaderSize = 4;

constexpr std::size_t whole_words(std::size_t size) noexcept { return (size + 3) / 4 * 4; }

}  // namespace

ExtensionWriter::ExtensionWriter(Bytes out) noexcept : out_(out), at_(kHeaderSize) {}

bool ExtensionWriter::add(std::uint8_t id, ConstBytes data) noexcept {
  if (id == 0 || data.size() > 255) return false;
  if (whole_words(at_ + 2 + data.size()) > out_.size()) return false;
  out_[at_] = id;
  out_[at_ + 1] = static_cast<std::uint8_t>(data.size());
  std::copy(data.begin(), data.end(), out_.subspan(at_ + 2).begin());
  at_ += 2 + data.size();
  if (id > 14 || data.empty() || data.size() > 16) one_byte_ = false;
  return true;
}

bool ExtensionWriter::add(std::uint8_t id, std::string_view text) noexcept {
  return add(id, ConstBytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

bool ExtensionWriter::add(std::uint8_t id, AudioLevel level) noexcept {
  const std::array<std::uint8_t, 1> data{
      static_cast<std::uint8_t>((level.voice ? 0x80 : 0) | (level.minus_dbov & 0x7f))};
  return add(id, data);
}

bool ExtensionWriter::add(std::uint8_t id, AbsSendTime time) noexcept {
  std::array<std::uint8_t, 3> data{};
  store24(data, 0, time.value);
  return add(id, data);
}

bool ExtensionWriter::add_transport_cc(std::uint8_t id, Seq seq) noexcept {
  std::array<std::uint8_t, 2> data{};
  store16(data, 0, seq.value);
  return add(id, data);
}

std::size_t ExtensionWriter::finish() noexcept {
  if (at_ == kHeaderSize) return 0;
  if (one_byte_) {
    std::size_t to = kHeaderSize;
    for (std::size_t from = kHeaderSize; from < at_;) {
      const std::uint8_t id = out_[from];
      const std::size_t size = out_[from + 1];
      const Bytes data = out_.subspan(from + 2, size);
      out_[to] = static_cast<std::uint8_t>(unsigned{id} << 4 | (size - 1));
      std::copy(data.begin(), data.end(), out_.subspan(to + 1).begin());
      from += 2 + size;
      to += 1 + size;
    }
    at_ = to;
  }
  const std::size_t size = whole_words(at_);
  std::fill_n(out_.subspan(at_).begin(), size - at_, std::uint8_t{0});
  store16(out_, 0, one_byte_ ? 0xbede : 0x1000);
  store16(out_, 2, static_cast<std::uint16_t>((size - kHeaderSize) / 4));
  return size;
}

}  // namespace parley::rtp
