#include "control/negotiation.h"

#include <algorithm>
#include <array>

#include "control/sdp_text.h"

namespace parley::control {
namespace {

using Use = LinePlan::Use;

RpcError refused(std::string_view reason, std::string message) {
  return rpc_error(Status::InvalidArgument, reason, std::move(message), "sdp");
}

std::string mid_text(const sdp::Section& section) { return sdp::quoted(section.mid.view()); }

bool is_bundled(const sdp::Offer& offer, const sdp::Section& section) {
  if (offer.bundle.empty()) return &section == &offer.sections.front();
  return std::find(offer.bundle.begin(), offer.bundle.end(), section.mid) != offer.bundle.end();
}

// The m-line whose transport all of them share.
const sdp::Section* transport_section(const sdp::Offer& offer, const std::vector<LinePlan>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].use != Use::Rejected) return &offer.sections[i];
  }
  return nullptr;
}

RpcResult<void> check_intents(const sdp::Offer& offer, std::span<const SendIntent> intents,
                              const NegotiationRules& rules) {
  if (intents.size() > rules.max_tracks) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_tracks",
                                    "more tracks than a participant may have", "tracks"));
  }
  const auto bad = [](const SendIntent& intent, std::string_view what) {
    return tl::unexpected(rpc_error(
        Status::InvalidArgument, "invalid_argument",
        "tracks: mid " + sdp::quoted(intent.mid.view()) + " " + std::string(what), "tracks"));
  };
  for (const SendIntent& intent : intents) {
    const auto same_mid = [&](const auto& other) { return other.mid == intent.mid; };
    if (std::count_if(intents.begin(), intents.end(), same_mid) > 1) return bad(intent, "twice");
    const auto section = std::find_if(offer.sections.begin(), offer.sections.end(), same_mid);
    if (section == offer.sections.end()) return bad(intent, "is not in the offer");
    if (!section->kind || (*section->kind == rtp::MediaKind::Audio) != is_audio(intent.source)) {
      return bad(intent, "cannot carry " + std::string(name_of(intent.source)));
    }
    if (!sdp::sends(section->direction)) return bad(intent, "does not send in the offer");
    if (!rules.permissions.has(permission_for(intent.source))) {
      return tl::unexpected(rpc_error(
          Status::PermissionDenied, "permission_denied",
          "this participant may not publish " + std::string(name_of(intent.source)), "tracks"));
    }
  }
  return {};
}

// RFC 9143, section 9.1: within one bundle a payload type means one codec.
RpcResult<void> check_payload_types(const sdp::Offer& offer) {
  std::array<const sdp::Codec*, 128> seen{};
  for (const sdp::Section& section : offer.sections) {
    for (const sdp::Codec& codec : section.codecs) {
      const sdp::Codec*& first = seen[codec.pt.value];
      if (first == nullptr) first = &codec;
      if (codec.name.empty() || first->name.empty()) continue;
      if (!sdp::equal_ignoring_case(first->name, codec.name) ||
          first->clock_rate_hz != codec.clock_rate_hz) {
        return tl::unexpected(refused(
            "sdp_payload_type", "payload type " + std::to_string(codec.pt.value) + " means " +
                                    sdp::quoted(first->name) + " and " + sdp::quoted(codec.name)));
      }
    }
  }
  return {};
}

// Two m-lines must not announce one SSRC: packets could not be told apart.
RpcResult<void> check_ssrcs(const sdp::Offer& offer) {
  std::vector<std::uint32_t> all;
  for (const sdp::Section& section : offer.sections) {
    for (const rtp::Ssrc ssrc : section.ssrcs) all.push_back(ssrc.value);
  }
  std::sort(all.begin(), all.end());
  const auto twice = std::adjacent_find(all.begin(), all.end());
  if (twice == all.end()) return {};
  return tl::unexpected(
      refused("sdp_ssrc", "ssrc " + std::to_string(*twice) + " stands in two m-lines"));
}

std::vector<server::PublishSection::SsrcPair> ssrc_pairs(const sdp::Section& section) {
  std::vector<server::PublishSection::SsrcPair> pairs;
  for (const rtp::Ssrc ssrc : section.ssrcs) {
    const auto is_rtx = [&](const sdp::SsrcGroup& group) { return group.rtx == ssrc; };
    const auto is_media = [&](const sdp::SsrcGroup& group) { return group.media == ssrc; };
    const auto& groups = section.fid_groups;
    if (std::any_of(groups.begin(), groups.end(), is_rtx)) continue;
    server::PublishSection::SsrcPair pair{ssrc, std::nullopt};
    const auto group = std::find_if(groups.begin(), groups.end(), is_media);
    if (group != groups.end()) pair.rtx = group->rtx;
    pairs.push_back(pair);
  }
  return pairs;
}

