#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/permissions.h"
#include "server/api.h"

namespace parley::control {

// Which track goes into which slot of one receiver: a pure function of what is published, what the
// receiver asked for and what it shows now. While there are slots enough everybody gets one and
// keeps it, audio and video of a person under the same index (they share a stream and stay in
// sync); beyond that the loudest are shown. What is published is put in order once for all
// receivers, so that each of them costs no more in a room of hundreds than in a small one.

struct SlotWant {
  std::optional<server::TrackNo> track;  // none: parley chooses
  std::uint32_t height = 720;
  std::int32_t priority = 0;
  bool empty = false;  // the client shows nothing here for now; the slot keeps its track
};
struct SlotView {
  rtp::MediaKind kind = rtp::MediaKind::Audio;
  std::size_t index = 0;  // within its kind
  SlotWant want;
  std::optional<server::TrackNo> current;
};

inline constexpr std::size_t kSilent = std::numeric_limits<std::size_t>::max();
struct TrackView {
  server::TrackNo track;
  rtp::MediaKind kind = rtp::MediaKind::Audio;
  TrackSource source = TrackSource::Camera;
  std::uint64_t participant = 0;
  std::size_t loudness = kSilent;  // 0: the loudest
  bool muted = false;
};

enum class SlotReason : std::uint8_t { Empty, Wanted, ScreenShare, Speaker, Free };
[[nodiscard]] std::string_view name_of(SlotReason reason) noexcept;

struct SlotChoice {
  std::optional<server::TrackNo> track;
  SlotReason reason = SlotReason::Empty;
};

// All tracks of a room, the most important first: screens, then those that are not muted, the
// loudest of them first, then as they were published.
class RankedTracks {
 public:
  // `tracks` in the order they were published.
  explicit RankedTracks(std::span<const TrackView> tracks);
  RankedTracks(RankedTracks&&) = default;  // a copy would point into the other's lists

  [[nodiscard]] std::span<const TrackView> of(rtp::MediaKind kind) const noexcept {
    return kind == rtp::MediaKind::Audio ? audio_ : video_;
  }
  [[nodiscard]] const TrackView* find(server::TrackNo track) const noexcept;

 private:
  std::vector<TrackView> audio_;
  std::vector<TrackView> video_;
  std::unordered_map<server::TrackNo, const TrackView*> by_number_;
};

// What goes to one receiver at most, beside what he asked for by name.
struct SlotLimits {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t cameras = kNone;      // screens are not counted
  std::size_t microphones = kNone;  // and the sound of screens
};

// One choice per slot; that of a slot with `want.empty` is what it would show. The tracks of
// `receiver`, a participant, are his own: he does not get them.
[[nodiscard]] std::vector<SlotChoice> assign_slots(std::span<const SlotView> slots,
                                                   const RankedTracks& tracks,
                                                   std::uint64_t receiver, SlotLimits limits = {});

// Which of one receiver's slots come first on a way that does not carry all of them: the higher.
// What he says himself decides; among those alike what he picked, then a shared screen.
[[nodiscard]] std::int32_t layer_priority(const SlotWant& want, const TrackView* shown) noexcept;

}  // namespace parley::control
