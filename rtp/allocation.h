#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rtp/layer_selector.h"
#include "rtp/types.h"

namespace parley::rtp {

// Which layer each slot of one receiver gets, so that together they fit into what his way carries.
// A pure function of what is there: the layers as they live now, the wishes, what is shown.

// Why a slot shows what it shows.
enum class LayerReason : std::uint8_t {
  Wanted,     // it is as large as was asked for
  Source,     // the publisher sends nothing larger now
  Bandwidth,  // the next larger one does not fit
  Hold,       // it would fit, but it was given up shortly before
  Paused,     // not even the smallest fits
};
[[nodiscard]] std::string_view name(LayerReason reason) noexcept;

struct LayerWish {
  std::span<const LayerActivity::Layer> layers;  // lowest first
  std::uint32_t max_height = 0;
  std::int32_t priority = 0;           // a higher one is served first
  std::optional<std::size_t> current;  // shown or waited for; nothing: paused
  // Must not be raised now, unless the way shows this much, which is then worth a probe; 0: only
  // time ends it. While it is paused it is above the smallest that it must not be raised.
  std::optional<Bitrate> held{};
  bool stays_paused = false;  // now; only time ends it
};

struct LayerChoice {
  std::optional<std::size_t> layer;  // nothing: paused
  LayerReason reason = LayerReason::Wanted;
  // What the way would have to carry in all for one step more; 0: no more is wanted, or there.
  Bitrate needed{0};
  Bitrate step{0};      // of that, what the step itself takes
  Bitrate others{0};    // what everything else is sent, at times
  Bitrate given_up{0};  // what is shown would take so much more; 0: it stays, or goes up
  friend bool operator==(const LayerChoice&, const LayerChoice&) = default;
};

struct Allocation {
  Bitrate spent{0};
  // What all of it would be with the next step up that somebody wants and that the way must prove
  // first, with the margin it needs; 0: nobody wants more.
  Bitrate next{0};
  bool complete = true;  // nobody wants more, now or later
  bool raised = false;   // somebody goes up a step, or gets his first picture
};

struct Way {
  Bitrate target;          // what has been seen to pass, or less while a queue drains
  bool congested = false;  // it does not carry what is sent now
  bool measured = false;   // it was congested once, so it is known what does not pass
  bool known = false;      // the target is what it carries, and not only what was tried so far
  double resent = 0;       // of what is sent to show a layer, so much goes beside it once more
  // What has been seen to pass; the target is this, less what a draining queue needs. A smallest
  // layer that is shown already is not paused for a queue which drains beside it in a second or
  // two: it would need a key frame to come back. Of a larger one only bursts are borne so.
  Bitrate carries{0};
};

// Everybody's smallest layer comes first, in the order of priority; then those of the highest
// priority are raised step by step, the smallest first, then those of the next. Where a layer has
// fewer pictures a second than there are, it comes below the smallest whole one, so that the
// pictures become small before they become few. A layer is taken when it fits with a tenth to
// spare, beside what the others take in their largest second of late, and given up only when the
// way is congested and it does not fit, when what the way carries is known and it does not fit with
// a little to spare, or for somebody of a higher priority: the target alone is no more than what
// was tried so far. For the same reason the smallest is tried at once on a way of which nothing is
// known. A burst is borne where what lasts leaves its queue a fifth of the way; who cannot stay
// goes as far down at once as the others' bursts need. `fixed` is what is sent anyhow (audio).
// `choices` has a place for each wish, at most kMaxWishes of them are looked at.
inline constexpr std::size_t kMaxWishes = 64;
[[nodiscard]] Allocation allocate(Way way, Bitrate fixed, std::span<const LayerWish> wishes,
                                  std::span<LayerChoice> choices) noexcept;

}  // namespace parley::rtp
