#include <algorithm>

#include "control/session.h"
#include "server/log.h"

// The part of Session that deals with offers, tracks and slots.
namespace parley::control {
namespace {

std::string_view name_of(server::CloseReason reason) {
  switch (reason) {
    case server::CloseReason::ConsentExpired:
      return "consent_expired";
    case server::CloseReason::ConnectTimeout:
      return "ice_failed";
    case server::CloseReason::DtlsFailed:
      return "dtls_failed";
    case server::CloseReason::FingerprintMismatch:
      return "dtls_fingerprint_mismatch";
    case server::CloseReason::DtlsClosed:
      return "dtls_closed";
  }
  return "consent_expired";
}

// Each worker knows an order of its own; the first of each come before the second of any.
std::vector<server::TrackNo> merged(const std::vector<server::Speakers>& workers,
                                    std::vector<server::TrackNo> server::Speakers::*order) {
  std::vector<server::TrackNo> tracks;
  for (std::size_t rank = 0, more = 1; more > 0; ++rank) {
    more = 0;
    for (const server::Speakers& told : workers) {
      const std::vector<server::TrackNo>& list = told.*order;
      if (rank >= list.size()) continue;
      tracks.push_back(list[rank]);
      ++more;
    }
  }
  return tracks;
}

}  // namespace

RpcResult<Json> Session::offer(Participant& participant, std::string_view sdp,
                               const std::vector<SendIntent>& intents) {
  const auto offer = sdp::parse(sdp);
  if (!offer) {
    return tl::unexpected(rpc_error(Status::InvalidArgument, "sdp_invalid", offer.error(), "sdp"));
  }
  const bool other_peer = participant.negotiation.is_other_peer(*offer);
  if (!other_peer && !participant.peer && participant.ever_connected) {
    // The worker has let go of it, keys and all: this PeerConnection cannot come back to life.
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "peer_gone",
                                    "the connection is lost; offer from a new PeerConnection",
                                    "sdp"));
  }
  Negotiation negotiation = participant.negotiation;
  if (other_peer) {
    negotiation = Negotiation([this] { return context_.next_track(); }, context_.random);
  }
  const auto plan = plan_offer(participant, negotiation, *offer, intents);
  if (!plan) return tl::unexpected(plan.error());

  const bool was_on_air = participant.on_air();
  if (other_peer) drop_peer(participant);
  participant.negotiation = std::move(negotiation);
  const server::PeerParams params = peer_params(*offer, *plan);
  if (plan->has_media()) {
    if (!participant.peer) {
      participant.worker = worker_for_new_peer();
      participants_.set_peer(participant, server::PeerId(worker_room_.value << 32 | ++last_peer_));
    }
    context_.post(participant.worker, server::SetPeer{worker_room_, *participant.peer, params});
  } else {
    drop_peer(participant);
  }
  if (was_on_air && !participant.on_air() && on_offline) on_offline(participant.id);
  const bool changed = apply_tracks(participant, *offer, *plan, params.publishes);
  apply_slots(participant, *offer, *plan);
  update_codecs();
  if (changed || other_peer) {
    update_slots();
  } else {
    update_slots(participant, ranked_tracks());
    update_wanted();
  }

  const AnswerTransport transport{context_.fingerprint,
                                  context_.workers[participant.worker].candidates,
                                  context_.config.media.max_publish_bitrate_kbps};
  Json tracks = Json::array();
  for (const Track& track : participant.tracks) {
    tracks.push(Json::object({{"mid", track.mid.view()}, {"track_id", track.id}}));
  }
  return Json::object(
      {{"sdp", write_answer(*offer, *plan, transport)}, {"tracks", std::move(tracks)}});
}

// A worker of the session that has room for one more, else a worker that has none of it yet, else
// the one with the fewest of it.
std::size_t Session::worker_for_new_peer() {
  for (const std::size_t worker : workers_) {
    if (participants_.peers_on(worker) < context_.config.workers.max_room_peers) return worker;
  }
  if (const auto other = other_worker ? other_worker(workers_) : std::nullopt) {
    spread_to(*other);
    return *other;
  }
  return *std::min_element(workers_.begin(), workers_.end(), [this](auto a, auto b) {
    return participants_.peers_on(a) < participants_.peers_on(b);
  });
}

// The room on one worker more: everything that is published so far is to be had there, too.
void Session::spread_to(std::size_t worker) {
  workers_.push_back(worker);
  speakers_.emplace_back();
  context_.post(worker, server::OpenRoom{worker_room_});
  for (const Participant* p : participants_.publishers()) {
    for (const Track& track : p->tracks) open_mirror(*p, track, worker);
  }
  server::log::info("session_spread", {{"session", id_}, {"workers", workers_.size()}});
}

