#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace parley::rtp {

using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;

// A value with a name of its own. It converts from and to its representation only on request,
// and it has no order: sequence numbers and timestamps wrap, so `<` on them is a bug that
// compiles. Unwrap them first (rtp/sequence.h).
template <class Tag, class Rep>
struct Strong {
  Rep value{};
  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}
  friend constexpr bool operator==(Strong, Strong) = default;
};

using Ssrc = Strong<struct SsrcTag, std::uint32_t>;
using Seq = Strong<struct SeqTag, std::uint16_t>;  // as on the wire
using RtpTimestamp = Strong<struct RtpTimestampTag, std::uint32_t>;
using PayloadType = Strong<struct PayloadTypeTag, std::uint8_t>;
using Bitrate = Strong<struct BitrateTag, std::int64_t>;  // bits per second

// A sequence number counted on past 65535. The only kind we compare or subtract.
struct ExtSeq {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(ExtSeq, ExtSeq) = default;
};

// The server's steady time line in microseconds. Nothing here can read it: time is an argument
// (server/loop.h reads the clock once per turn), so a whole server runs on virtual time.
struct Clock {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};
using Duration = Clock::duration;
using Time = Clock::time_point;

// NTP time as in sender reports: seconds since 1900 in 32.32 fixed point (RFC 3550, section 4).
using NtpTime = Strong<struct NtpTimeTag, std::uint64_t>;

// A short identifier kept in place: a MID or RID (RFC 8852, 9143; both browsers stay within 16
// characters). Longer ones, empty ones and ones with blanks are refused where they come in.
template <class Tag>
class Label {
 public:
  static constexpr std::size_t kMaxSize = 16;
  constexpr Label() = default;
  [[nodiscard]] static constexpr std::optional<Label> from(std::string_view text) noexcept {
    if (text.empty() || text.size() > kMaxSize) return std::nullopt;
    if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; })) {
      return std::nullopt;
    }
    Label label;
    std::copy(text.begin(), text.end(), label.text_.begin());
    label.size_ = static_cast<std::uint8_t>(text.size());
    return label;
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text_.data(), size_}; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  friend constexpr bool operator==(const Label&, const Label&) = default;

 private:
  std::array<char, kMaxSize> text_{};
  std::uint8_t size_ = 0;
};
using Mid = Label<struct MidTag>;
using Rid = Label<struct RidTag>;

enum class MediaKind : std::uint8_t { Audio, Video };
enum class Codec : std::uint8_t { Opus, Red, Vp8, Vp9, H264, H265, Av1 };

}  // namespace parley::rtp

template <class Tag, class Rep>
struct std::hash<parley::rtp::Strong<Tag, Rep>> {
  std::size_t operator()(parley::rtp::Strong<Tag, Rep> s) const noexcept {
    return std::hash<Rep>{}(s.value);
  }
};
