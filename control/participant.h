#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/auth.h"
#include "control/listener.h"
#include "control/negotiation.h"
#include "control/rate_limit.h"
#include "control/slots.h"
#include "control/timers.h"
#include "server/api.h"

namespace parley::control {

// One person (or bot) in a session: who it is, what it publishes and which slots it has. Plain
// data; session.h moves it.

struct Track {
  std::string id;  // tr_...
  server::TrackNo no;
  rtp::Mid mid;
  rtp::MediaKind kind = rtp::MediaKind::Audio;
  server::PublishSection section;  // as the worker knows it
  TrackSource source = TrackSource::Camera;
  bool self_muted = false;
  bool host_muted = false;
  bool withheld = false;  // by a lack of minutes, or of permission
  std::size_t loudness = kSilent;
  // Of video: how high somebody wants to see it, and as what the publisher was told. Without a word
  // he sends everything.
  std::uint32_t wanted_height = kAnyHeight;
  std::uint32_t told_wanted = kAnyHeight;
  static constexpr std::uint32_t kAnyHeight = 8'640;  // the highest that slot.want takes
  // Somebody would get the smallest of its spatial layers only, so there should be just one.
  bool wanted_single = false;
  bool told_single = false;
  // Of video, as the publisher names them: what he was asked for, and what comes.
  std::optional<server::CodecParams> asked;
  std::optional<rtp::Time> asked_at;  // by track.codec_wanted
  std::optional<server::CodecParams> arriving;

  [[nodiscard]] bool muted() const noexcept { return self_muted || stopped(); }
  // The worker forwards nothing.
  [[nodiscard]] bool stopped() const noexcept { return host_muted || withheld; }
  [[nodiscard]] Json to_json() const;
};

struct LayerDecision {
  std::int64_t at_ms = 0;
  server::SlotLayer what;
};

struct Slot {
  static constexpr std::size_t kMaxDecisions = 16;
  rtp::Mid mid;
  SlotView view;
  std::optional<server::TrackNo> told_track;  // the worker
  std::uint32_t told_height = 0;
  std::int32_t told_priority = 0;
  SlotReason reason = SlotReason::Empty;
  std::vector<server::CodecParams> codecs;   // what it decodes, best first
  bool takes_layers = true;                  // of AV1, if it takes that at all
  bool undecodable = false;                  // nothing of its track, as it comes now
  std::optional<server::TrackNo> announced;  // what the client was told
  std::vector<LayerDecision> decisions;      // of video, the latest at the end

  bool announced_undecodable = false;

  // Of what is in it now; nullptr while there is none.
  [[nodiscard]] const server::SlotLayer* decision() const noexcept;
};

enum class ParticipantState : std::uint8_t { Active, Reconnecting };

struct Participant {
  Participant(JoinClaims join_claims, Negotiation first_negotiation)
      : claims(std::move(join_claims)), negotiation(std::move(first_negotiation)) {}

  std::string id;  // pa_...
  JoinClaims claims;
  std::int64_t joined_ms = 0;
  std::uint64_t order = 0;        // of joining, within the session
  bool listed = false;            // all others know him by name and hear what becomes of him
  std::uint64_t roster_from = 0;  // changes of the roster before it he knows from his join
  std::optional<std::int64_t> hand_raised_ms;  // since when
  ParticipantState state = ParticipantState::Active;
  std::optional<ConnectionId> connection;  // its socket, while it lives
  Negotiation negotiation;
  std::optional<server::PeerId> peer;
  std::size_t worker = 0;       // of the peer
  bool ever_connected = false;  // DTLS finished at least once
  bool media_away = false;
  bool sends = false;  // media of his has come since it was connected
  std::vector<Track> tracks;
  std::vector<Slot> slots;
  struct DataChannel {
    std::uint16_t number = 0;  // as the worker knows it
    std::string label;
    std::string protocol;
  };
  // Of his data channels, one of this protocol carries requests of chat (docs/control-protocol.md).
  static constexpr std::string_view kChatProtocol = "parley.chat.v1";
  std::vector<DataChannel> channels;
  std::optional<TokenBucket> data_messages;  // once he has sent one
  std::optional<TokenBucket> data_bytes;
  std::vector<server::CodecParams> decodes;  // in every video slot; empty without any
  bool codec_refused = false;                // the last offer, with no_shared_codec
  Timers::Id reconnect_timer = 0;
  Timers::Id end_timer = 0;  // token expiry or maximum duration
  Timers::Id quality_timer = 0;
  bool degraded = false;  // as quality.degraded and quality.recovered told

  // His media is connected.
  [[nodiscard]] bool on_air() const noexcept { return peer && ever_connected && !media_away; }
  [[nodiscard]] bool hidden() const noexcept { return claims.hidden; }
  [[nodiscard]] bool may(Permission permission) const noexcept {
    return claims.permissions.has(permission);
  }
  // Over which he would rather have what is written; null: his socket, as while his media is away.
  [[nodiscard]] const DataChannel* chat_channel() const noexcept;
  // The roster entry that others see.
  [[nodiscard]] Json to_json() const;
};

[[nodiscard]] std::string_view name_of(rtp::MediaKind kind) noexcept;

}  // namespace parley::control