void Session::open_mirror(const Participant& owner, const Track& track, std::size_t worker) {
  if (worker == owner.worker) return;
  auto relay = server::make_relay(owner.worker, worker, track.kind);
  context_.post(owner.worker, server::OpenRelay{track.no, relay});
  context_.post(worker, server::OpenMirror{worker_room_, track.section, std::move(relay)});
  if (track.stopped()) context_.post(worker, server::MuteTrack{track.no, true});
}

bool Session::apply_tracks(Participant& participant, const sdp::Offer& offer, const Plan& plan,
                           const std::vector<server::PublishSection>& sections) {
  bool changed = false;
  const auto is_planned = [&](const Track& track) {
    return std::any_of(plan.lines.begin(), plan.lines.end(), [&](const LinePlan& line) {
      return line.use == LinePlan::Use::Publish && line.track == track.no;
    });
  };
  for (std::size_t i = participant.tracks.size(); i-- > 0;) {
    if (is_planned(participant.tracks[i])) continue;
    unpublish(participant, i);
    changed = true;
  }
  const auto section_of = [&](server::TrackNo no) -> server::PublishSection {
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [&](const auto& section) { return section.track == no; });
    return found == sections.end() ? server::PublishSection{} : *found;
  };
  for (Track& track : participant.tracks) {
    track.section = section_of(track.no);
    const std::vector<server::CodecParams>& codecs = track.section.codecs;
    if (track.asked && !codecs.empty() && format_of(*track.asked) != format_of(codecs.front())) {
      ask_codec(participant, track, codecs.front());
    }
    for (const std::size_t worker : workers_) {
      if (worker == participant.worker) continue;
      context_.post(worker, server::OpenMirror{worker_room_, track.section, nullptr});
    }
  }
  for (std::size_t i = 0; i < plan.lines.size(); ++i) {
    const LinePlan& line = plan.lines[i];
    const auto is_same = [&](const Track& track) { return track.no == line.track; };
    if (line.use != LinePlan::Use::Publish ||
        std::any_of(participant.tracks.begin(), participant.tracks.end(), is_same)) {
      continue;
    }
    Track track;
    track.id = context_.id("tr");
    track.no = line.track;
    track.mid = offer.sections[i].mid;
    track.kind = *offer.sections[i].kind;
    track.source = line.source;
    track.section = section_of(track.no);
    if (track.kind == rtp::MediaKind::Video) track.asked = track.section.codecs.front();
    // What is muted from the start never was heard.
    track.host_muted = is_audio(track.source) && is_muted_by_host(participant);
    track.withheld = withholds(participant, track);
    participant.tracks.push_back(track);
    participants_.note(participant);
    list_if_due(participant);
    if (track.stopped()) context_.post(participant.worker, server::MuteTrack{track.no, true});
    for (const std::size_t worker : workers_) open_mirror(participant, track, worker);
    Json data = Json::object({{"participant_id", participant.id}, {"track", track.to_json()}});
    if (!participant.hidden()) broadcast("track.published", data, &participant);
    data.set("identity", participant.claims.identity);
    event("track.published", std::move(data));
    if (observer_.track_published) observer_.track_published(participant, track);
    changed = true;
  }
  return changed;
}

void Session::unpublish(Participant& participant, std::size_t index) {
  const Track track = participant.tracks[index];
  participant.tracks.erase(participant.tracks.begin() + static_cast<std::ptrdiff_t>(index));
  participants_.note(participant);
  for (const std::size_t worker : workers_) {
    if (worker != participant.worker) context_.post(worker, server::CloseMirror{track.no});
  }
  Json data = Json::object({{"participant_id", participant.id}, {"track_id", track.id}});
  if (!participant.hidden()) broadcast("track.unpublished", data, &participant);
  data.set("source", control::name_of(track.source));
  event("track.unpublished", std::move(data));
  if (observer_.track_unpublished) observer_.track_unpublished(participant, track);
}

void Session::drop_peer(Participant& participant) {
  while (!participant.tracks.empty()) unpublish(participant, participant.tracks.size() - 1);
  replace_slots(participant, {}, {});
  participant.channels.clear();
  participant.media_away = false;
  if (participant.peer) context_.post(participant.worker, server::RemovePeer{*participant.peer});
  participants_.set_peer(participant, std::nullopt);
  participant.ever_connected = false;
  participant.sends = false;
}

