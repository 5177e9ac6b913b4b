#include "control/slots.h"

#include <algorithm>
#include <tuple>

namespace parley::control {
namespace {

using rtp::MediaKind;

bool is_screen(const TrackView& track) {
  return track.source == TrackSource::ScreenShare || track.source == TrackSource::ScreenShareAudio;
}
// Camera and microphone belong together, screen and its sound too.
bool belong_together(const TrackView& a, const TrackView& b) {
  return a.participant == b.participant && is_screen(a) == is_screen(b);
}

class Assignment {
 public:
  Assignment(std::span<const SlotView> slots, std::span<const TrackView> tracks)
      : slots_(slots), tracks_(tracks), choices_(slots.size()) {}

  std::vector<SlotChoice> run() {
    hold();
    for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
      take_wanted(kind);
      std::vector<const TrackView*> selected = select(kind);
      std::erase_if(selected, [&](const TrackView* track) { return keep_in_place(*track); });
      for (const TrackView* track : selected) place(*track);
    }
    return std::move(choices_);
  }

 private:
  bool is_free(std::size_t slot) const { return !choices_[slot].track && !slots_[slot].want.empty; }
  bool is_placed(const TrackView& track) const {
    return std::any_of(choices_.begin(), choices_.end(),
                       [&](const SlotChoice& choice) { return choice.track == track.track; });
  }
  const TrackView* find(std::optional<server::TrackNo> track) const {
    const auto found = std::find_if(tracks_.begin(), tracks_.end(),
                                    [&](const TrackView& view) { return view.track == track; });
    return found == tracks_.end() ? nullptr : &*found;
  }
  bool is_shown_now(const TrackView& track) const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const SlotView& slot) { return slot.current == track.track; });
  }

  // A slot that shows nothing for the moment keeps its track: hiding one picture must not make it
  // appear in another place.
  void hold() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].want.empty && find(slots_[i].current) != nullptr) {
        choices_[i].track = slots_[i].current;
      }
    }
  }

  void take_wanted(MediaKind kind) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind == kind && slots_[i].want.track && !slots_[i].want.empty) {
        order.push_back(i);
      }
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return slots_[a].want.priority > slots_[b].want.priority;
    });
    for (const std::size_t i : order) {
      const TrackView* track = find(slots_[i].want.track);
      if (track == nullptr || track->kind != kind || is_placed(*track)) continue;
      choices_[i] = {track->track, SlotReason::Wanted};
    }
  }

  // As many tracks as there are free slots, the most important first.
  std::vector<const TrackView*> select(MediaKind kind) const {
    std::vector<const TrackView*> all;
    for (const TrackView& track : tracks_) {
      if (track.kind == kind && !is_placed(track)) all.push_back(&track);
    }
    const auto rank = [&](const TrackView* track) {
      const bool screen = kind == MediaKind::Video && is_screen(*track);
      return std::tuple(!screen, track->muted, track->loudness, !is_shown_now(*track));
    };
    std::stable_sort(all.begin(), all.end(),
                     [&](const TrackView* a, const TrackView* b) { return rank(a) < rank(b); });
    std::size_t room = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind == kind && is_free(i)) ++room;
    }
    if (all.size() > room) all.resize(room);
    return all;
  }

  bool keep_in_place(const TrackView& track) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].current != track.track || !is_free(i)) continue;
      choices_[i] = {track.track, reason_for(track)};
      return true;
    }
    return false;
  }

  // What the slot of the other kind with the same index carries, or will go on carrying.
  const TrackView* partner_of(const SlotView& slot) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind == slot.kind || slots_[i].index != slot.index) continue;
      return find(choices_[i].track ? choices_[i].track : slots_[i].current);
    }
    return nullptr;
  }

  void place(const TrackView& track) {
    std::size_t best = slots_.size();
    int best_score = -1;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind != track.kind || !is_free(i)) continue;
      const TrackView* partner = partner_of(slots_[i]);
      const int score = partner == nullptr ? 1 : belong_together(*partner, track) ? 2 : 0;
      if (score > best_score || (score == best_score && slots_[i].index < slots_[best].index)) {
        best = i;
        best_score = score;
      }
    }
    if (best < slots_.size()) choices_[best] = {track.track, reason_for(track)};
  }

  static SlotReason reason_for(const TrackView& track) {
    if (is_screen(track)) return SlotReason::ScreenShare;
    return track.loudness == kSilent ? SlotReason::Free : SlotReason::Speaker;
  }

  std::span<const SlotView> slots_;
  std::span<const TrackView> tracks_;
  std::vector<SlotChoice> choices_;
};

}  // namespace

std::string_view name_of(SlotReason reason) noexcept {
  switch (reason) {
    case SlotReason::Empty:
      return "empty";
    case SlotReason::Wanted:
      return "wanted";
    case SlotReason::ScreenShare:
      return "screen_share";
    case SlotReason::Speaker:
      return "speaker";
    case SlotReason::Free:
      return "free";
  }
  return "empty";
}

std::int32_t layer_priority(const SlotWant& want, std::optional<server::TrackNo> shown,
                            std::span<const TrackView> tracks) noexcept {
  const auto track = std::find_if(tracks.begin(), tracks.end(),
                                  [&](const TrackView& view) { return view.track == shown; });
  const bool screen = track != tracks.end() && is_screen(*track);
  const bool picked = want.track && want.track == shown;
  return want.priority * 4 + (picked ? 2 : 0) + (screen ? 1 : 0);
}

std::vector<SlotChoice> assign_slots(std::span<const SlotView> slots,
                                     std::span<const TrackView> tracks) {
  return Assignment(slots, tracks).run();
}

}  // namespace parley::control
