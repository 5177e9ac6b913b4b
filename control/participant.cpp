#include "control/participant.h"

namespace parley::control {

std::string_view name_of(rtp::MediaKind kind) noexcept {
  return kind == rtp::MediaKind::Audio ? "audio" : "video";
}

Json Track::to_json() const {
  return Json::object(
      {{"track_id", id}, {"kind", name_of(kind)}, {"source", name_of(source)}, {"muted", muted()}});
}

const Participant::DataChannel* Participant::chat_channel() const noexcept {
  if (!peer || media_away) return nullptr;
  for (const DataChannel& channel : channels) {
    if (channel.protocol == kChatProtocol) return &channel;
  }
  return nullptr;
}

Json Participant::to_json() const {
  Json list = Json::array();
  for (const Track& track : tracks) list.push(track.to_json());
  Json json =
      Json::object({{"participant_id", id},
                    {"identity", claims.identity},
                    {"name", claims.name},
                    {"role", name_of(claims.role)},
                    {"joined_ms", joined_ms},
                    {"state", state == ParticipantState::Active ? "active" : "reconnecting"},
                    {"tracks", std::move(list)}});
  if (hand_raised_ms) json.set("hand_raised_ms", *hand_raised_ms);
  if (claims.attributes.is_object()) json.set("attributes", claims.attributes);
  return json;
}

}  // namespace parley::control