void Session::apply_slots(Participant& participant, const sdp::Offer& offer, const Plan& plan) {
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < plan.lines.size(); ++i) {
    if (plan.lines[i].use != LinePlan::Use::Slot) continue;
    const rtp::Mid mid = offer.sections[i].mid;
    const auto known = std::find_if(participant.slots.begin(), participant.slots.end(),
                                    [&](const Slot& slot) { return slot.mid == mid; });
    Slot slot;
    if (known != participant.slots.end()) slot = *known;
    slot.mid = mid;
    slot.view.kind = *offer.sections[i].kind;
    slot.view.index = plan.lines[i].slot_index;
    slot.codecs = params_of(plan.lines[i].codecs);
    const bool av1 = std::any_of(slot.codecs.begin(), slot.codecs.end(),
                                 [](const auto& codec) { return codec.codec == rtp::Codec::Av1; });
    const auto& extensions = plan.lines[i].extensions.map;
    slot.takes_layers = !av1 || extensions.id(rtp::Extension::DependencyDescriptor) != 0;
    slots.push_back(std::move(slot));
  }
  replace_slots(participant, std::move(slots), common_formats(video_codecs(offer, plan)));
}

// What is counted over all slots goes along.
void Session::replace_slots(Participant& participant, std::vector<Slot> slots,
                            std::vector<server::CodecParams> decodes) {
  for (const Slot& slot : participant.slots) note_wanted(slot, false);
  participant.slots = std::move(slots);
  participant.decodes = std::move(decodes);
  for (const Slot& slot : participant.slots) note_wanted(slot, true);
  const bool views =
      std::any_of(participant.slots.begin(), participant.slots.end(),
                  [](const Slot& slot) { return slot.view.kind == rtp::MediaKind::Video; });
  if (views) {
    viewers_.put(participant.order, participant.decodes);
  } else {
    viewers_.remove(participant.order);
  }
}

RpcResult<void> Session::want(Participant& participant, rtp::Mid mid, SlotWant want) {
  const auto slot = std::find_if(participant.slots.begin(), participant.slots.end(),
                                 [&](const Slot& s) { return s.mid == mid; });
  if (slot == participant.slots.end()) {
    return tl::unexpected(
        rpc_error(Status::NotFound, "slot_not_found", "no recvonly m-line has this mid", "mid"));
  }
  slot->view.want = want;
  update_slots(participant, ranked_tracks());
  update_wanted();
  return {};
}

RankedTracks Session::ranked_tracks() const {
  std::vector<TrackView> views;
  for (const Participant* p : participants_.publishers()) {
    if (p->hidden()) continue;
    for (const Track& track : p->tracks) {
      views.push_back(
          {track.no, track.kind, track.source, p->order, track.loudness, track.muted()});
    }
  }
  return RankedTracks(views);
}

// What the room says, else the configuration: there a limit of 0 is none, and that of microphones
// is for rooms in which many could be heard at once.
SlotLimits Session::slot_limits() const {
  const config::Rooms& server = context_.config.rooms;
  SlotLimits limits;
  const std::uint32_t cameras = last_n_.value_or(server.last_n);
  if (cameras != 0) limits.cameras = cameras;
  const bool many = participants_.size() > kManyPeople;
  const std::uint32_t microphones = loudest_.value_or(many ? server.loudest : 0);
  if (microphones != 0) limits.microphones = microphones;
  return limits;
}

void Session::set_slot_limits(std::optional<std::uint32_t> last_n,
                              std::optional<std::uint32_t> loudest) {
  if (last_n == last_n_ && loudest == loudest_) return;
  last_n_ = last_n;
  loudest_ = loudest;
  update_slots();
}

void Session::update_slots() {
  const RankedTracks tracks = ranked_tracks();
  for (const auto& p : participants_) update_slots(*p, tracks);
  update_wanted();
}

void Session::update_slots(Participant& participant, const RankedTracks& tracks) {
  if (!participant.peer || participant.slots.empty()) return;
  std::vector<SlotView> views;
  for (const Slot& slot : participant.slots) views.push_back(slot.view);
  const std::vector<SlotChoice> choices =
      assign_slots(views, tracks, participant.order, slot_limits());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    Slot& slot = participant.slots[i];
    slot.reason = choices[i].reason;
    slot.view.current = choices[i].track;
    const SlotWant& want = slot.view.want;
    const auto track = want.empty ? std::nullopt : choices[i].track;
    const std::int32_t priority = layer_priority(want, track ? tracks.find(*track) : nullptr);
    const bool same = slot.told_height == want.height && slot.told_priority == priority;
    if (slot.told_track == track && (!track || same)) {
      tell_if_undecodable(participant, slot);
      continue;
    }
    note_wanted(slot, false);
    slot.told_track = track;
    slot.told_height = want.height;
    note_wanted(slot, true);
    slot.told_priority = priority;
    context_.post(participant.worker,
                  server::Assign{*participant.peer, slot.mid, track, want.height, priority});
    // Nothing will come any more: hide the tile at once, there is no key frame to wait for.
    slot.undecodable = false;
    if (!track) tell_slot(participant, slot, std::nullopt);
    tell_if_undecodable(participant, slot);
  }
  watch_quality(participant);  // what was too small may not be shown any more
}