// What the m-line has of what we know, and the room would have.
RpcError nothing_taken(const sdp::Section& section, const CodecPolicy& policy) {
  const std::vector<std::string> have = names_of(params_of(choose_codecs(section)));
  return no_shared_codec("mid " + mid_text(section) + " offers no codec that this room takes", have,
                         policy.names());
}

}  // namespace

RpcError no_shared_codec(std::string message, std::span<const std::string> have,
                         std::span<const std::string> need) {
  const auto list = [](std::span<const std::string> names) {
    Json json = Json::array();
    for (const std::string& name : names) json.push(name);
    return json;
  };
  RpcError error =
      rpc_error(Status::FailedPrecondition, "no_shared_codec", std::move(message), "sdp");
  error.details.emplace_back("have", list(have));
  error.details.emplace_back("need", list(need));
  return error;
}

std::vector<server::CodecParams> params_of(const std::vector<ChosenCodec>& codecs) {
  std::vector<server::CodecParams> params;
  for (const ChosenCodec& codec : codecs) params.push_back(codec.params);
  return params;
}

std::vector<std::vector<server::CodecParams>> video_codecs(const sdp::Offer& offer,
                                                           const Plan& plan) {
  std::vector<std::vector<server::CodecParams>> slots;
  for (std::size_t i = 0; i < plan.lines.size(); ++i) {
    const bool video = offer.sections[i].kind == rtp::MediaKind::Video;
    if (video && plan.lines[i].use == Use::Slot) slots.push_back(params_of(plan.lines[i].codecs));
  }
  return slots;
}

bool Plan::has_media() const noexcept {
  return std::any_of(lines.begin(), lines.end(),
                     [](const LinePlan& line) { return line.use != Use::Rejected; });
}

Negotiation::Negotiation(NextTrack next_track, RandomSource random)
    : next_track_(std::move(next_track)), random_(std::move(random)) {
  local_ = {random_ice_ufrag(random_), random_ice_pwd(random_)};
  cname_ = random_ice_text(16, random_);
  description_id_ = std::uint64_t{random_ssrc(random_)} << 31 | random_ssrc(random_);
}

bool Negotiation::is_other_peer(const sdp::Offer& offer) const {
  if (fingerprints_.empty()) return false;
  return std::none_of(offer.sections.begin(), offer.sections.end(),
                      [&](const sdp::Section& s) { return s.fingerprints == fingerprints_; });
}

RpcResult<Plan> Negotiation::offer(const sdp::Offer& offer, std::span<const SendIntent> intents,
                                   const NegotiationRules& rules) {
  if (auto ok = check_intents(offer, intents, rules); !ok) return tl::unexpected(ok.error());
  if (auto ok = check_payload_types(offer); !ok) return tl::unexpected(ok.error());
  if (auto ok = check_ssrcs(offer); !ok) return tl::unexpected(ok.error());

  Negotiation next = *this;  // becomes *this only when everything is in order
  Plan plan;
  for (const sdp::Section& section : offer.sections) {
    const auto intent = std::find_if(intents.begin(), intents.end(),
                                     [&](const SendIntent& i) { return i.mid == section.mid; });
    LinePlan line;
    const auto ok =
        next.plan_line(offer, section, intent == intents.end() ? nullptr : &*intent, rules, line);
    if (!ok) return tl::unexpected(ok.error());
    plan.lines.push_back(std::move(line));
  }
  // A track whose m-line sends no more is over; if it sends again, it is a new one.
  std::erase_if(next.tracks_, [&](const KnownTrack& known) {
    return std::none_of(plan.lines.begin(), plan.lines.end(), [&](const LinePlan& line) {
      return line.use == Use::Publish && line.track == known.track;
    });
  });
  for (KnownSlot& known : next.slots_) {
    known.open = std::any_of(plan.lines.begin(), plan.lines.end(), [&](const LinePlan& line) {
      return line.use == Use::Slot && line.ssrc == known.ssrc;
    });
  }
  if (const sdp::Section* section = transport_section(offer, plan.lines); section != nullptr) {
    if (auto ok = next.adopt_transport(*section); !ok) return tl::unexpected(ok.error());
  }
  plan.local = next.local_;
  plan.cname = next.cname_;
  plan.description_id = next.description_id_;
  plan.version = ++next.version_;
  *this = std::move(next);
  return plan;
}

