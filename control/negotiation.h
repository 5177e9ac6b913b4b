#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/codec_agreement.h"
#include "control/codec_choice.h"
#include "control/permissions.h"
#include "control/random_id.h"
#include "control/rpc.h"
#include "control/sdp.h"
#include "server/api.h"

namespace parley::control {

// One m-line on which the client says it sends, and what.
struct SendIntent {
  rtp::Mid mid;
  TrackSource source = TrackSource::Camera;
};

// What becomes of one m-line of the offer.
struct LinePlan {
  enum class Use : std::uint8_t { Rejected, Inactive, Publish, Slot, Data };
  Use use = Use::Rejected;
  std::vector<ChosenCodec> codecs;  // empty unless Publish or Slot
  ChosenExtensions extensions;
  server::TrackNo track;  // Publish
  TrackSource source = TrackSource::Camera;
  std::size_t slot_index = 0;  // Slot: counted per kind
  rtp::Ssrc ssrc;
  rtp::Ssrc rtx_ssrc;
};

// An offer understood: one entry per m-line, in order. write_answer turns it into text, and
// peer_params into what the worker needs.
struct Plan {
  std::vector<LinePlan> lines;
  server::IceCredentials local;
  std::string cname;
  std::uint64_t description_id = 0;  // of the o= line
  std::uint64_t version = 0;
  [[nodiscard]] bool has_media() const noexcept;
};

// What a known track's publisher was asked to send.
struct AskedCodec {
  server::TrackNo track;
  server::CodecParams codec;
};

struct NegotiationRules {
  Permissions permissions;
  std::size_t max_tracks = 16;
  std::size_t max_slots = 64;
  CodecPolicy codecs{};               // of video
  std::span<const Viewer> viewers{};  // the other members
  std::span<const AskedCodec> asked{};
  bool data = false;  // data channels
  // Publishers turn their pictures themselves, instead of telling viewers to do it (3GPP TS 26.114,
  // 7.4.5): files show them as they come.
  bool upright = false;
};

// `have` is what somebody can do, `need` that of which one would be enough; no entry: none would.
[[nodiscard]] RpcError no_shared_codec(std::string message, std::span<const std::string> have,
                                       std::span<const std::string> need);
[[nodiscard]] std::vector<server::CodecParams> params_of(const std::vector<ChosenCodec>& codecs);
// What each video slot of the plan decodes.
[[nodiscard]] std::vector<std::vector<server::CodecParams>> video_codecs(const sdp::Offer& offer,
                                                                         const Plan& plan);

// The memory of one PeerConnection over its offers: an m-line keeps its track number while it goes
// on sending the same source, and a slot keeps its index and SSRCs for good. It knows neither
// rooms nor workers; numbers and chance come from outside.
class Negotiation {
 public:
  using NextTrack = std::function<server::TrackNo()>;
  Negotiation(NextTrack next_track, RandomSource random);

  // True when the offer comes from another PeerConnection than the earlier ones: its certificate
  // differs. The caller starts afresh with a new Negotiation and a new peer.
  [[nodiscard]] bool is_other_peer(const sdp::Offer& offer) const;

  // Decides on every m-line, or says why the whole offer is refused; then nothing has changed.
  [[nodiscard]] RpcResult<Plan> offer(const sdp::Offer& offer, std::span<const SendIntent> intents,
                                      const NegotiationRules& rules);

 private:
  struct KnownTrack {
    rtp::Mid mid;
    TrackSource source = TrackSource::Camera;
    server::TrackNo track;
  };
  struct KnownSlot {
    rtp::Mid mid;
    rtp::MediaKind kind = rtp::MediaKind::Audio;
    std::size_t index = 0;
    rtp::Ssrc ssrc;
    rtp::Ssrc rtx_ssrc;
    bool open = true;  // the last offer had it
  };

  RpcResult<void> plan_line(const sdp::Offer& offer, const sdp::Section& section,
                            const SendIntent* intent, const NegotiationRules& rules,
                            LinePlan& line);
  RpcResult<void> plan_publish(const sdp::Offer& offer, const sdp::Section& section,
                               const SendIntent& intent, const NegotiationRules& rules,
                               LinePlan& line);
  RpcResult<void> put_agreed_first(const sdp::Section& section, const NegotiationRules& rules,
                                   LinePlan& line) const;
  RpcResult<void> plan_slot(const sdp::Offer& offer, const sdp::Section& section,
                            const NegotiationRules& rules, LinePlan& line);
  RpcResult<void> adopt_transport(const sdp::Section& section);
  [[nodiscard]] bool takes_data(const sdp::Offer& offer, const sdp::Section& section,
                                const NegotiationRules& rules) const;
  rtp::Ssrc unused_ssrc();

  NextTrack next_track_;
  RandomSource random_;
  std::vector<KnownTrack> tracks_;
  std::vector<KnownSlot> slots_;
  server::IceCredentials local_;
  server::IceCredentials remote_;
  std::vector<server::Fingerprint> fingerprints_;
  std::optional<rtp::Mid> data_;  // the m-line of data channels
  std::string cname_;
  std::uint64_t description_id_ = 0;
  std::uint64_t version_ = 0;
};

[[nodiscard]] server::PeerParams peer_params(const sdp::Offer& offer, const Plan& plan);

}  // namespace parley::control
