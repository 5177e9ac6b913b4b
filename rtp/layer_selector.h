#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp/packet_layers.h"
#include "rtp/rate_meter.h"
#include "rtp/types.h"

namespace parley::rtp {

// How one encoding of a track lives, or one layer inside it: measured, never believed from the
// offer, because browsers stop, starve and revive layers as they please.
class LayerActivity {
 public:
  // Without a packet for this long it is dead; well below the second within which it must be left.
  static constexpr Duration kDead{700'000};
  static constexpr Duration kSteady{1'000'000};  // alive so long in one go: worth switching up to
  static constexpr Duration kAverage{3'000'000};

  // Media only, no padding. `first_of_frame`: its timestamp is new.
  void on_packet(std::size_t bytes, bool first_of_frame, bool of_key_frame, Time now) noexcept;
  // The publisher says that it ends: dead until the next packet.
  void on_end() noexcept { last_.reset(); }
  // From a key frame that says it.
  void set_height(std::uint32_t height) noexcept { height_ = height; }
  [[nodiscard]] std::uint32_t height() const noexcept { return height_; }

  struct Layer {
    bool alive = false;
    bool steady = false;               // alive for kSteady without a pause
    Duration silent{Duration::max()};  // since the last packet
    double fps = 0;
    Bitrate bitrate;
    std::uint32_t height = 0;  // 0: unknown
    // Fewer pictures a second than there are: for want of bandwidth only, never for a small height.
    bool reduced = false;
    // Where it is to be had.
    std::uint8_t encoding = 0;
    LayerLimit limit{};
    // What key frames took of the bitrate, which are there now and then.
    Bitrate key_frames{0};
    // Over some seconds, without key frames: no encoder sends the same in each of them.
    Bitrate average{0};
    // In the largest second of the last few, without key frames: what is still between two slides
    // of a screen comes back.
    Bitrate most{0};
    // In the last moments, without key frames.
    Bitrate lately{0};
    // Of a layer that is sent below this one, and with it.
    void stands_on(const Layer& below) noexcept;
  };
  [[nodiscard]] Layer at(Time now) noexcept;
  // All there ever were.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return meter_.total_bytes(); }

 private:
  void average(Time now, const Layer& layer) noexcept;
  void note_most(Time now, const Layer& layer) noexcept;

  RateMeter meter_;
  RateMeter key_frames_;  // the same, of key frames alone
  double average_ = 0;    // bits per second
  Time averaged_at_{};
  struct Most {                       // of bits per second
    std::array<Bitrate, 4> within{};  // each second of the last few
    std::int64_t second = 0;          // the newest
  } most_;
  std::optional<Time> last_;
  Time alive_since_{};
  std::uint32_t height_ = 0;
};

// A layer crawls when it is below this rate while another has more than thrice its own.
inline constexpr double kCrawlFps = 5.0;

// Which layer a slot shall show: the smallest that is at least `max_height` high, the highest
// living one if none is; `layers` are ordered from lowest to highest. A layer must have been steady
// before it is switched to while another still lives; a dying or crawling one is left at once.
// Heights that are unknown are guessed from their neighbours (each layer twice the one below, the
// top one 720 if nothing is known). `current` is what the slot shows or waits for. Nothing only
// when `layers` is empty; when all are dead `current` (or the lowest) stays. Call it a few times a
// second for each slot.
[[nodiscard]] std::optional<std::size_t> select_layer(std::span<const LayerActivity::Layer> layers,
                                                      std::uint32_t max_height,
                                                      std::optional<std::size_t> current) noexcept;

}  // namespace parley::rtp
