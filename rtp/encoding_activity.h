#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "rtp/layer_selector.h"
#include "rtp/packet_info.h"
#include "rtp/resolution.h"
#include "rtp/types.h"

namespace parley::rtp {

// How one encoding of a track lives, and the layers inside it, if it has any: measured, never
// believed from what was negotiated. What somebody can be given of it are its rungs, lowest first:
// fewer pictures a second of the smallest size, then that size whole, then each larger size with
// all below it. One per encoding, fed by the Track.
class EncodingActivity {
 public:
  static constexpr std::size_t kMaxSpatial = 4;
  static constexpr std::size_t kMaxTemporal = 3;
  static constexpr std::size_t kMaxReduced = kMaxTemporal - 1;

  // A packet of media. `first_of_frame`: its timestamp is new.
  void on_packet(const PacketInfo& packet, bool first_of_frame, Time now);
  // The publisher says that it ends: dead until the next packet.
  void on_end() noexcept;
  // From a key frame that says them, of each spatial layer, lowest first.
  void set_heights(std::span<const Resolution> sizes) noexcept;
  // The publisher sends something else now: it may have other layers.
  void forget_layers() noexcept { inner_.reset(); }

  // All of it, as one of several encodings of a track.
  [[nodiscard]] LayerActivity::Layer whole(Time now) noexcept { return all_.at(now); }
  // Adds the rungs below the smallest whole size, kMaxReduced at most; how many.
  std::size_t reduced_rungs(Time now, std::span<LayerActivity::Layer> into) noexcept;
  // Adds a rung for each size, kMaxSpatial at most, one at least; how many.
  std::size_t whole_rungs(Time now, std::span<LayerActivity::Layer> into) noexcept;
  // Of a picture with layers up to that one; 0: unknown.
  [[nodiscard]] std::uint32_t height(std::uint8_t spatial) const noexcept;
  // Of payload, all there ever were.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return all_.total_bytes(); }
  // Memory behind it.
  [[nodiscard]] std::size_t bytes() const noexcept { return inner_ ? sizeof *inner_ : 0; }

 private:
  struct Inner {
    std::array<LayerActivity, kMaxSpatial> spatial;
    std::array<LayerActivity, kMaxTemporal> temporal;  // of the lowest spatial layer
    std::array<std::optional<RtpTimestamp>, kMaxSpatial> picture;
    std::size_t spatial_count = 1;  // that ever came
  };
  LayerActivity all_;
  std::optional<RtpTimestamp> key_picture_;  // the last one
  std::array<std::uint32_t, kMaxSpatial> heights_{};
  std::unique_ptr<Inner> inner_;  // from the first packet on that is not of the lowest layer
};

// Which of the rungs the limit stands for: the highest of the encoding that it allows, else the
// encoding's lowest; nothing if none is of the encoding.
[[nodiscard]] std::optional<std::size_t> rung_of(std::span<const LayerActivity::Layer> rungs,
                                                 std::uint8_t encoding, LayerLimit limit) noexcept;

}  // namespace parley::rtp