RpcResult<void> Negotiation::plan_line(const sdp::Offer& offer, const sdp::Section& section,
                                       const SendIntent* intent, const NegotiationRules& rules,
                                       LinePlan& line) {
  if (takes_data(offer, section, rules)) {
    line.use = Use::Data;
    data_ = section.mid;
    return {};
  }
  const bool stopped = section.port == 0 && !section.bundle_only;
  if (!section.kind || section.codecs.empty() || stopped || !is_bundled(offer, section)) {
    if (intent == nullptr) return {};
    return tl::unexpected(refused("sdp_not_bundled", "m-line of mid " + mid_text(section) +
                                                         " is stopped or not in the bundle"));
  }
  if (!section.rtcp_mux) {
    return tl::unexpected(
        refused("sdp_rtcp_mux", "m-line of mid " + mid_text(section) + " lacks a=rtcp-mux"));
  }
  if (intent != nullptr) return plan_publish(offer, section, *intent, rules, line);
  line.use = Use::Inactive;
  line.codecs = choose_codecs(section, rules.codecs);
  if (line.codecs.empty()) line.use = Use::Rejected;
  const bool wants_media = sdp::receives(section.direction);
  if (!wants_media || !rules.permissions.has(Permission::Subscribe)) return {};
  return plan_slot(offer, section, rules, line);
}

// One m-line for all channels, and only in the first offer of a PeerConnection: later the worker
// has let go of what it takes.
bool Negotiation::takes_data(const sdp::Offer& offer, const sdp::Section& section,
                             const NegotiationRules& rules) const {
  const bool stopped = section.port == 0 && !section.bundle_only;
  const bool channels = section.media == "application" && section.sctp_port &&
                        section.protocol.ends_with("DTLS/SCTP") &&
                        section.formats.front() == "webrtc-datachannel";
  if (!channels || stopped || !rules.data || !is_bundled(offer, section)) return false;
  return data_ ? *data_ == section.mid : fingerprints_.empty();
}

RpcResult<void> Negotiation::plan_publish(const sdp::Offer& offer, const sdp::Section& section,
                                          const SendIntent& intent, const NegotiationRules& rules,
                                          LinePlan& line) {
  line.use = Use::Publish;
  line.source = intent.source;
  line.codecs = choose_codecs(section, rules.codecs);
  if (line.codecs.empty()) return tl::unexpected(nothing_taken(section, rules.codecs));
  const auto known = std::find_if(tracks_.begin(), tracks_.end(), [&](const KnownTrack& k) {
    return k.mid == section.mid && k.source == intent.source;
  });
  if (known != tracks_.end()) line.track = known->track;
  if (auto ok = put_agreed_first(section, rules, line); !ok) return ok;
  line.extensions = choose_extensions(
      section, Purpose::Receive, line.codecs, offer.extmap_allow_mixed,
      rules.upright ? std::optional(rtp::Extension::VideoOrientation) : std::nullopt);
  if (known != tracks_.end()) return {};
  std::erase_if(tracks_, [&](const KnownTrack& k) { return k.mid == section.mid; });
  if (tracks_.size() >= rules.max_tracks) {
    return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_tracks",
                                    "more tracks than a participant may have", "tracks"));
  }
  line.track = next_track_();
  tracks_.push_back({section.mid, intent.source, line.track});
  return {};
}

// The browser begins with the first codec of the answer. One that was agreed on before stays as
// long as everybody decodes it: who likes another better is asked after the offer, not by it.
RpcResult<void> Negotiation::put_agreed_first(const sdp::Section& section,
                                              const NegotiationRules& rules, LinePlan& line) const {
  if (section.kind != rtp::MediaKind::Video) return {};
  const std::vector<server::CodecParams> codecs = params_of(line.codecs);
  const auto asked = std::find_if(rules.asked.begin(), rules.asked.end(),
                                  [&](const AskedCodec& a) { return a.track == line.track; });
  const server::CodecParams* current = asked == rules.asked.end() ? nullptr : &asked->codec;
  const bool stays = current != nullptr && all_decode(*current, Viewer::kNobody, rules.viewers);
  const server::CodecParams* agreed = agree({Viewer::kNobody, codecs}, rules.viewers,
                                            stays ? CodecPolicy() : rules.codecs, current);
  if (agreed == nullptr) {
    return tl::unexpected(no_shared_codec(
        "mid " + mid_text(section) + " offers no codec that everybody in the room decodes",
        names_of(codecs), names_of(decoded_by_all(rules.viewers))));
  }
  const auto first = line.codecs.begin() + (agreed - codecs.data());
  std::rotate(line.codecs.begin(), first, first + 1);
  return {};
}