void Session::tell_slot(Participant& participant, Slot& slot,
                        std::optional<server::TrackNo> track) {
  if (slot.announced == track && slot.announced_undecodable == slot.undecodable) return;
  slot.announced = track;
  slot.announced_undecodable = slot.undecodable;
  Json params = Json::object({{"mid", slot.mid.view()}});
  const TrackRef ref = track ? find_track(*track) : TrackRef{};
  if (ref.track != nullptr) {
    params.set("track_id", ref.track->id);
    params.set("track_no", track->value);
    params.set("participant_id", ref.participant->id);
    params.set("source", control::name_of(ref.track->source));
  } else {
    for (const char* name : {"track_id", "track_no", "participant_id", "source"}) {
      params.set(name, Json());
    }
  }
  params.set("reason", slot.undecodable ? "no_shared_codec" : control::name_of(slot.reason));
  notify(participant, "slot.assigned", std::move(params));
}

void Session::slot_switched(Participant& participant, const server::SlotSwitched& event) {
  for (Slot& slot : participant.slots) {
    // Only what we still want: a switch that was overtaken by another is not worth telling.
    if (slot.mid == event.slot && event.track && slot.told_track == event.track) {
      slot.undecodable = false;
      tell_slot(participant, slot, event.track);
    }
  }
}

void Session::peer_connected(Participant& participant) {
  participant.ever_connected = true;
  ever_connected_ = true;
  participant.media_away = false;
  if (participant.connection) set_state(participant, ParticipantState::Active);
}

void Session::peer_away(Participant& participant, bool away) {
  participant.media_away = away;
  set_state(participant, away || !participant.connection ? ParticipantState::Reconnecting
                                                         : ParticipantState::Active);
}

void Session::peer_closed(Participant& participant, server::CloseReason reason) {
  const std::string_view why = name_of(reason);
  server::log::info("peer_closed",
                    {{"session", id_}, {"participant", participant.id}, {"reason", why}});
  event("participant.failed", Json::object({{"participant_id", participant.id},
                                            {"identity", participant.claims.identity},
                                            {"reason", why}}));
  const bool was_connected = participant.ever_connected;
  participants_.set_peer(participant, std::nullopt);  // the worker has forgotten it already
  drop_peer(participant);
  participant.ever_connected = was_connected;
  participant.media_away = true;
  set_state(participant, ParticipantState::Reconnecting);
  update_codecs();
  update_slots();
}

void Session::speakers(std::size_t worker, const server::Speakers& told) {
  const auto of_worker = std::find(workers_.begin(), workers_.end(), worker);
  if (of_worker == workers_.end()) return;
  speakers_[static_cast<std::size_t>(of_worker - workers_.begin())] = told;
  const std::vector<server::TrackNo> loudest = merged(speakers_, &server::Speakers::tracks);
  const std::vector<server::TrackNo> talkers = merged(speakers_, &server::Speakers::talkers);
  choose_dominant(talkers);
  // What is heard follows every syllable; what is seen follows those who have something to say.
  const auto place = [](const std::vector<server::TrackNo>& order, const Track& track) {
    const auto it = std::find(order.begin(), order.end(), track.no);
    return it == order.end() ? kSilent : static_cast<std::size_t>(it - order.begin());
  };
  for (Participant* p : participants_.publishers()) {
    std::size_t talks = kSilent;
    for (Track& track : p->tracks) {
      track.loudness = place(loudest, track);
      talks = std::min(talks, place(talkers, track));
    }
    for (Track& track : p->tracks) {
      if (track.source == TrackSource::Camera) track.loudness = talks;
    }
  }
  broadcast("speakers", speakers_now());
  update_slots();
}

// Who has the floor keeps it until somebody else has it, over his own silence, too.
void Session::choose_dominant(const std::vector<server::TrackNo>& talkers) {
  const bool has_it = std::any_of(speakers_.begin(), speakers_.end(), [&](const auto& told) {
    return !told.talkers.empty() && told.talkers.front() == dominant_;
  });
  if (!has_it && !talkers.empty()) dominant_ = talkers.front();
}

Json Session::speakers_now() const {
  Json list = Json::array();
  std::vector<const Participant*> told;
  for (const server::TrackNo no : merged(speakers_, &server::Speakers::tracks)) {
    const Participant* speaker = find_track(no).participant;
    if (speaker == nullptr || speaker->hidden() ||
        std::find(told.begin(), told.end(), speaker) != told.end()) {
      continue;
    }
    told.push_back(speaker);
    list.push(speaker->id);
  }
  const Participant* dominant = dominant_ ? find_track(*dominant_).participant : nullptr;
  const bool shown = dominant != nullptr && !dominant->hidden();
  return Json::object(
      {{"participant_ids", std::move(list)}, {"dominant_id", shown ? Json(dominant->id) : Json()}});
}

}  // namespace parley::control
