#include <algorithm>
#include <unordered_map>

#include "control/session.h"

// What of each track reaches whom and why, and what the publishers need to send for it.
namespace parley::control {
namespace {

// A layer that nobody looks at any more goes on for so long: who pages through tiles is back soon.
constexpr rtp::Duration kPauseLayersAfter{5'000'000};
// A picture that was too small, or large again, for so long is worth an event.
constexpr rtp::Duration kQualityDelay{5'000'000};

std::int64_t kbps(rtp::Bitrate rate) { return rate.value / 1'000; }

Json kbps_or_null(rtp::Bitrate rate) { return rate.value == 0 ? Json() : Json(kbps(rate)); }

void set_decision(Json& json, const LayerDecision& decision) {
  const server::SlotLayer& what = decision.what;
  json.set("layer", what.layer ? Json(std::int64_t{*what.layer}) : Json());
  json.set("height", what.height == 0 ? Json() : Json(std::int64_t{what.height}));
  json.set("bitrate_kbps", kbps_or_null(what.bitrate));
  json.set("reason", rtp::name(what.reason));
  json.set("estimate_kbps", kbps_or_null(what.estimate));
  json.set("needed_kbps", kbps_or_null(what.needed));
  json.set("decided_at_ms", decision.at_ms);
}

Json decision_json(const LayerDecision& decision) {
  Json json = Json(Json::Object{});
  set_decision(json, decision);
  return json;
}

std::string_view state_of(const Slot& slot, const Track* track) {
  if (!slot.told_track) return slot.view.current ? "hidden" : "empty";
  if (slot.undecodable) return "undecodable";
  if (track != nullptr && track->muted()) return "muted";
  if (slot.view.kind == rtp::MediaKind::Audio) return "shown";
  const server::SlotLayer* now = slot.decision();
  if (now == nullptr) return "waiting";
  return now->layer ? "shown" : "paused";
}

// What keeps it from being as large as it is wanted is the way to this participant.
bool is_short(const Slot& slot) {
  const server::SlotLayer* now = slot.decision();
  return now != nullptr &&
         (now->reason == rtp::LayerReason::Bandwidth || now->reason == rtp::LayerReason::Paused);
}

}  // namespace

const server::SlotLayer* Slot::decision() const noexcept {
  if (decisions.empty() || decisions.back().what.track != told_track) return nullptr;
  return &decisions.back().what;
}

void Session::slot_layer(Participant& participant, const server::SlotLayer& decision) {
  const auto slot = std::find_if(participant.slots.begin(), participant.slots.end(),
                                 [&](const Slot& s) { return s.mid == decision.slot; });
  // One that was overtaken by another assignment is not worth telling.
  if (slot == participant.slots.end() || slot->told_track != decision.track) return;
  if (slot->decisions.size() == Slot::kMaxDecisions) slot->decisions.erase(slot->decisions.begin());
  slot->decisions.push_back({context_.wall_ms(), decision});
  const TrackRef ref = find_track(decision.track);
  if (ref.track == nullptr) return;
  Json params = decision_json(slot->decisions.back());
  params.set("mid", slot->mid.view());
  params.set("track_id", ref.track->id);
  notify(participant, "slot.quality", std::move(params));
  watch_quality(participant);
}

void Session::watch_quality(Participant& participant) {
  const auto is_degraded = [](const Participant& p) {
    return std::any_of(p.slots.begin(), p.slots.end(), is_short);
  };
  if (is_degraded(participant) == participant.degraded) {
    return context_.timers.cancel(participant.quality_timer);
  }
  if (participant.quality_timer != 0) return;
  participant.quality_timer =
      context_.timers.at(context_.now() + kQualityDelay, [this, id = participant.id, is_degraded] {
        Participant* p = find(id);
        if (p == nullptr) return;
        p->quality_timer = 0;
        if (is_degraded(*p) != p->degraded) tell_quality(*p);
      });
}

void Session::tell_quality(Participant& participant) {
  participant.degraded = !participant.degraded;
  Json data =
      Json::object({{"participant_id", participant.id}, {"identity", participant.claims.identity}});
  const auto slot = std::find_if(participant.slots.begin(), participant.slots.end(), is_short);
  if (slot != participant.slots.end()) {
    data.set("reason", rtp::name(slot->decision()->reason));
    data.set("estimate_kbps", kbps_or_null(slot->decision()->estimate));
    data.set("needed_kbps", kbps_or_null(slot->decision()->needed));
  }
  event(participant.degraded ? "quality.degraded" : "quality.recovered", std::move(data));
}

Json Session::subscriptions(const Participant& participant) const {
  Json list = Json::array();
  for (const Slot& slot : participant.slots) {
    const TrackRef ref = slot.view.current ? find_track(*slot.view.current) : TrackRef{};
    Json json = Json::object({{"mid", slot.mid.view()},
                              {"kind", control::name_of(slot.view.kind)},
                              {"state", state_of(slot, ref.track)},
                              {"assigned", control::name_of(slot.reason)}});
    json.set("track_id", ref.track == nullptr ? Json() : Json(ref.track->id));
    json.set("source", ref.track == nullptr ? Json() : Json(control::name_of(ref.track->source)));
    json.set("publisher_id", ref.participant == nullptr ? Json() : Json(ref.participant->id));
    if (slot.view.kind == rtp::MediaKind::Video) {
      const SlotWant& want = slot.view.want;
      json.set("wanted_height", std::int64_t{want.empty ? 0 : want.height});
      json.set("priority", std::int64_t{want.priority});
      if (const server::SlotLayer* now = slot.decision()) {
        json.set("layers", std::int64_t{now->layers});
        set_decision(json, slot.decisions.back());
      }
      Json history = Json::array();
      for (const LayerDecision& decision : slot.decisions) history.push(decision_json(decision));
      json.set("history", std::move(history));
    }
    list.push(std::move(json));
  }
  return list;
}

void Session::set_recorded(bool recorded) {
  recorded_ = recorded;
  update_wanted();
  update_codecs();
}

// As high as somebody looks at it, and in one layer if somebody takes no more. More is asked for at
// once, and so is a single layer; less, and layers again, when that has been enough for a while.
void Session::update_wanted() {
  if (tell_more_wanted()) {
    if (wanted_timer_ == 0) {
      wanted_timer_ = context_.timers.at(context_.now() + kPauseLayersAfter, [this] {
        wanted_timer_ = 0;
        for (Participant* p : participants_.publishers()) {
          for (Track& track : p->tracks) tell_wanted(*p, track);
        }
      });
    }
  } else {
    context_.timers.cancel(wanted_timer_);
  }
}

// How many look at a track, by height.
void Session::note_wanted(const Slot& slot, bool there) {
  if (!slot.told_track || slot.view.kind != rtp::MediaKind::Video) return;
  const auto found = wanted_.try_emplace(*slot.told_track).first;
  Wanted& wanted = found->second;
  if (there) {
    ++wanted.heights[slot.told_height];
    if (!slot.takes_layers) ++wanted.without_layers;
    return;
  }
  const auto height = wanted.heights.find(slot.told_height);
  if (height != wanted.heights.end()) {
    if (!slot.takes_layers) --wanted.without_layers;
    if (--height->second == 0) wanted.heights.erase(height);
  }
  if (wanted.heights.empty()) wanted_.erase(found);
}

// True when something is sent that nobody wants.
bool Session::tell_more_wanted() {
  bool too_much = false;
  for (Participant* p : participants_.publishers()) {
    for (Track& track : p->tracks) {
      if (track.kind != rtp::MediaKind::Video) continue;
      const auto found = wanted_.find(track.no);
      const bool watched = found != wanted_.end();
      track.wanted_height = recorded_  ? Track::kAnyHeight
                            : !watched ? 0
                                       : found->second.heights.rbegin()->first;
      const bool av1 = track.arriving && track.arriving->codec == rtp::Codec::Av1;
      track.wanted_single = av1 && watched && found->second.without_layers > 0;
      const bool more = track.wanted_height > track.told_wanted;
      if (more || (track.wanted_single && !track.told_single)) {
        tell_wanted(*p, track, std::max(track.wanted_height, track.told_wanted),
                    track.wanted_single || track.told_single);
      }
      too_much = too_much || track.wanted_height < track.told_wanted ||
                 track.wanted_single != track.told_single;
    }
  }
  return too_much;
}

void Session::tell_wanted(const Participant& owner, Track& track) {
  tell_wanted(owner, track, track.wanted_height, track.wanted_single);
}

void Session::tell_wanted(const Participant& owner, Track& track, std::uint32_t height,
                          bool single) {
  const bool told = track.told_wanted == height && track.told_single == single;
  if (track.kind != rtp::MediaKind::Video || told) return;
  track.told_wanted = height;
  track.told_single = single;
  notify(owner, "track.wanted",
         Json::object({{"track_id", track.id},
                       {"mid", track.mid.view()},
                       {"height", std::int64_t{height}},
                       {"single_layer", single}}));
}

// What was told while he had no socket, he does not know.
void Session::tell_wanted_again(Participant& owner) {
  for (Track& track : owner.tracks) {
    track.told_wanted = Track::kAnyHeight + 1;  // whatever is wanted differs
    tell_wanted(owner, track);
  }
}

}  // namespace parley::control