RpcResult<void> Negotiation::plan_slot(const sdp::Offer& offer, const sdp::Section& section,
                                       const NegotiationRules& rules, LinePlan& line) {
  line.codecs = choose_codecs(section, rules.codecs);
  if (line.codecs.empty() && !choose_codecs(section).empty()) {
    return tl::unexpected(nothing_taken(section, rules.codecs));
  }
  if (line.codecs.empty()) {  // we could never send anything
    line.use = Use::Rejected;
    return {};
  }
  line.use = Use::Slot;
  add_red(section, line.codecs);
  line.extensions =
      choose_extensions(section, Purpose::Send, line.codecs, offer.extmap_allow_mixed);
  auto known = std::find_if(slots_.begin(), slots_.end(),
                            [&](const KnownSlot& k) { return k.mid == section.mid; });
  if (known == slots_.end()) {
    if (slots_.size() >= rules.max_slots) {
      return tl::unexpected(rpc_error(Status::ResourceExhausted, "too_many_slots",
                                      "more recvonly m-lines than a participant may have", "sdp"));
    }
    KnownSlot slot;
    slot.mid = section.mid;
    slot.kind = *section.kind;
    slot.index = static_cast<std::size_t>(
        std::count_if(slots_.begin(), slots_.end(),
                      [&](const KnownSlot& other) { return other.kind == slot.kind; }));
    slot.ssrc = unused_ssrc();
    slots_.push_back(slot);
    slots_.back().rtx_ssrc = unused_ssrc();
    known = std::prev(slots_.end());
  } else if (!known->open) {
    // It begins anew, with other numbers: under an SSRC of before SRTP would take them for old ones
    // (RFC 3711, section 3.3.1), here and at the receiver.
    known->ssrc = unused_ssrc();
    known->rtx_ssrc = unused_ssrc();
  }
  line.slot_index = known->index;
  line.ssrc = known->ssrc;
  line.rtx_ssrc = known->rtx_ssrc;
  return {};
}

RpcResult<void> Negotiation::adopt_transport(const sdp::Section& section) {
  if (section.ice_ufrag.empty() || section.ice_pwd.empty()) {
    return tl::unexpected(refused("sdp_ice", "no a=ice-ufrag and a=ice-pwd"));
  }
  if (section.fingerprints.empty()) {
    return tl::unexpected(
        refused("sdp_fingerprint", "no a=fingerprint of sha-256, sha-384 or sha-512"));
  }
  if (section.setup && *section.setup != sdp::Setup::ActPass &&
      *section.setup != sdp::Setup::Active) {
    return tl::unexpected(refused("sdp_setup", "a=setup must be actpass or active"));
  }
  if (!fingerprints_.empty() && fingerprints_ != section.fingerprints) {
    return tl::unexpected(refused("sdp_fingerprint", "the certificate changed in mid-call"));
  }
  const server::IceCredentials remote{section.ice_ufrag, section.ice_pwd};
  const bool restart = !remote_.ufrag.empty() && remote != remote_;  // RFC 8839, section 4.4.1.1.1
  if (restart) local_ = {random_ice_ufrag(random_), random_ice_pwd(random_)};
  remote_ = remote;
  fingerprints_ = section.fingerprints;
  return {};
}

rtp::Ssrc Negotiation::unused_ssrc() {
  for (;;) {
    const rtp::Ssrc ssrc(random_ssrc(random_));
    const auto taken = [&](const KnownSlot& slot) {
      return slot.ssrc == ssrc || slot.rtx_ssrc == ssrc;
    };
    if (std::none_of(slots_.begin(), slots_.end(), taken)) return ssrc;
  }
}

server::PeerParams peer_params(const sdp::Offer& offer, const Plan& plan) {
  server::PeerParams params;
  params.local = plan.local;
  params.cname = plan.cname;
  if (const sdp::Section* section = transport_section(offer, plan.lines); section != nullptr) {
    params.remote = {section->ice_ufrag, section->ice_pwd};
    params.fingerprints = section->fingerprints;
  }
  for (std::size_t i = 0; i < plan.lines.size(); ++i) {
    const LinePlan& line = plan.lines[i];
    const sdp::Section& section = offer.sections[i];
    if (line.use == Use::Publish) {
      params.publishes.push_back({line.track, section.mid, *section.kind, params_of(line.codecs),
                                  line.extensions.map, section.simulcast_send,
                                  ssrc_pairs(section)});
    } else if (line.use == Use::Data) {
      constexpr std::uint64_t kLargest = server::DataParams{}.max_message;
      const std::uint64_t told =
          section.max_message_size.value_or(65'536);  // RFC 8841, section 6.1
      const std::uint64_t most = told == 0 ? kLargest : std::min(told, kLargest);
      params.data = {*section.sctp_port, static_cast<std::size_t>(most)};
    } else if (line.use == Use::Slot) {
      params.slots.push_back({section.mid, *section.kind, line.ssrc, line.rtx_ssrc,
                              params_of(line.codecs), line.extensions.map});
    }
  }
  return params;
}

}  // namespace parley::control
