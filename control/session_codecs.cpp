#include <algorithm>
#include <utility>

#include "control/session.h"
#include "server/log.h"

// The part of Session that sees to it that everybody decodes what everybody sends: each offer is
// measured by it, and publishers are asked for another codec when members come and go.
namespace parley::control {
namespace {

bool same_format(const server::CodecParams& a, const server::CodecParams& b) {
  return format_of(a) == format_of(b);
}

// Of the publisher's codecs those that the room takes and all viewers decode.
std::vector<server::CodecParams> shared_formats(const Sender& sender,
                                                std::span<const Viewer> viewers,
                                                const CodecPolicy& policy) {
  std::vector<server::CodecParams> shared;
  for (const server::CodecParams& codec : sender.codecs) {
    if (policy.rank(codec) && all_decode(codec, sender.participant, viewers)) {
      shared.push_back(codec);
    }
  }
  return shared;
}

// What recorder/muxer.h writes into files; any profile of H.264 (High contains the others), in both
// packetization modes.
std::vector<server::CodecParams> recorder_formats() {
  std::vector<server::CodecParams> formats;
  for (const rtp::Codec codec :
       {rtp::Codec::Vp8, rtp::Codec::Vp9, rtp::Codec::Av1, rtp::Codec::H264, rtp::Codec::H264}) {
    server::CodecParams format;
    format.codec = codec;
    if (codec == rtp::Codec::H264) format.h264_profile = 0x64001f;
    if (!formats.empty() && formats.back().codec == rtp::Codec::H264) format.packetization_mode = 1;
    formats.push_back(format);
  }
  return formats;
}

}  // namespace

RpcResult<Plan> Session::plan_offer(Participant& participant, Negotiation& negotiation,
                                    const sdp::Offer& offer,
                                    const std::vector<SendIntent>& intents) {
  std::vector<AskedCodec> asked;
  for (const Track& track : participant.tracks) {
    if (track.asked) asked.push_back({track.no, *track.asked});
  }
  const std::vector<Viewer> others = viewers(&participant);
  const NegotiationRules rules{participant.claims.permissions,
                               context_.config.media.max_tracks_per_peer,
                               context_.config.media.max_slots_per_peer,
                               codecs_,
                               others,
                               asked,
                               data_enabled_,
                               upright_};
  auto plan = negotiation.offer(offer, intents, rules);
  if (plan) {
    if (auto ok = check_slots(participant, offer, *plan, others); !ok) {
      plan = tl::unexpected(ok.error());
    }
  }
  if (!plan && plan.error().reason == "no_shared_codec") codec_refused(participant, plan.error());
  if (plan) participant.codec_refused = false;
  return plan;
}

std::vector<Viewer> Session::viewers(const Participant* but_for) const {
  std::vector<Viewer> viewers = viewers_.but_for(but_for == nullptr ? 0 : but_for->order);
  if (recorded_) viewers.push_back({recorder_formats(), Viewer::kSeveral});
  return viewers;
}

RpcResult<void> Session::check_slots(const Participant& newcomer, const sdp::Offer& offer,
                                     const Plan& plan, const std::vector<Viewer>& others) const {
  const auto slots = video_codecs(offer, plan);
  if (slots.empty()) return {};
  const std::vector<server::CodecParams> decodes = common_formats(slots);
  std::vector<Viewer> all = others;
  add_viewer(all, newcomer.order, decodes);
  for (const Participant* p : participants_.publishers()) {
    if (p == &newcomer || p->hidden()) continue;
    for (const Track& track : p->tracks) {
      const Sender sender{p->order, track.section.codecs};
      if (track.kind == rtp::MediaKind::Audio || agree(sender, all, codecs_) != nullptr) continue;
      const auto need = shared_formats(sender, others, codecs_);
      if (need.empty()) continue;  // it was so before him
      return tl::unexpected(no_shared_codec(
          "its slots decode no codec in which all others can see " + p->claims.identity,
          names_of(decodes), names_of(need)));
    }
  }
  return {};
}

// Told to the backend once, however often the client tries the same.
void Session::codec_refused(Participant& participant, const RpcError& error) {
  if (std::exchange(participant.codec_refused, true)) return;
  server::log::info("no_shared_codec", {{"session", id_}, {"participant", participant.id}});
  Json data = Json::object({{"participant_id", participant.id},
                            {"identity", participant.claims.identity},
                            {"reason", error.reason}});
  for (const auto& [name, value] : error.details) data.set(name, value);
  event("participant.failed", std::move(data));
}

void Session::set_codecs(CodecPolicy policy) {
  codecs_ = std::move(policy);
  update_codecs();
}

// What is needed is asked for at once. What the room merely likes better waits until nothing was
// asked of that publisher for a while, so that people who come and go do not make him change to
// and fro.
void Session::update_codecs() {
  const std::vector<Viewer> all = viewers(nullptr);
  std::optional<rtp::Time> again;
  for (Participant* p : participants_.publishers()) {
    if (p->hidden()) continue;
    for (Track& track : p->tracks) {
      if (!track.asked) continue;
      const server::CodecParams* agreed =
          agree({p->order, track.section.codecs}, all, codecs_, &*track.asked);
      if (agreed == nullptr || same_format(*agreed, *track.asked)) continue;
      const bool needed = !codecs_.rank(*track.asked) || !all_decode(*track.asked, p->order, all);
      const rtp::Time due = track.asked_at.value_or(rtp::Time::min()) + kPreferAfter;
      if (!needed && track.asked_at && context_.now() < due) {
        again = std::min(again.value_or(due), due);
      } else {
        ask_codec(*p, track, *agreed);
      }
    }
  }
  context_.timers.cancel(codec_timer_);
  if (again) codec_timer_ = context_.timers.at(*again, [this] { update_codecs(); });
}

void Session::ask_codec(Participant& owner, Track& track, const server::CodecParams& codec) {
  track.asked = codec;
  track.asked_at = context_.now();
  Json params = Json::object({{"mid", track.mid.view()},
                              {"track_id", track.id},
                              {"codec", control::name_of(codec)},
                              {"payload_type", std::int64_t{codec.pt.value}}});
  if (codec.codec == rtp::Codec::H264) {
    params.set("packetization_mode", std::int64_t{codec.packetization_mode});
  }
  notify(owner, "track.codec_wanted", std::move(params));
}

void Session::ask_codecs_again(Participant& owner) {
  for (Track& track : owner.tracks) {
    if (!track.asked || !track.arriving || same_format(*track.asked, *track.arriving)) continue;
    ask_codec(owner, track, server::CodecParams(*track.asked));
  }
}

void Session::track_started(Participant& participant, const server::TrackStarted& event) {
  const TrackRef ref = find_track(event.track);
  if (ref.participant != &participant || !ref.track->asked) return;
  Track& track = *ref.track;
  track.arriving = event.codec;
  if (!same_format(*track.asked, event.codec)) {
    // His own choice is as good as ours while everybody decodes it.
    const server::CodecParams* agreed =
        agree({participant.order, track.section.codecs}, viewers(nullptr), codecs_, &event.codec);
    const bool asked_just_now = track.asked_at && context_.now() < *track.asked_at + kAskAgainAfter;
    if (agreed != nullptr && same_format(*agreed, event.codec)) {
      track.asked = event.codec;
    } else if (agreed != nullptr && !asked_just_now) {
      ask_codec(participant, track, *agreed);
    }
  }
  for (const auto& p : participants_) {
    for (Slot& slot : p->slots) {
      if (slot.told_track == track.no) tell_if_undecodable(*p, slot);
    }
  }
  update_wanted();  // as one layer, perhaps
}

// The worker forwards nothing of it: the client must not wait for a picture without knowing why.
// When there is one the worker says so (slot_switched).
void Session::tell_if_undecodable(Participant& participant, Slot& slot) {
  const TrackRef ref = slot.told_track ? find_track(*slot.told_track) : TrackRef{};
  if (ref.track == nullptr || !ref.track->arriving) return;
  slot.undecodable = server::match_codec(*ref.track->arriving, slot.codecs) == nullptr;
  if (slot.undecodable) tell_slot(participant, slot, std::nullopt);
}

}  // namespace parley::control
