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

// What comes first; tracks that are equal in this are in the order they were published.
std::tuple<bool, bool, std::size_t> rank_of(const TrackView& track) {
  const bool screen = track.kind == MediaKind::Video && is_screen(track);
  return {!screen, track.muted, track.loudness};
}

class Assignment {
 public:
  Assignment(std::span<const SlotView> slots, const RankedTracks& tracks, std::uint64_t receiver,
             SlotLimits limits)
      : slots_(slots),
        tracks_(tracks),
        receiver_(receiver),
        limits_(limits),
        choices_(slots.size()) {}

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
    const TrackView* found = track ? tracks_.find(*track) : nullptr;
    return found == nullptr || found->participant == receiver_ ? nullptr : found;
  }

  // A slot that shows nothing for the moment keeps its track: hiding one picture must not make it
  // appear in another place, unless it is wanted there by name.
  void hold() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].want.empty && find(slots_[i].current) != nullptr &&
          !is_wanted_by_name(*slots_[i].current)) {
        choices_[i].track = slots_[i].current;
      }
    }
  }
  bool is_wanted_by_name(server::TrackNo track) const {
    return std::any_of(slots_.begin(), slots_.end(), [&](const SlotView& slot) {
      return slot.want.track == track && !slot.want.empty;
    });
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

  // What is shown now and may go on, the most important first.
  std::vector<const TrackView*> shown(MediaKind kind) const {
    std::vector<const TrackView*> found;
    for (const SlotView& slot : slots_) {
      const TrackView* track = find(slot.current);
      if (track != nullptr && track->kind == kind && !is_placed(*track)) found.push_back(track);
    }
    std::sort(found.begin(), found.end());  // they lie in the order of their importance
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  // As many tracks as there are free slots and the limits allow, the most important first; of
  // those that are equal, those that are shown.
  std::vector<const TrackView*> select(MediaKind kind) const {
    const std::size_t room = room_for(kind);
    std::size_t cameras = kind == MediaKind::Video ? limits_.cameras : SlotLimits::kNone;
    std::vector<const TrackView*> selected;
    const auto take = [&](const TrackView& track) {
      if (!is_screen(track) && cameras-- == 0) return false;
      selected.push_back(&track);
      return selected.size() < room;
    };
    const std::vector<const TrackView*> kept = shown(kind);
    auto next_kept = kept.begin();
    bool more = room > 0;
    for (const TrackView& track : tracks_.of(kind)) {
      while (more && next_kept != kept.end() && rank_of(**next_kept) <= rank_of(track)) {
        more = take(**next_kept++);
      }
      if (!more) break;
      const bool taken = std::binary_search(kept.begin(), kept.end(), &track);
      if (taken || track.participant == receiver_ || is_placed(track)) continue;
      more = take(track);
    }
    return selected;
  }

  std::size_t room_for(MediaKind kind) const {
    std::size_t room = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind == kind && is_free(i)) ++room;
    }
    return kind == MediaKind::Audio ? std::min(room, limits_.microphones) : room;
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
  const RankedTracks& tracks_;
  std::uint64_t receiver_;
  SlotLimits limits_;
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

std::int32_t layer_priority(const SlotWant& want, const TrackView* shown) noexcept {
  const bool picked = want.track && shown != nullptr && want.track == shown->track;
  const bool screen = shown != nullptr && is_screen(*shown);
  return want.priority * 4 + (picked ? 2 : 0) + (screen ? 1 : 0);
}

RankedTracks::RankedTracks(std::span<const TrackView> tracks) {
  for (const TrackView& track : tracks) {
    (track.kind == MediaKind::Audio ? audio_ : video_).push_back(track);
  }
  by_number_.reserve(tracks.size());
  for (std::vector<TrackView>* kind : {&audio_, &video_}) {
    std::stable_sort(kind->begin(), kind->end(), [](const TrackView& a, const TrackView& b) {
      return rank_of(a) < rank_of(b);
    });
    for (const TrackView& track : *kind) by_number_.emplace(track.track, &track);
  }
}

const TrackView* RankedTracks::find(server::TrackNo track) const noexcept {
  const auto found = by_number_.find(track);
  return found == by_number_.end() ? nullptr : found->second;
}

std::vector<SlotChoice> assign_slots(std::span<const SlotView> slots, const RankedTracks& tracks,
                                     std::uint64_t receiver, SlotLimits limits) {
  return Assignment(slots, tracks, receiver, limits).run();
}

}  // namespace parley::control
